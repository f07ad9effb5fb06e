import { Fraction } from 'fraction.js'
import { linearProgram } from './linear-program.ts'
import { type Rational, total, zero } from './rational.ts'

/** A question that comes up with some probability, and what each member gets from each answer. */
export interface Question {
  readonly probability: Rational
  /** One row an answer, one number a member. */
  readonly answers: readonly (readonly Rational[])[]
  /** The answer that stands when a member vetoes every other. */
  readonly standing: number
}

/** What a committee decides by a contract, which may be random: a probability for each answer of each question. */
export interface Contract {
  readonly policy: readonly (readonly Rational[])[]
  /** What each member expects under it. */
  readonly expects: readonly Rational[]
}

/**
 * The contract that every member signs beforehand and that is worth most in all: each expects at least what it gets when the committee decides
 * question by question with vetoes. Where `weights` are given, gains count by them.
 *
 * source  Wentworth and Lorell 2023, "Why Not Subagents?"
 */
export function bestContract(questions: readonly Question[], weights?: readonly number[]): Contract {
  const members = questions[0]!.answers[0]!.length
  const alone = byVeto(questions)
  const places = questions.flatMap(({ answers }, q) => answers.map((_, a) => ({ q, a })))
  const worth = (place: { q: number; a: number }, m: number) =>
    questions[place.q]!.probability.mul(questions[place.q]!.answers[place.a]![m]!)
  // Gains over the vetoes are counted so that right-hand sides are not below zero.
  const gain = (place: { q: number; a: number }, m: number) => {
    const { probability, answers } = questions[place.q]!
    return worth(place, m).sub(probability.mul(answers[alone[place.q]!]![m]!))
  }
  const rows = [
    ...questions.map((_, q) => ({ of: places.map((place) => (place.q === q ? new Fraction(1) : zero)), right: 1n, slack: -1 })),
    ...Array.from({ length: members }, (_, m) => ({ of: places.map((place) => gain(place, m)), right: 0n, slack: m })),
  ]
  const whole = rows.map(({ of, right, slack }) => {
    const common = of.reduce((product, { d }) => (product % d === 0n ? product : product * d), 1n)
    const slacks = Array.from({ length: members }, (_, m) => (m === slack ? -1n : 0n))
    return { row: [...of.map(({ s, n, d }) => (s * n * common) / d), ...slacks], right: right * common }
  })
  const objective = places.map((place) => total(Array.from({ length: members }, (_, m) => gain(place, m).mul(weights?.[m] ?? 1))))
  const common = objective.reduce((product, { d }) => product * d, 1n)
  const program = linearProgram(
    whole.map(({ row }) => row),
    whole.map(({ right }) => right),
  )!
  const { at } = program.maximise([...objective.map(({ s, n, d }) => (s * n * common) / d), ...Array.from({ length: members }, () => 0n)])!
  const policy = questions.map(({ answers }, q) => answers.map((_, a) => at[places.findIndex((place) => place.q === q && place.a === a)]!))
  return { policy, expects: expected(questions, policy) }
}

/** What each member expects when every question is decided by itself: an answer replaces the standing one when no member loses and one gains. */
export function withoutContract(questions: readonly Question[]): Contract {
  const alone = byVeto(questions)
  const policy = questions.map(({ answers }, q) => answers.map((_, a) => (a === alone[q] ? new Fraction(1) : zero)))
  return { policy, expects: expected(questions, policy) }
}

/** Goes on to the first better answer for as long as there is one. */
function byVeto(questions: readonly Question[]): number[] {
  return questions.map(({ answers, standing }) => {
    let at = standing
    for (let next = at; next >= 0; ) {
      at = next
      next = answers.findIndex((answer) => {
        const signs = answer.map((value, m) => value.compare(answers[at]![m]!))
        return signs.every((sign) => sign >= 0) && signs.some((sign) => sign > 0)
      })
    }
    return at
  })
}

function expected(questions: readonly Question[], policy: Contract['policy']): Rational[] {
  return questions[0]!.answers[0]!.map((_, m) =>
    total(questions.flatMap(({ probability, answers }, q) => answers.map((answer, a) => probability.mul(policy[q]![a]!).mul(answer[m]!)))),
  )
}

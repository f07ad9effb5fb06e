import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scoredAt } from '../../test/scored.ts'
import { constant, evaluate, type Graph, gradient, graph, input, mean, sum, table, tensor, UserError, type Value } from '../graph/index.ts'
import {
  aot,
  aotUnpaired,
  bcoUnpaired,
  distil,
  dpo,
  drest,
  exo,
  ipo,
  kinds,
  kto,
  mixture,
  nextToken,
  objectiveFrom,
  objectives,
  rewardUnpaired,
  simpo,
} from './index.ts'
import type { KnownExample, LabelledObjective } from './labelled.ts'
import { driftOf, mismatched } from './mismatched.ts'
import { type KnownPair, type PairObjective, pairLosses } from './pairs.ts'
import type { Params } from './params.ts'
import { type Point, type PointSide, points } from './points.ts'
import { meansOfOthers } from './rewards.ts'
import { side } from './side.ts'

const pairMakers = Object.fromEntries(Object.entries(objectives).filter(([, make]) => 'perPair' in make.definition)) as Readonly<
  Record<string, { readonly definition: { readonly known: unknown } }>
>
/** Every loss of pairs that is of single pairs, with its defaults and in its other forms. */
const pairForms = [
  ...Object.keys(pairMakers).map((name) => objectiveFrom({ name }) as PairObjective),
  dpo({ beta: 0.5 }),
  dpo({ fDivergence: 'forwardKl' }),
  dpo({ fDivergence: 'jensenShannon', labelSmoothing: 0.2 }),
  dpo({ fDivergence: 'alpha', alpha: 0.3 }),
  ipo({ form: 'sums' }),
  mixture({
    of: [
      { objective: dpo(), weight: 0.8 },
      { objective: exo({ labelSmoothing: 0.1 }), weight: 0.2 },
    ],
  }),
].filter(({ whole }) => !whole)
const label = ({ name, params }: PairObjective) => `${name} ${JSON.stringify(params)}`

describe.each(Object.entries(objectives))('%s', (name, make) => {
  it('says what it is, where it comes from, and what can be set', () => {
    const { definition } = make
    expect(definition.name).toBe(name)
    expect(definition.source).toMatch(/arXiv:\d{4}\.\d{5}/)
    expect(definition.about.length).toBeGreaterThan(20)
    expect(definition.known.length).toBeGreaterThan(0)
    const defaults = Object.fromEntries(Object.entries(definition.params as Params).map(([key, param]) => [key, param.default]))
    expect(make().params).toEqual(defaults)
    expect(objectiveFrom({ name })).toMatchObject({ name, params: defaults })
  })

  const { beta } = make.definition.params as Params
  it.skipIf(!(beta && 'above' in beta))('refuses what is out of bounds, naming field and bound', () => {
    for (const beta of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '0.1'])
      expect(() => objectiveFrom({ name, beta })).toThrow(
        new RegExp(`^${name}\\.beta: must be a number above 0 \\(.*\\), got .*; the default is`),
      )
    expect(() => objectiveFrom({ name, betta: 1 })).toThrow(
      new RegExp(`^${name}\\.betta: must be a parameter of ${name}, got 1; did you mean beta\\?$`),
    )
    expect(() => objectiveFrom({ name, temperature: 1 })).toThrow(
      new RegExp(`^${name}\\.temperature: must be a parameter of ${name}, got 1; choose from beta`),
    )
  })
})

it('an objective that is not there is refused with the names of those that are', () => {
  expect(() => objectiveFrom({ name: 'toString' })).toThrow(UserError)
  expect(() => objectiveFrom({ name: 'dpo2' })).toThrow('got "dpo2"; choose from dpo, robust, hinge, ipo')
  expect(() => objectiveFrom({ name: 'nextToken', beta: 1 })).toThrow(
    'nextToken.beta: must be a parameter of nextToken, got 1; choose from none, it has no parameter',
  )
  expect(() => objectiveFrom({ name: 'ipo', form: 'mean' })).toThrow(
    'ipo.form: must be perToken or sums, got "mean"; the default is perToken',
  )
})

it('what belongs to a choice that was not made is refused, but for its default, as settled parameters have it', () => {
  expect(() => objectiveFrom({ name: 'dpo', alpha: 0.3 })).toThrow(
    'dpo.alpha: must stand beside fDivergence alpha, got 0.3 beside "reverseKl"; leave it out, or say fDivergence: "alpha"',
  )
  expect(() => objectiveFrom({ name: 'dpo', alpha: 0.3, fDivergence: 'forwardKl' })).toThrow('got 0.3 beside "forwardKl"')
  expect(dpo({ fDivergence: 'alpha', alpha: 0.3 }).params).toMatchObject({ alpha: 0.3 })
  expect(objectiveFrom({ name: 'dpo', ...dpo().params }).params).toEqual(dpo().params)
})

describe('known values and slopes', () => {
  const pairs = Object.entries(pairMakers).flatMap(([name, make]) =>
    (make.definition.known as readonly KnownPair[]).map((known) => ({
      ...known,
      objective: objectiveFrom({ name, ...known.params }) as PairObjective,
    })),
  )
  it.each(pairs)('$id: $objective.name is $loss', ({ objective, at, q = 1, loss, slopes }) => {
    const seen = pairAt(objective, at, q)
    expect(Math.abs(seen.loss - loss)).toBeLessThan(1e-9)
    const f = (chosen: number, rejected: number) => pairAt(objective, moved(at, chosen, rejected), q).loss
    expect(seen.chosen).toBeCloseTo(
      slope((h) => f(h, 0)),
      7,
    )
    expect(seen.rejected).toBeCloseTo(
      slope((h) => f(0, h)),
      7,
    )
    if (!slopes) return
    expect(Math.abs(seen.chosen - slopes.chosen)).toBeLessThan(1e-8)
    expect(Math.abs(seen.rejected - slopes.rejected)).toBeLessThan(1e-8)
  })

  const labelled = [kto, bcoUnpaired, rewardUnpaired].flatMap(({ definition: { name, known } }) =>
    (known as readonly KnownExample[]).map((one) => ({ name, ...one })),
  )
  it.each(labelled)('$id: $name is $loss at z0 $z0', ({ name, ...known }) => {
    const objective = objectiveFrom({ name, ...known.params }) as LabelledObjective
    const f = (logp: number) => exampleAt(objective, { ...known.at, logp }, known.label, known.z0)
    const seen = f(known.at.logp)
    expect(Math.abs(seen.loss - known.loss)).toBeLessThan(1e-9)
    expect(seen.slope).toBeCloseTo(
      slope((h) => f(known.at.logp + h).loss),
      7,
    )
    if (known.slope !== undefined) expect(Math.abs(seen.slope - known.slope)).toBeLessThan(1e-8)
  })
})

describe('nextToken', () => {
  /** The mean loss of tokens, two more being padding, and its slope by each log-probability. */
  function tokensAt(logps: readonly number[]) {
    const n = logps.length + 2
    const given = { logp: input('logp', [n]), weights: input('weights', [n]) }
    const scored = { ...scoredAt(1, [], {}), tokenLogps: given.logp, weights: given.weights, unit: constant(1 / logps.length) }
    const loss = nextToken().terms(scored).objective
    const values = evaluate(graph(given, { loss, slopes: gradient(loss, given.logp) }), {
      logp: { dtype: 'f32', shape: [n], data: Float64Array.of(...logps, -7, -9) },
      weights: { dtype: 'f32', shape: [n], data: Float64Array.of(...logps.map(() => 1), 0, 0) },
    })
    return { loss: values.loss!.data[0]!, slopes: Array.from(values.slopes!.data) }
  }

  it.each(nextToken.definition.known)('$id: is $loss for $logps, whatever the padding', ({ logps, loss, slopes }) => {
    const seen = tokensAt(logps)
    expect(Math.abs(seen.loss - loss)).toBeLessThan(1e-9)
    for (const [i, want] of [...slopes, 0, 0].entries()) {
      expect(Math.abs(seen.slopes[i]! - want)).toBeLessThan(1e-9)
      if (i >= logps.length) continue
      expect(slope((h) => tokensAt(logps.with(i, logps[i]! + h)).loss)).toBeCloseTo(want, 7)
    }
  })

  it('has no terms of preferences for a custom loss', () => {
    const terms = nextToken().terms(scoredAt(1, [], {}))
    for (const name of ['kl', 'chosen', 'rejected', 'margin', 'softLabels', 'completion'] as const)
      expect(() => terms[name]).toThrow(`loss.${name}: must be a term of the objective, got nextToken, which has none; texts have`)
  })
})

describe('at policy = reference', () => {
  it.each(pairForms.filter((objective) => objective.atReference).map((objective) => [label(objective), objective] as const))(
    '%s has its closed form, whatever the soft label',
    (_, objective) => {
      fc.assert(
        fc.property(anyPoint(), unit(), (at, q) => {
          const still = moved(at, at.chosen.reference - at.chosen.logp, at.rejected.reference - at.rejected.logp)
          expect(pairAt(objective, still, q).loss).toBeCloseTo(objective.atReference!(), 8)
        }),
      )
    },
  )

  it('kto has its closed form, with weights and drift', () => {
    fc.assert(
      fc.property(anySide(), fc.constantFrom(0, 1), number(0, 20), number(0.1, 3), number(0.1, 3), (at, wanted, z0, up, down) => {
        const objective = kto({ desirableWeight: up, undesirableWeight: down })
        expect(exampleAt(objective, { ...at, logp: at.reference }, wanted, z0).loss).toBeCloseTo(objective.atReference!(wanted, z0), 9)
      }),
    )
  })

  it('simpo reads no reference and has no such value', () => {
    expect(simpo().atReference).toBeUndefined()
    expect(simpo().needs).not.toContain('reference')
    const completions = side({ logp: input('logp', [2]), length: input('length', [2]) })
    expect(simpo().perPair({ chosen: completions, rejected: completions }).shape).toEqual([2])
    expect(() => dpo().perPair({ chosen: completions, rejected: completions })).toThrow("list 'reference' in the objective's needs")
  })
})

describe('laws', () => {
  it.each(pairForms.filter(({ needs }) => needs.includes('reference')).map((objective) => [label(objective), objective] as const))(
    '%s: adding the same to a log-probability and its reference changes nothing',
    (_, objective) => {
      fc.assert(
        fc.property(anyPoint(), unit(), number(-40, 40), number(-40, 40), (at, q, w, l) => {
          const shifted: Point = { chosen: shift(at.chosen, w), rejected: shift(at.rejected, l) }
          close(pairAt(objective, shifted, q).loss, pairAt(objective, at, q).loss)
        }),
      )
    },
  )

  const ofMargin = ['robust', 'hinge', 'exo', 'discopop'].map((name) => objectiveFrom({ name }) as PairObjective)
  const marginAlone = [dpo(), ipo({ form: 'sums' }), ...ofMargin].map((objective) => [label(objective), objective] as const)
  it.each(marginAlone)('%s: only the margin counts, so raising both sides changes nothing', (_, objective) => {
    fc.assert(
      fc.property(anyPoint(), unit(), number(-40, 40), (at, q, c) => {
        close(pairAt(objective, moved(at, c, c), q).loss, pairAt(objective, at, q).loss)
      }),
    )
  })

  it.each(['ipo', 'sigmoidNorm'])('%s per token: only the margin of means counts', (name) => {
    const objective = objectiveFrom({ name }) as PairObjective
    fc.assert(
      fc.property(anyPoint(), unit(), number(-4, 4), (at, q, c) => {
        const raised = moved(at, c * at.chosen.length, c * at.rejected.length)
        close(pairAt(objective, raised, q).loss, pairAt(objective, at, q).loss)
      }),
    )
  })

  it.each(['nca', 'bco', 'sppo', 'apoZero', 'apoDown', 'dpop'])('%s: the sides count apart, so raising both does change it', (name) => {
    const objective = objectiveFrom({ name }) as PairObjective
    expect(Math.abs(pairAt(objective, moved(points.B, -3, -3), 1).loss - pairAt(objective, points.B, 1).loss)).toBeGreaterThan(1e-4)
  })

  it('f-DPO with α = 1 is dpo, with α = 0 the forward KL', () => {
    fc.assert(
      fc.property(anyNearPoint(), unit(), (at, q) => {
        close(pairAt(dpo({ fDivergence: 'alpha', alpha: 1 }), at, q).loss, pairAt(dpo(), at, q).loss)
        close(pairAt(dpo({ fDivergence: 'alpha', alpha: 0 }), at, q).loss, pairAt(dpo({ fDivergence: 'forwardKl' }), at, q).loss)
      }),
    )
  })

  it('robust dpo is dpo in the mean over votes that are wrong at its rate', () => {
    fc.assert(
      fc.property(anyPoint(), number(0, 0.45), (at, labelSmoothing) => {
        const robust = objectiveFrom({ name: 'robust', labelSmoothing }) as PairObjective
        close(pairAt(robust, at, 1 - labelSmoothing).loss, pairAt(dpo(), at, 1).loss)
      }),
    )
  })

  describe('V-AOT-3: of the whole batch', () => {
    const chosen = [
      { logp: -12, reference: -13, length: 6 },
      { logp: -9, reference: -9.5, length: 6 },
    ]
    const rejected = [
      { logp: -15, reference: -14, length: 6 },
      { logp: -8, reference: -10, length: 6 },
    ]
    const lossesOf = (objective: PairObjective, q: readonly number[], [a, b] = [chosen, rejected]) => {
      const inputs = { q: input('q', [2]), ...sideInputs('chosen', 2), ...sideInputs('rejected', 2) }
      const losses = pairLosses(objective, { chosen: sideOf(inputs, 'chosen'), rejected: sideOf(inputs, 'rejected') }, inputs.q)
      const given = { q: numbers(...q), ...column('chosen', a), ...column('rejected', b) }
      return [...evaluate(graph(inputs, { losses }), given).losses!.data]
    }
    const average = (values: readonly number[]) => (values[0]! + values[1]!) / 2

    it('paired, unpaired, and dpo on the same pairs', () => {
      for (const [i, want] of [0.7709570478, 0.5981388694].entries()) expect(lossesOf(aot(), [1, 1])[i]).toBeCloseTo(want, 9)
      expect(average(lossesOf(aot(), [1, 1]))).toBeCloseTo(0.6845479586, 9)
      expect(average(lossesOf(aotUnpaired(), [1, 1]))).toBeCloseTo(0.6826768539, 9)
      expect(average(lossesOf(dpo(), [1, 1]))).toBeCloseTo(0.6845479586, 9)
    })

    it('a vote for the other side is the pair with its sides swapped', () => {
      for (const objective of [aot(), aotUnpaired()]) {
        const swapped = [
          [rejected[0]!, chosen[1]!],
          [chosen[0]!, rejected[1]!],
        ] as [typeof chosen, typeof chosen]
        for (const [i, loss] of lossesOf(objective, [0, 1]).entries()) close(loss, lossesOf(objective, [1, 1], swapped)[i]!)
      }
    })

    it('soft labels and gaps are refused, since losses are not of single pairs', () => {
      const one = { tree: { prompt: [1], completions: [[2], [3]] }, reference: [], label: 0.7 }
      expect(() => aot().kind.check!([one, one], aot())).toThrow('train: aot needs votes for one side of each pair')
      expect(aot().kind.fewest).toBe(2)
    })
  })

  it('kto: good and bad count apart, so raising both sides does change it', () => {
    const f = (c: number) =>
      exampleAt(kto(), shiftLogp(points.B.chosen, c), 1, 0).loss + exampleAt(kto(), shiftLogp(points.B.rejected, c), 0, 0).loss
    expect(Math.abs(f(1) - f(0))).toBeGreaterThan(1e-4)
  })

  it.each(pairForms.map((objective) => [label(objective), objective] as const))(
    '%s: swapping the sides and their soft label changes nothing; its pull is then on the other side',
    (_, objective) => {
      fc.assert(
        fc.property(anyNearPoint(), unit(), (at, q) => {
          const here = pairAt(objective, at, q)
          const there = pairAt(objective, { chosen: at.rejected, rejected: at.chosen }, 1 - q)
          close(there.loss, here.loss)
          close(there.chosen, here.rejected)
          close(there.rejected, here.chosen)
        }),
      )
    },
  )

  it.each(marginAlone)('%s: swapping the sides is the margin with its sign changed', (_, objective) => {
    fc.assert(
      fc.property(anyPoint(), (at) => {
        const D = at.chosen.logp - at.chosen.reference - at.rejected.logp + at.rejected.reference
        close(pairAt(objective, { chosen: at.rejected, rejected: at.chosen }, 1).loss, pairAt(objective, moved(at, -2 * D, 0), 1).loss)
      }),
    )
  })

  it('a soft label of 1 is exactly the objective, and a batch is its pairs one by one', () => {
    const at = { chosen: [points.A.chosen, points.B.chosen], rejected: [points.A.rejected, points.B.rejected] }
    const given = { q: tensor([1, 1], [2]), ...column('chosen', at.chosen), ...column('rejected', at.rejected) }
    for (const objective of pairForms) {
      const inputs = { q: input('q', [2]), ...sideInputs('chosen', 2), ...sideInputs('rejected', 2) }
      const sides = { chosen: sideOf(inputs, 'chosen'), rejected: sideOf(inputs, 'rejected') }
      const outputs = { mixed: pairLosses(objective, sides, inputs.q), plain: objective.perPair(sides) }
      const { mixed, plain } = evaluate(graph(inputs, outputs), given)
      expect(mixed!.data).toEqual(plain!.data)
      expect(plain!.data[1]).toBe(pairAt(objective, points.B, 1).loss)
    }
  })

  it('cDPO with ε = 0.1 is dpo with soft labels of 0.9', () => {
    fc.assert(
      fc.property(anyPoint(), (at) => {
        const D = at.chosen.logp - at.chosen.reference - at.rejected.logp + at.rejected.reference
        const ls = (x: number) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))
        close(pairAt(dpo(), at, 0.9).loss, -0.9 * ls(0.1 * D) - 0.1 * ls(-0.1 * D))
      }),
    )
  })

  it('soft labels must be one per pair', () => {
    const inputs = { ...sideInputs('chosen', 3), ...sideInputs('rejected', 3) }
    const sides = { chosen: sideOf(inputs, 'chosen'), rejected: sideOf(inputs, 'rejected') }
    expect(() => pairLosses(dpo(), sides, input('q', []))).toThrow('one f32 soft label per pair expected, got f32[] for f32[3] and f32[3]')
  })
})

describe('kto’s baseline', () => {
  const one = (prompt: number, completion: number) => ({ tree: { prompt: [prompt], completions: [[completion]] } })

  it('gives each prompt the completion before it', () => {
    expect(mismatched([one(0, 10), one(1, 11), one(2, 12)])).toEqual([one(0, 12).tree, one(1, 10).tree, one(2, 11).tree])
  })

  it('never the prompt’s own: neither that of the same row, nor of another row of it, nor one that says the same', () => {
    expect(mismatched([one(0, 10), one(0, 11), one(1, 12), one(1, 13)])).toEqual([
      one(0, 13).tree,
      one(0, 13).tree,
      one(1, 11).tree,
      one(1, 11).tree,
    ])
    expect(mismatched([one(0, 10), one(1, 10), one(2, 11)])).toEqual([one(0, 11).tree, one(1, 11).tree, one(2, 10).tree])
  })

  it('is of nothing where there is no other: one row, one prompt, one completion for all', () => {
    for (const batch of [[one(0, 10)], [one(0, 10), one(0, 11)], [one(0, 10), one(1, 10)]]) expect(mismatched(batch)).toEqual([])
    expect(driftOf([])).toBeUndefined()
  })

  it('is the mean, never below 0', () => {
    expect(driftOf([1, 3, -1])).toBe(1)
    expect(driftOf([1, -3])).toBe(0)
  })
})

describe('rewards', () => {
  const known = drest.definition.known.map((group) => ({ objective: drest(), ...group }))
  it.each(known)('$id: losses and slopes of a group', ({ objective, rewards, logps, losses, slopes }) => {
    const n = rewards.length
    const logp = input('logp', [n])
    const group = logps.map((at) => ({ logp: at, reference: at, length: 1 }))
    const others = meansOfOthers(rewards)
    const given = { rewards: table(tensor(Float64Array.from(rewards), [n])), others: table(tensor(Float64Array.from(others), [n])) }
    const terms = objective.terms({ ...scoredAt(1, group, given), logps: logp })
    const seen = evaluate(graph({ logp }, { losses: terms.losses, mean: terms.objective, slopes: gradient(sum(terms.losses), logp) }), {
      logp: numbers(...logps),
    })
    for (const k of rewards.keys()) {
      expect(seen.losses!.data[k]).toBeCloseTo(losses[k]!, 12)
      expect(seen.slopes!.data[k]).toBeCloseTo(slopes[k]!, 12)
    }
    const start = objective.atStart([{ tree: { prompt: [1], completions: logps.map(() => [1]) }, reference: logps, label: 1, rewards }])
    expect(seen.mean!.data[0]).toBeCloseTo(start!, 12)
  })

  it('the same reward for all is no advantage, and adding to all changes nothing', () => {
    const group = fc.array(number(-5, 5), { minLength: 2, maxLength: 9 })
    fc.assert(
      fc.property(group, number(-9, 9), (rewards, more) => {
        const gained = (all: readonly number[]) => meansOfOthers(all).map((others, i) => all[i]! - others)
        for (const [i, advantage] of gained(rewards.map((r) => r + more)).entries()) close(advantage, gained(rewards)[i]!)
        for (const advantage of gained(rewards.map(() => more))) close(advantage, 0)
      }),
    )
  })

  it('are refused where a group has fewer than two, or not one finite reward each', () => {
    const tree = { prompt: [1], completions: [[2], [3]] }
    const check = (more: object) => () => kinds.rewards.check!([{ tree, reference: [], label: 1, ...more }], drest())
    expect(check({ rewards: [1, 0] })).not.toThrow()
    expect(check({})).toThrow(
      'train: drest needs groups of at least 2 completions with a finite reward each, got 2 completions and no rewards',
    )
    for (const rewards of [[1], [1, Number.NaN], [1, 2, 3]]) expect(check({ rewards })).toThrow(UserError)
    expect(check({ rewards: [1], tree: { prompt: [1], completions: [[2]] } })).toThrow('got 1 completions')
  })
})

describe('distil', () => {
  const lossOf = (policy: readonly number[], teacher: readonly number[], params: object) => {
    const n = policy.length
    const given = { policy: input('policy', [1, n]), teacher: input('teacher', [1, n]) }
    const loss = sum(distil(params).perToken(given))
    const matrix = (values: readonly number[]) => tensor(Float64Array.from(values), [1, n])
    const seen = evaluate(graph(given, { loss, slopes: gradient(loss, given.policy) }), {
      policy: matrix(policy),
      teacher: matrix(teacher),
    })
    return { loss: seen.loss!.data[0]!, slopes: Array.from(seen.slopes!.data) }
  }

  it.each(distil.definition.known)('$id: is $loss', ({ policy, teacher, params = {}, loss, slopes }) => {
    const seen = lossOf(policy, teacher, params)
    expect(Math.abs(seen.loss - loss)).toBeLessThan(1e-12)
    for (const [i, want] of slopes.entries()) {
      expect(Math.abs(seen.slopes[i]! - want)).toBeLessThan(1e-12)
      expect(slope((h) => lossOf(policy.with(i, policy[i]! + h), teacher, params).loss)).toBeCloseTo(want, 7)
    }
  })

  it('is least where the policy has the teacher’s scores, up to a constant', () => {
    const scores = fc.array(number(-4, 4), { minLength: 3, maxLength: 3 })
    fc.assert(
      fc.property(scores, scores, number(-4, 4), (policy, teacher, c) => {
        const least = lossOf(
          teacher.map((x) => x + c),
          teacher,
          {},
        )
        for (const s of least.slopes) expect(Math.abs(s)).toBeLessThan(1e-12)
        expect(lossOf(policy, teacher, {}).loss).toBeGreaterThan(least.loss - 1e-12)
      }),
    )
  })
})

describe('kinds', () => {
  const tree = (completions: number) => ({ prompt: [1], completions: Array.from({ length: completions }, (_, k) => [2, 3 + k]) })

  it('what there is none of is left out of the metrics', () => {
    const wanted = [0, 1].map(() => ({ tree: tree(1), reference: [-2], label: 1 }))
    const seen = kinds.labelled.metrics(wanted, [[-1], [-1]], [])
    expect(seen).toEqual({ chosenLogRatio: 1, accuracy: 1, kl: 0.5, chosenTokens: 2 })
    const both = [{ ...wanted[0]!, label: 0 }, wanted[1]!]
    expect(kinds.labelled.metrics(both, [[-1], [-1]], [3])).toMatchObject({ rejectedLogRatio: 1, margin: 0, accuracy: 0.5, z0: 3 })
  })

  it('a pair whose votes went the other way is two completions of which the second is the desirable one; a tie says half of both', () => {
    const of = (label: number) => kinds.labelled.ofPair!({ tree: tree(2), label }).map(({ label }) => label)
    expect([of(1), of(0), of(0.5)]).toEqual([
      [1, 0],
      [0, 1],
      [0.5, 0.5],
    ])
    const tie = kinds.labelled.ofPair!({ tree: tree(2), label: 0.5 }).map((one) => ({ ...one, reference: [-2] }))
    expect(kinds.labelled.metrics(tie, [[-1], [-3]], [0])).toMatchObject({
      chosenLogRatio: 0,
      rejectedLogRatio: 0,
      margin: 0,
      accuracy: 0.5,
    })
  })

  it('pairs are measured by their labels, whatever the column', () => {
    const longer = { prompt: [1], completions: [[2, 3, 4], [2]] }
    const of = (label: number) => kinds.pairs.metrics([{ tree: longer, reference: [-2, -2], label }], [[-1, -5]], [])
    const plain = { chosenLogRatio: 1, rejectedLogRatio: -3, margin: 4, accuracy: 1, kl: 2.5, chosenTokens: 3, rejectedTokens: 1 }
    expect([of(1), of(0.7)]).toEqual([plain, plain])
    const against = { chosenLogRatio: -3, rejectedLogRatio: 1, margin: -4, accuracy: 0, kl: 2.5, chosenTokens: 1, rejectedTokens: 3 }
    expect([of(0), of(0.3)]).toEqual([against, against])
    expect(of(0.5)).toEqual({
      ...plain,
      chosenLogRatio: -1,
      rejectedLogRatio: -1,
      margin: 0,
      accuracy: 0.5,
      chosenTokens: 2,
      rejectedTokens: 2,
    })
  })

  it('are written into a manifest by their name', () => {
    for (const [name, kind] of Object.entries(kinds)) expect([kind.name, JSON.stringify(kind)]).toEqual([name, `"${name}"`])
  })
})

// One graph per objective, reused: loss and slopes of one pair, by the f64 evaluator.

const pairGraphs = new Map<string, Graph>()

function pairAt(objective: PairObjective, at: Point, q: number): { loss: number; chosen: number; rejected: number } {
  const key = label(objective)
  const g = pairGraphs.get(key) ?? tracePair(objective)
  pairGraphs.set(key, g)
  const given = { q: numbers(q), ...column('chosen', [at.chosen]), ...column('rejected', [at.rejected]) }
  return scalars(g, given) as { loss: number; chosen: number; rejected: number }
}

function tracePair(objective: PairObjective): Graph {
  const inputs = { q: input('q', [1]), ...sideInputs('chosen', 1), ...sideInputs('rejected', 1) }
  const sides = { chosen: sideOf(inputs, 'chosen'), rejected: sideOf(inputs, 'rejected') }
  const loss = mean(pairLosses(objective, sides, inputs.q))
  return graph(inputs, { loss, ...gradient(loss, { chosen: sides.chosen.logp, rejected: sides.rejected.logp }) })
}

function exampleAt(objective: LabelledObjective, at: PointSide, wanted: number, z0: number): { loss: number; slope: number } {
  const inputs = { label: input('label', [1]), z0: input('z0', []), ...sideInputs('it', 1) }
  const it = sideOf(inputs, 'it')
  const loss = sum(objective.perExample({ ...it, label: inputs.label }, inputs.z0))
  const outputs = { loss, slope: gradient(loss, it.logp) }
  const given = { label: numbers(wanted), z0: tensor(Float64Array.of(z0), []), ...column('it', [at]) }
  return scalars(graph(inputs, outputs), given) as { loss: number; slope: number }
}

function scalars(g: Graph, given: Parameters<typeof evaluate>[1]): Record<string, number> {
  return Object.fromEntries(Object.entries(evaluate(g, given)).map(([name, out]) => [name, out.data[0]!]))
}

function sideInputs(name: string, n: number): Record<string, Value> {
  return Object.fromEntries(['logp', 'reference', 'length'].map((part) => [`${name}.${part}`, input(`${name}.${part}`, [n])]))
}

function sideOf(inputs: Readonly<Record<string, Value>>, name: string) {
  return side({ logp: inputs[`${name}.logp`]!, reference: inputs[`${name}.reference`], length: inputs[`${name}.length`]! })
}

function column(name: string, at: readonly PointSide[]) {
  const of = (part: keyof PointSide) => [`${name}.${part}`, numbers(...at.map((one) => one[part]))] as const
  return Object.fromEntries([of('logp'), of('reference'), of('length')])
}

function numbers(...values: number[]) {
  return tensor(Float64Array.from(values), [values.length])
}

function moved(at: Point, chosen: number, rejected: number): Point {
  return { chosen: shiftLogp(at.chosen, chosen), rejected: shiftLogp(at.rejected, rejected) }
}

function shiftLogp(at: PointSide, c: number): PointSide {
  return { ...at, logp: at.logp + c }
}

function shift(at: PointSide, c: number): PointSide {
  return { ...at, logp: at.logp + c, reference: at.reference + c }
}

/** Central difference at 0. */
function slope(f: (h: number) => number, h = 1e-5): number {
  return (f(h) - f(-h)) / (2 * h)
}

function close(seen: number, wanted: number): void {
  expect(Math.abs(seen - wanted)).toBeLessThanOrEqual(1e-10 * (1 + Math.abs(wanted)))
}

function number(min: number, max: number) {
  return fc.double({ min, max, noNaN: true })
}

function unit() {
  return number(0, 1)
}

function anySide() {
  return fc.record({ logp: number(-60, -1), reference: number(-60, -1), length: fc.integer({ min: 1, max: 40 }) })
}

function anyPoint() {
  return fc.record({ chosen: anySide(), rejected: anySide() })
}

/** Log-ratios of a few nats, as trained policies have them. */
function anyNearPoint() {
  const near = fc
    .record({ reference: number(-60, -1), by: number(-4, 4), length: fc.integer({ min: 1, max: 40 }) })
    .map(({ reference, by, length }) => ({ logp: reference + by, reference, length }))
  return fc.record({ chosen: near, rejected: near })
}

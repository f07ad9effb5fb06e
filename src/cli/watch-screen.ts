import { totalmem } from 'node:os'
import type { Watch } from '../align/index.ts'
import { type Evaluation, type Metrics, sayBound } from '../runs/index.ts'
import type { Screen } from './screen.ts'
import { columns, duration, wrap } from './screen.ts'

/** Shows a run on a screen: bars while something takes long, a line when something is known. */
export function watchOn(screen: Screen): Watch {
  const began = performance.now()
  /** A line with the time since the beginning before it; what does not fit stands below what it goes on with. */
  const say = (text: string) => screen.note(columns([[duration((performance.now() - began) / 1000).padStart(8), text]], screen.width))
  let steps = 0
  let most = 0 // rounds
  let looked = 0 // of them, in this process
  return {
    needs({ all, round, rounds = 0, judged }) {
      most = rounds
      const whole = round ? ` a round, at most ${between(all.seconds)} for all ${rounds} and the sealed look` : ''
      const judge = judged ? `, besides the judge, who is asked about up to ${judged.round} pairs a round, ${judged.all} in all` : ''
      const memory = `${(all.bytes / 1e9).toFixed(1)} GB of memory`
      say(`about ${between((round ?? all).seconds)}${whole}${judge}; ${memory}`)
      if (all.bytes > totalmem())
        screen.warn(`this machine has ${(totalmem() / 1e9).toFixed(1)} GB of memory; lora or a smaller train.tokenBudget takes less`)
    },
    note: say,
    progress(label, total, before = 0) {
      const bar = screen.progress(label, total, before)
      const start = performance.now()
      let count = before
      return {
        advance(by = 1, about) {
          count += by
          bar.advance(by, about)
        },
        done() {
          bar.done()
          const done = count - before
          const all = count < total ? `${count} of ${total}` : before > 0 ? `the last ${done} of ${total}` : `${total}`
          say(`${label}: ${all} in ${duration((performance.now() - start) / 1000)}`)
        },
      }
    },
    firstCompletion(prompt, text) {
      say('the first completion by the reference:')
      screen.note(`\n${wrap(`${prompt}▸${text}`.replaceAll('\n', ' '), screen.width - 10).replace(/^/gm, '          ')}\n`)
    },
    step(metrics, { steps: total }) {
      steps++
      if (steps === 1) say(`${metrics.step === 1 ? 'the first step' : `on with step ${metrics.step}`}: loss ${metrics.loss.toFixed(4)}`)
      if (steps % Math.max(1, Math.floor(total / 4)) === 0 || 'bitsPerByte' in metrics) say(stepLine(metrics))
    },
    evaluation({ look, round, criteria, contribution }) {
      const what = look === 'sealed' ? 'sealed prompts, looked at once' : `round ${round}, development prompts`
      const short = (x: number) => String(Number(x.toPrecision(3)))
      const rows = criteria.map(({ name, estimate, low, high, bound, unit, met, cannotTell }) => [
        met ? '✓' : cannotTell === undefined ? '✗' : '?',
        name,
        short(estimate),
        `[${short(low)}, ${short(high)}]`,
        cannotTell === undefined ? sayBound(bound, unit) : `${sayBound(bound, unit)}: cannot tell, because ${cannotTell}`,
      ])
      say(`${what}${rows.length > 0 ? ', estimates with 95 % intervals:' : ''}`)
      if (rows.length > 0) screen.note(columns(rows, screen.width - 10).replace(/^/gm, '          '))
      if (look === 'development' && round < most && criteria.some(({ met }) => !met)) {
        const left = ((performance.now() - began) / 1000 / ++looked) * (most - round)
        say(`at most ${most - round} more round${most - round === 1 ? '' : 's'}, about ${duration(left)}`)
      }
      if (contribution) say(contributionLine(contribution))
    },
  }
}

/** An estimate of time is within a factor of two on a quiet machine. */
function between(seconds: number): string {
  return `${duration(seconds)} (${duration(seconds / 2)} to ${duration(2 * seconds)})`
}

function stepLine(metrics: Metrics): string {
  const loss = `loss ${metrics.loss.toFixed(3)}`
  const { margin, accuracy, chosenLogRatio, rejectedLogRatio, bitsPerByte, reward, flatGroups } = metrics
  const { rewardMargin, chosenReward, rejectedReward, stepAccuracy } = metrics
  if (reward !== undefined)
    return `step ${metrics.step}: reward ${reward.toFixed(3)}${flatGroups === undefined ? '' : ` · ${Math.round(100 * flatGroups)} % of the groups flat`}`
  if (rewardMargin !== undefined && accuracy !== undefined)
    return `step ${metrics.step}: ${loss} · margin ${two(rewardMargin)} log-odds · accuracy ${two(accuracy)}`
  if (stepAccuracy !== undefined) return `step ${metrics.step}: ${loss} · accuracy of steps ${two(stepAccuracy)}`
  if ((chosenReward !== undefined || rejectedReward !== undefined) && accuracy !== undefined)
    return `step ${metrics.step}: ${loss} · accuracy ${two(accuracy)}`
  if (margin === undefined || accuracy === undefined || chosenLogRatio === undefined || rejectedLogRatio === undefined)
    return `step ${metrics.step}: ${loss} nats a token${bitsPerByte === undefined ? '' : ` · ${bitsPerByte.toFixed(3)} bits a byte, held out`}`
  return `${loss} · margin ${two(margin)} nats · accuracy ${two(accuracy)} · log-ratio chosen ${two(chosenLogRatio)}, rejected ${two(rejectedLogRatio)}`
}

/** Two decimals, and no minus before a zero. */
function two(x: number): string {
  return (Math.abs(x) < 0.005 ? 0 : x).toFixed(2)
}

/** What prior and votes put in, in a line; a prior that the votes contradict is fighting the data. */
export function contributionLine({ bits, votes, strength, fighting, posterior }: NonNullable<Evaluation['contribution']>): string {
  const fight = fighting.length > 0 ? `; the prior is fighting the data on ${fighting.join(', ')}` : ''
  const worth = Number(strength.toPrecision(3))
  const drawn = posterior?.method === 'hmc' ? `; by HMC, because ${posterior.because}` : ''
  const cost = bits.code === undefined ? '' : `; the votes then take ${bits.code.toFixed(0)} bits to tell, not ${votes}`
  return `the prior, worth ${worth} votes, put in ${bits.prior.toFixed(1)} bits, ${votes} votes ${bits.data.toFixed(1)} bits${cost}${drawn}${fight}`
}

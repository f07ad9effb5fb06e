import { check, data, model, or, refusal, short, train, trains } from './outcome.mjs'

const kto = [
  ...['apart', 'pairs'].map((name) => ({
    name: `kto-baseline/${name}`,
    words: train('kto-baseline', name),
    right: 'trains',
    judge: trains,
  })),
  {
    name: 'kto-baseline/wanted',
    words: train('kto-baseline', 'wanted'),
    right: 'no figure for a side that is not there',
    judge(outcome) {
      const step = outcome.rows.find((row) => row.step)
      const there = ['rejectedLogRatio', 'margin', 'rejectedTokens'].filter((name) => step && name in step)
      return {
        gives: or(outcome, `made up: ${there.join(', ') || 'nothing'}`),
        ok: outcome.code === 0 && step !== undefined && there.length === 0,
      }
    },
  },
  ...['r', 'rl', 'stories5m'].map((name) => ({
    name: `kto-cold-cache/${name}`,
    words: train('kto-cold-cache', name),
    right: 'trains from an empty cache',
    judge: trains,
  })),
  {
    name: 'kto-heldout',
    words: train('kto-heldout', 'r'),
    right: 'a held-out figure of labelled rows',
    judge(outcome) {
      const held = outcome.last.heldOut
      const gives = held ? `${held.completions} held out, ${short(held.labelAccuracy?.estimate)} moved the way of the label` : 'no figure'
      return { gives: or(outcome, gives), ok: held?.completions > 0 && Number.isFinite(held.labelAccuracy?.estimate) }
    },
  },
  ...['r', 'r1', 'r4'].map((name) => ({
    name: `kto-last-one/${name}`,
    words: train('kto-last-one', name),
    right: 'trains, or is refused before step 1',
    judge: (outcome) => ({ ...trains(outcome), ok: trains(outcome).ok || (outcome.code === 2 && !outcome.rows.some(({ step }) => step)) }),
  })),
]

const long = [
  ...['dpo-64', 'dpo-2048', 'dpo-4096', 'kto-64', 'kto-2048', 'kto-4096', 'kto-prior'].map((name) => ({
    name: `long-rows/${name}`,
    words: train('long-rows', name),
    right: 'trains, whatever the budget',
    judge: trains,
  })),
  {
    name: 'long-rows/logp',
    words: ['logp', '--model', model('long'), '--pairs', `${data}/long-rows/p.jsonl`],
    right: 'every pair is scored, with a summary',
    judge(outcome) {
      const { summary } = outcome.last
      return {
        gives: or(outcome, `${outcome.rows.length} pairs, chosen ${short(summary?.chosen.perToken)} nats a token`),
        ok: outcome.code === 0 && summary?.pairs === outcome.rows.length,
      }
    },
  },
  {
    name: 'long-rows/context',
    words: check('long-rows', 'p.jsonl'),
    right: 'rows beyond the context are set aside with their line',
    judge(outcome) {
      const aside = outcome.last.quarantined?.find(({ reason }) => reason === 'too long')
      return { gives: or(outcome, `${aside?.rows ?? 0} too long, first in line ${aside?.line}`), ok: aside?.rows > 0 }
    },
  },
  ...['r', 'three'].map((name) => ({
    name: `look-per-prompt/${name}`,
    words: ['align', `${data}/look-per-prompt/${name}.json`],
    right: 'ends with a verdict',
    judge: (outcome) => ({ gives: outcome.last.verdict ?? or(outcome, 'no verdict'), ok: typeof outcome.last.verdict === 'string' }),
  })),
]

const fields = [
  ...['beta-string', 'eps-string', 'inf', 'lr-array', 'lr-string', 'lr-true', 'null-lr', 'unknown', 'wd-string'].map((name) => ({
    name: `optimizer-fields/${name}`,
    words: train('optimizer-fields', name),
    right: 'refused by its field',
    judge: refusal(/optimizer|lr|beta1|eps|weight|JSON/),
  })),
  {
    name: 'optimizer-fields/lr-huge',
    words: train('optimizer-fields', 'lr-huge'),
    right: 'refused, or stopped at the first number that is not finite',
    judge(outcome) {
      const losses = outcome.rows.filter(({ step }) => step).map(({ loss }) => loss)
      return { gives: or(outcome, `losses ${losses.map(short).join(', ')}`), ok: outcome.code === 2 || losses.every(Number.isFinite) }
    },
  },
  ...['w', 'w4', 'w5'].map((name) => ({
    name: `warmup-longer/${name}`,
    words: train('warmup-longer', name),
    right: 'trains, or a warm-up longer than the run is refused before step 1',
    judge: (outcome) => ({ ...trains(outcome), ok: trains(outcome).ok || (outcome.code === 2 && /warm/.test(outcome.error)) }),
  })),
]

const places = ['first', 'second'].map((name) => ({
  name: `position-bias/${name}`,
  words: ['align', `${data}/position-bias/${name}.json`],
  right: 'not accepted: the judge goes by the place alone',
  judge: ({ last, ...outcome }) => ({
    gives: last.verdict ?? or(outcome, 'no verdict'),
    ok: typeof last.verdict === 'string' && last.verdict !== 'accepted',
  }),
}))

const talksHeldOut = ['r0-0', 'r0-1', 'r0-2', 'r0-3', 'r1-0', 'r1-1', 'r1-2', 'r1-3'].map((name) => ({
  name: `talks-held-out/${name}`,
  words: train('talks-held-out', name),
  right: 'about 30 % held out; bits a byte without ends',
  judge(outcome) {
    const held = outcome.last.heldOut
    const gives = held
      ? `${held.texts} talks held out, ${short(held.before.estimate)} → ${short(held.bitsPerByte.estimate)} bits a byte`
      : 'none held out'
    return { gives: or(outcome, gives), ok: held?.texts >= 6 && held.texts <= 40 && held.before.estimate < 10 }
  },
}))

const votes = ['dpo', 'ipo', 'kto'].flatMap((objective) =>
  ['plain', 'against', 'ties'].map((name) => ({
    name: `votes-against/${objective}-${name}`,
    words: train('votes-against', `${objective}-${name}`),
    right: name === 'ties' ? 'no accuracy of ties' : 'the side with the votes is learned, and measured as right',
    judge(outcome) {
      const held = outcome.last.heldOut
      const gives = held ? `held-out accuracy ${short(held.accuracy?.estimate)}` : 'no held-out accuracy'
      return { gives: or(outcome, gives), ok: outcome.code === 0 && (name === 'ties' ? held === undefined : held?.accuracy.estimate > 0.9) }
    },
  })),
)

/** Recipes of ../shared/cases/data: what trains, what is measured, what is refused before it begins. */
export const runCases = [kto, long, fields, places, talksHeldOut, votes].flat()

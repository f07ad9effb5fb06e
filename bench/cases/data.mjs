const data = '../shared/cases/data'
const model = (name) => `../shared/cases/models/${name}`

const check = (folder, file, name = 'stories260K') => [
  'pairs',
  'check',
  `${data}/${folder}/${file}`,
  '--model',
  model(name),
  '--quarantine',
  'aside.jsonl',
]
const train = (folder, recipe) => ['train', `${data}/${folder}/${recipe}.json`]

/** Shown of an outcome: the error, else what the function says. */
const or = (outcome, gives) => (outcome.code === 0 ? gives : `exit ${outcome.code}: ${outcome.error}`)
const short = (number) => (number === undefined ? 'none' : Number(number.toPrecision(4)))
const refusal = (pattern) => (outcome) => ({ gives: or(outcome, 'accepted'), ok: outcome.code === 2 && pattern.test(outcome.error) })
const trains = (outcome) => ({
  gives: or(outcome, `trains, ${outcome.last.steps} steps`),
  ok: outcome.code === 0 && outcome.last.steps > 0,
})

const pieces = (tokens) => tokens.map(({ piece }) => piece)

const doubles = [
  {
    name: 'double-begin/rendered',
    words: check('double-begin', 'rendered.jsonl'),
    right: '<s> and </s> once, and counted',
    judge(outcome) {
      const { example, doubled } = outcome.last
      if (!example) return { gives: or(outcome, 'nothing'), ok: false }
      const ids = [...pieces(example.prompt), ...pieces(example.chosen)]
      const begins = ids.filter((piece) => piece === '<s>').length
      const ends = pieces(example.chosen).filter((piece) => piece === '</s>').length
      return { gives: `${begins} <s>, ${ends} </s>, counted ${doubled.begins}`, ok: begins === 1 && ends === 1 && doubled.begins === 1 }
    },
  },
  {
    name: 'double-begin/text',
    words: ['train', 'text.json'],
    files: {
      'text.json': {
        model: model('stories260K'),
        texts: { file: `${data}/double-begin/text.jsonl`, shuffle: false },
        train: { batch: 1, epochs: 1, lora: { rank: 2, alpha: 2 } },
      },
    },
    right: 'the same tokens with and without <s> and </s> in the text',
    judge(outcome) {
      const tokens = outcome.rows.filter(({ step }) => step).map((row) => row.tokens)
      return { gives: or(outcome, `${tokens.join(' and ')} tokens learned`), ok: tokens.length === 2 && tokens[0] === tokens[1] }
    },
  },
  {
    name: 'double-begin/two-ends',
    words: check('double-begin', 'two-ends.jsonl'),
    right: 'one end each; text after an end is set aside',
    judge(outcome) {
      const { usable, quarantined = [], doubled } = outcome.last
      const reasons = quarantined.map(({ reason, line }) => `${reason} (line ${line})`).join()
      return {
        gives: or(outcome, `${usable} usable, ${doubled?.ends} ends were double, aside: ${reasons}`),
        ok: usable === 2 && doubled.ends === 2 && reasons === 'text after an end (line 3)',
      }
    },
  },
  {
    name: 'end-adding-tokenizer',
    words: check('end-adding-tokenizer', 'p.jsonl', 'closing'),
    right: 'no </s> in the prompt',
    judge(outcome) {
      const said = pieces(outcome.last.example?.prompt ?? [])
      return { gives: or(outcome, `prompt ${said.join(' ')}`), ok: said.length > 1 && !said.includes('</s>') }
    },
  },
]

const arrays = [
  ['flat', /got a JSON array/],
  ['pretty', /got a JSON array/],
  ['wrapped', /got one JSON object over several lines, with rows/],
].map(([name, pattern]) => ({
  name: `json-array/${name}`,
  words: check('json-array', `${name}.json`),
  right: 'named as what it is',
  judge: refusal(pattern),
}))

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

const rowForms = [
  {
    name: 'row-forms',
    words: check('row-forms', 'all.jsonl'),
    right: 'every row is used or set aside',
    judge(outcome) {
      const { rows, usable, quarantined = [] } = outcome.last
      const aside = quarantined.reduce((sum, one) => sum + one.rows, 0)
      const gives = `${usable} of ${rows} usable; ${quarantined.map((one) => `${one.rows} ${one.reason}`).join(', ')}`
      return { gives: or(outcome, gives), ok: outcome.code === 0 && usable + aside === rows }
    },
  },
]

const talkForms = [
  ['assistant-first', undefined],
  ['convprompt', /prompt: must be text, got a list of messages/],
  ['developer', /role: must be .*got developer/],
  ['eos-inside', /must stop at its end token, got more after it/],
  ['only-user', /the assistant must say something/],
  ['parts', /a list of content parts/],
  ['rlhf', /this is a pair; name the file under preferences.pairs/],
  ['sharegpt', /ShareGPT/],
  ['strmsg', /must be a list, got a text/],
].map(([name, pattern]) => ({
  name: `talk-forms/${name}`,
  words: train('talk-forms', name),
  right: pattern ? 'named as what it is' : 'learned',
  judge: pattern ? refusal(pattern) : trains,
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

const templates = [
  [
    'alt',
    (outcome) =>
      outcome.quarantine.some(({ line, reason, detail }) => line === 6 && reason === 'refused by the template' && /alternate/.test(detail)),
  ],
  ['think', (outcome) => outcome.quarantine.every(({ line, detail }) => line > 0 && detail.length > 0)],
  ['turns', () => true],
].map(([name, fine]) => ({
  name: `template-refuses/${name}`,
  words: train('template-refuses', name),
  right: 'the talk is set aside with what the template said, the others are learned',
  judge(outcome) {
    const aside = outcome.quarantine.map(({ line, reason }) => `line ${line}: ${reason}`).join(', ')
    return { gives: or(outcome, `${outcome.last.steps} steps, aside: ${aside || 'none'}`), ok: outcome.code === 0 && fine(outcome) }
  },
}))

const prompts = (file, judge, right) => ({
  name: `u2028/${file}`,
  words: ['sample', '--model', model('stories260K'), '--prompts', `${data}/u2028/${file}.jsonl`, '--max-tokens', '4'],
  right,
  judge,
})
const sampled = (n) => (outcome) => ({
  gives: or(outcome, `${outcome.rows.length} completions`),
  ok: outcome.code === 0 && outcome.rows.length === n,
})
const usable = (n) => (outcome) => ({ gives: or(outcome, `${outcome.last.usable} usable`), ok: outcome.last.usable === n })
const u2028 = [
  { name: 'u2028/pairs', words: check('u2028', 'pairs.jsonl'), right: 'one pair', judge: usable(1) },
  { name: 'u2028/pairs-bom', words: check('u2028', 'pairs-bom.jsonl'), right: 'two pairs', judge: usable(2) },
  { name: 'u2028/latin1-pairs', words: check('u2028', 'latin1-pairs.jsonl'), right: 'named as not UTF-8', judge: refusal(/is no UTF-8/) },
  prompts('prompts', sampled(2), 'both prompts'),
  prompts('prompts-bom', sampled(1), 'its prompt'),
  prompts('latin1', refusal(/must be UTF-8 text, got byte 0xe9/), 'named as not UTF-8'),
  {
    name: 'u2028/votes-bom',
    words: ['align', 'votes.json'],
    files: {
      'votes.json': {
        model: model('stories260K'),
        preferences: {
          prompts: `${data}/position-bias/prompts.jsonl`,
          promptsPerRound: 8,
          perPrompt: 2,
          maxTokens: 4,
          judge: { votes: `${data}/u2028/votes-bom.jsonl` },
        },
        look: { development: 6, sealed: 6 },
        accept: { shareEnded: { atLeast: 0 } },
        train: { lora: { rank: 2, alpha: 2 } },
        rounds: 1,
      },
    },
    right: 'read: what is missing are votes',
    judge: refusal(/must hold votes for every pair/),
  },
]

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

/** Inputs of ../shared/cases/data. */
export const dataCases = [
  ...[doubles, arrays, kto, long, fields, places, rowForms, talkForms, talksHeldOut, templates, u2028, votes].flat(),
]

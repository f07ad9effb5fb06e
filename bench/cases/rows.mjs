import { check, data, model, or, refusal, train, trains } from './outcome.mjs'

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

/** Rows as people have them: what is read, named, set aside. */
export const rowCases = [doubles, arrays, rowForms, talkForms, templates, u2028].flat()

import { describe, expect, it } from 'vitest'
import { commandJudge, type Goal, goal, goalPrior, goals, type Sample, simulatedVoter } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { dpo } from '../objectives/index.ts'
import { adamw } from '../train/index.ts'
import { goldAgainst } from './gold-against.ts'
import { judgeByGoals, onPolicy, pairs, type RecipeInput, recipe } from './recipe.ts'

const file = { model: 'M', preferences: { pairs: 'pairs.jsonl' } }
const asked = (more: object = {}) => ({ model: 'M', preferences: { prompts: ['a'], judge: { goals: { kind: 1 } }, ...more } })
const prior = { goals: ['kind'], strength: 20 }

describe('a recipe', () => {
  it('is the same in JSON as in TypeScript', () => {
    const json = recipe({
      ...file,
      prior: { goals: ['kind', 'fluent'], strength: 20 },
      objective: { name: 'dpo', beta: 0.2 },
      train: { optimizer: { name: 'adamw', lr: 1e-4 }, schedule: 'cosine' },
    } as RecipeInput)
    const typed = recipe({
      model: 'M',
      prior: goalPrior({ goals: [goals.kind, goals.fluent], strength: 20 }),
      preferences: pairs('pairs.jsonl'),
      objective: dpo({ beta: 0.2 }),
      train: { optimizer: adamw({ lr: 1e-4 }), schedule: { name: 'cosine' } },
    })
    expect(JSON.stringify(json)).toBe(JSON.stringify(typed))
    expect(recipe(typed as unknown as RecipeInput)).toBe(typed)
  })

  it('has goals by name, or by what they are made of', () => {
    const { prior, gold } = recipe({
      ...file,
      prior: {
        goals: [
          'readability',
          'perplexity',
          { name: 'keywords', words: ['dragon'], as: 'dragons' },
          { name: 'keywords', words: ['castle'], as: 'castles', direction: -1 },
          { name: 'pattern', pattern: '^The', flags: 'i' },
          { name: 'refusal', direction: 1 },
        ],
        strength: 20,
      },
      gold: { name: 'keywords', words: ['princess'] },
    } as RecipeInput)
    expect(prior!.goals.map(({ name, direction }) => [name, direction])).toEqual([
      ['readability', -1],
      ['perplexity', -1],
      ['dragons', 1],
      ['castles', -1],
      ['pattern', 1],
      ['refusal', 1],
    ])
    // Two of one maker are told apart by what they are made of.
    const checks = goldAgainst(gold!, prior, simulatedVoter({ about: '', utility: ({ tokens }) => tokens, votesPerPair: 1 }))
    expect(checks.map(({ words }) => words).slice(2, 4)).toEqual(['none shared', 'none shared'])
    expect(() => goldAgainst(goals.keywords(['dragon']), prior, commandJudge('x', { keep: 'k' }))).toThrow(
      'gold: must be another measure than dragons',
    )
  })

  it('fills in what was left out', () => {
    const { kappa, objective, train, look, rounds, keepRounds, accept } = recipe(file as RecipeInput)
    expect({ kappa, objective: objective.name, look, rounds, keepRounds, accept }).toEqual({
      kappa: 1,
      objective: 'dpo',
      look: { development: 96, sealed: 256, perPrompt: 1 },
      rounds: 3,
      keepRounds: 2,
      accept: {},
    })
    expect(train).toMatchObject({ batch: 8, epochs: 1, clip: 1, seed: 0, schedule: { name: 'constant', warmup: 0 }, tokenBudget: 2048 })
    expect(recipe({ ...file, seed: 7 } as RecipeInput).train.seed).toBe(7)
  })

  const mistakes: [unknown, RegExp][] = [
    [5, /^recipe: must be an object with model, got 5$/],
    [
      { ...file, modell: 'M' },
      /^recipe: must have no other fields than model, fresh, edit, prior, .* run, got modell; did you mean model\?$/,
    ],
    [{ preferences: file.preferences }, /^model: must be text, got nothing; add it$/],
    [{ model: 'M' }, /^preferences: must be an object with pairs, or an object with prompts and judge, got nothing; add it, or texts$/],
    [{ model: 'M', preferences: 'x.jsonl' }, /^preferences: must be an object with pairs, or .* got "x\.jsonl"$/],
    [{ model: 'M', preferences: { pair: 'x' } }, /^preferences: must have no other fields than pairs, .* got pair; did you mean pairs\?$/],
    [{ model: 'M', preferences: { promts: 'x', judge: 1 } }, /got promts; did you mean prompts\?$/],
    [
      { model: 'M', preferences: { pairs: 'x', boundary: 'trimm' } },
      /boundary: must be one of strict, trim, got "trimm"; did you mean trim/,
    ],
    [{ model: 'M', preferences: { pairs: 'x', heldOut: 1 } }, /^preferences.heldOut: must be at most 0.9, got 1$/],
    [
      { model: 'M', preferences: { prompts: 'x' } },
      /^preferences.judge: must be a judge, or .* an object with command and keep, or .* got nothing/,
    ],
    [asked({ judge: { comand: 'x', keep: 'y' } }), /^preferences.judge: .* than command, keep, got comand; did you mean command\?$/],
    [asked({ judge: { command: 'x' } }), /^preferences.judge.keep: must be text, got nothing; add it$/],
    [asked({ topP: 0 }), /^preferences.topP: must be above 0, got 0$/],
    [asked({ prompts: [] }), /^preferences.prompts: .*, got \[\]$/],
    [asked(), /^preferences.judge.goals: must name goals of the prior \(none: the recipe has no prior\), got kind$/],
    [
      { ...asked(), prior, objective: { name: 'kto' } },
      /^objective.name: must be an objective of pairs .* got kto; choose from dpo, robust, hinge, ipo, exo, nca, bco, sppo, aot, aotUnpaired, apoZero, apoDown, discopop, sigmoidNorm, dpop, cpo, simpo, orpo, sft, mixture$/,
    ],
    [
      { ...asked(), prior, accept: { winrate: { atLeast: 0.6 } } },
      /^accept: must name what is measured \(.*\), got winrate; did you mean winRate\?$/,
    ],
    [{ ...asked(), prior, accept: { utility: { atLeast: 0 } } }, /^accept: must name what is measured \(winRate, .* kind\), got utility/],
    [
      { ...asked(), prior, accept: {}, stop: { guards: { winRat: { atLeast: 0 } } } },
      /^stop\.guards: must name .* got winRat; did you mean winRate\?$/,
    ],
    [
      { ...asked(), prior, accept: { perplexityRise: { atMost: 0.2 } } },
      /^accept\.perplexityRise: must have look\.texts, a file of real text, got none; name one, or bound forwardKl \(nats per token\)/,
    ],
    [{ ...asked(), prior, accept: { toString: { atLeast: 0 } } }, /^accept: must name what is measured .* got toString$/],
    [
      { ...asked({ judge: { votes: 'v.jsonl' } }), prior, stop: { patience: 2 } },
      /^stop\.patience: must be left out where no win rate is measured/,
    ],
    [
      { ...asked(), prior, accept: { winRate: { between: [0.8, 0.5] } } },
      /^accept\.winRate: between must go from low to high, got 0\.8 and 0\.5; write between\(0\.5, 0\.8\)$/,
    ],
    [{ ...asked(), prior, accept: { winRate: { atLeast: 1.2 } } }, /^accept\.winRate: .* got ≥ 1\.2; the measure lies from 0 to 1$/],
    [{ ...asked(), prior, accept: { klFromReference: { atMost: -1 } } }, /got ≤ -1; the measure lies at 0 or above$/],
    [{ ...asked(), prior, accept: { lengthRatio: { between: [-2, -1] } } }, /^accept\.lengthRatio: .* the measure lies at 0 or above$/],
    [{ ...asked(), prior, stop: { guards: { shareEnded: { atLeast: 2 } } } }, /^stop\.guards\.shareEnded: .* from 0 to 1$/],
    [
      { ...asked(), prior, accept: { winRate: { atLeast: 0.9 } }, look: { development: 24, sealed: 76 } },
      /^accept\.winRate: must be a bound that a look at 24 prompts can meet, got ≥ 0\.9, where 24 of 24 has its lower end at 0\.858; move the bound, or look at 36 prompts$/,
    ],
    [
      { ...asked(), prior, accept: { shareEnded: { atMost: 0.1 } }, look: { development: 24, sealed: 24 } },
      /where 0 of 24 has its upper end at 0\.142; move the bound, or look at 36 prompts$/,
    ],
    [{ ...asked(), prior, accept: { winRate: { atLeast: 1 } } }, /where 96 of 96 has its lower end at 0\.962; move the bound$/],
    [{ ...asked(), prior, gold: 'kind' }, /^gold: must be another measure than kind, got the same function; what was trained on cannot/],
    [
      { ...file, objective: { name: 'dpoo' } },
      /^objective.name: must be an objective, got "dpoo"; choose from dpo, robust, .*, cispo, reinforce, .*, raft, rewardModel, rewardRanking, rewardUnpaired, rewardSteps, mixture$/,
    ],
    [{ ...file, objective: { name: 'dpo', bta: 1 } }, /dpo\.bta: must be a parameter of dpo, got 1; did you mean beta\?$/],
    [{ ...file, objective: 'dpo' }, /^objective: must be an objective, or an object with name, got "dpo"$/],
    [{ ...file, train: { optimiser: {} } }, /^train: must have no other fields .* got optimiser; did you mean optimizer\?$/],
    [
      { ...file, train: { optimizer: { name: 'adam' } } },
      /^train.optimizer.name: must be an optimizer, got "adam"; choose from adamw, sgd, lion$/,
    ],
    [
      { ...file, train: { optimizer: { name: 'adamw', Lr: 1 } } },
      /^train.optimizer.Lr: must be a parameter of adamw, got 1; did you mean lr\?$/,
    ],
    [
      { ...file, train: { optimizer: { name: 'adamw', lr: '1' } } },
      /^train.optimizer.lr: must be a number above 0 \(per step\), got "1"; the default is/,
    ],
    [{ ...file, train: { batch: 0 } }, /^train.batch: must be above 0, got 0$/],
    [{ ...file, train: { batch: 1.5 } }, /^train.batch: must be a whole number, got 1.5$/],
    [{ ...file, train: { lora: { rank: 8 } } }, /^train.lora.alpha: must be a number, got nothing; add it$/],
    [{ ...file, train: { schedule: 'liner' } }, /^train.schedule: must be constant, linear or cosine, got "liner"$/],
    [
      { ...file, train: { schedule: { name: 'linear', warm: 1 } } },
      /^train.schedule: .* than name, warmup, got warm; did you mean warmup\?$/,
    ],
    [{ ...file, accept: { winRate: 0.7 } }, /^accept.winRate: must be an object with atLeast, or an object with atMost, or .* got 0.7$/],
    [{ ...file, accept: { winRate: { atleast: 1 } } }, /^accept.winRate: .* than atLeast, got atleast; did you mean atLeast\?$/],
    [
      { ...file, prior: { goals: ['kinf'], strength: 5 } },
      /^prior.goals.0: must be goal\(…\), or one of kind, complete, .* got "kinf"; did you mean kind\?$/,
    ],
    [
      { ...file, prior: { goals: ['kind'], strenght: 5 } },
      /^prior: .* than goals, strength, bits, .* got strenght; did you mean strength\?$/,
    ],
    [{ ...file, prior: { goals: [{ name: 'keywords' }], strength: 1 } }, /^goal keywords: must have words, got none; add it$/],
    [
      { ...file, prior: { goals: [{ name: 'kind', words: ['a'] }], strength: 1 } },
      /^goal kind: must have no other fields than as, direction, range, got words; leave it out$/,
    ],
    [{ ...file, prior: { goals: [{ file: 'mine.ts' }], strength: 1 } }, /^goal mine.ts: must be loaded with its recipe/],
    [
      { ...file, prior: { goals: [{ as: 'x' }], strength: 1 } },
      /^goal: must have a name \(kind, .*probe\) or a file, got neither; add one$/,
    ],
    [{ ...file, prior: { goals: [{ name: 'keyword', words: ['a'] }], strength: 1 } }, /^prior.goals.0.name: .*did you mean keywords\?$/],
    [{ ...file, prior: { goals: ['kind'], strength: -5 } }, /^prior.strength: must be a number of votes ≥ 0, got -5/],
    [{ ...file, loss: 'x' }, /^loss: must be a function from terms to a Value, got "x"$/],
    [{ ...file, edit: 3 }, /^edit: must be a function \(name, x, at\) => Value/],
    [{ ...file, edit: { files: 3 } }, /^edit.files: must be /],
    [{ ...file, edit: { at: 'final' } }, /^edit.apply: must be a function \(name, x, at\) => Value/],
    [{ ...file, edit: { apply: () => 1, aat: 'final' } }, /^edit: .* got aat; did you mean at\?$/],
    [{ ...file, texts: { file: 'x' } }, /^texts: must be left out where there are preferences, got both/],
    [
      { ...file, objective: { name: 'nextToken' } },
      /^objective.name: must be an objective of preferences, got nextToken; name a file of texts/,
    ],
    [
      { model: 'M', texts: { file: 'x' }, objective: { name: 'dpo' } },
      /^objective.name: must be nextToken for texts, got dpo; leave it out$/,
    ],
    [{ model: 'M', texts: { file: 'x' }, prior: { goals: ['kind'], strength: 1 } }, /^prior: must be left out with texts, got one/],
    [{ model: 'M', texts: { fle: 'x' } }, /^texts: must have no other fields than .* got fle; did you mean file\?$/],
    [{ ...file, fresh: true }, /^fresh: must be left out with preferences, got true/],
    [
      { ...file, train: { lora: { rank: 8, alpha: 8 }, edit: { rank: 1, sites: ['blocks.*.mlp.down'] } } },
      /^train.edit: must be all that is trained, got train.lora beside it; leave one of them out$/,
    ],
    [{ ...file, train: { edit: { rank: 1, sites: [] } } }, /^train.edit.sites: /],
    [
      { ...file, train: { edit: { rank: 1, sites: ['x'], kl: 1 } } },
      /^train.edit: must have no other fields than rank, sites, controlKl, got kl/,
    ],
    [
      { ...file, train: { edit: { rank: 1, sites: ['blocks.*.mlp.down'], controlKl: 0.05 } } },
      /^train.edit.controlKl: must be left out where no completions are drawn, got a budget; leave it out/,
    ],
    [{ ...file, train: { lora: { rank: 8, alpha: 8, rsLora: true } } }, /^train.lora: .* got rsLora; did you mean rslora\?$/],
  ]
  it.each(mistakes)('%j is refused', (input, message) => {
    const reading = () => recipe(input as RecipeInput)
    expect(reading).toThrow(UserError)
    expect(reading).toThrow(message)
  })

  it('lets a gold measure be that shares no word with goals and judge', () => {
    const words = (list: string) => goal(list, ({ text }) => text.length % list.length, { words: new Set(list.split(' ')) })
    const made = (gold: string, voter = 'helps') =>
      recipe({
        model: 'M',
        prior: { goals: [words('kind smile')], strength: 1 },
        preferences: onPolicy({
          prompts: ['a'],
          judge: simulatedVoter({ about: 'x', utility: () => 0, words: new Set([voter]) }),
        }),
        gold: words(gold),
      })
    expect(made('warm soft').gold!.name).toBe('warm soft')
    expect(() => made('warm smiling')).toThrow(/gold: must share no word with kind smile, got smiling/)
    expect(() => made('warm help')).toThrow(/gold: must share no word with simulated voter, got help/)
  })

  it('knows a gold measure that is what is trained on, under another name or written out again, and no other', () => {
    const count = (letter: string) => (sample: Sample) => sample.text.split(letter).length - 1
    const vowels = goal('vowels', count('e'))
    const made = (gold: Goal, utility: (sample: Sample) => number = ({ tokens }) => tokens) =>
      recipe({
        model: 'M',
        prior: { goals: [vowels], strength: 1 },
        preferences: onPolicy({ prompts: ['a'], judge: simulatedVoter({ about: 'x', utility }) }),
        gold,
      })
    expect(() => made(goal('letters', vowels.measure))).toThrow(/gold: must be another measure than vowels, got the same function/)
    expect(() => made(goal('letters', count('e')))).toThrow(/must be another measure than vowels/)
    expect(() =>
      made(
        goal('votes', (sample) => sample.text.length),
        (sample) => sample.text.length,
      ),
    ).toThrow(/than simulated voter/)
    // A closure of the same source that counts something else is another measure.
    expect(made(goal('letters', count('o'))).gold!.name).toBe('letters')
    expect(
      goldAgainst(goal('letters', count('o')), goalPrior({ goals: [vowels], strength: 1 }), commandJudge('node j.mjs', { keep: 'k' })),
    ).toEqual([
      { of: 'vowels', function: 'another', words: 'not declared' },
      { of: 'node j.mjs', function: 'unknown', words: 'unknown' },
    ])
  })

  it('bounds what a token of the reference costs by the budget of an edit', () => {
    const made = (accept: object) =>
      recipe({ ...asked(), prior, accept, train: { edit: { rank: 1, sites: ['blocks.*.mlp.down'], controlKl: 0.05 } } } as RecipeInput)
    expect(made({}).accept).toEqual({ forwardKl: { atMost: 0.05 } })
    expect(() => made({ forwardKl: { atMost: 1 } })).toThrow(/^accept.forwardKl: must be left out with train.edit.controlKl/)
  })

  it('judges by goals of its prior', () => {
    const made = recipe({ ...asked(), prior, preferences: onPolicy({ prompts: ['a'], judge: judgeByGoals({ kind: 2 }) }) } as RecipeInput)
    expect(made.preferences).toMatchObject({ kind: 'onPolicy', judge: { kind: 'byGoals', weights: { kind: 2 } } })
  })
})

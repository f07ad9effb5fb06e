import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type Goal, goal, type Sample } from './goal.ts'
import { features, goalScale, scaledRanges, scores } from './goal-scale.ts'
import { goals, readyGoals } from './index.ts'
import { linearPattern } from './linear-pattern.ts'
import { sharedWords, words } from './words.ts'

const sample = (some: Partial<Sample>): Sample => ({ prompt: '', text: '', tokens: 0, ended: true, ...some })

describe.each(Object.entries(readyGoals))('goal %s', (name, goal: Goal) => {
  it('carries its name, what it is about and a source', () => {
    expect(goal.name).toBe(name)
    expect(goal.about).not.toBe('')
    expect(goal.source).not.toBe('')
  })

  it.each((goal.known ?? []).map((known) => [known.why, known] as const))('known: %s', (_, { when, value }) => {
    expect(goal.measure(sample(when))).toBeCloseTo(value, 12)
  })

  it('has known values and measures an empty completion', () => {
    expect(goal.known?.length).toBeGreaterThan(0)
    expect(goal.measure(sample({}))).toBe(0)
  })
})

describe('goals that are made of something', () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string', pattern: '^(a+)+$' }, age: { type: 'integer', minimum: 0 } },
    required: ['name'],
    additionalProperties: false,
  }
  const made: [string, Goal, [text: string, value: number][]][] = [
    [
      'keywords: the share that is said, phrases too, in any case',
      goals.keywords(['Dragon', 'red ball', 'castle']),
      [
        ['A dragon!', 1 / 3],
        ['The red  ball and the CASTLE of a dragon', 1],
        ['dragons, a red, round ball', 0],
        ['', 0],
      ],
    ],
    [
      'pattern: found or not',
      goals.pattern('^once\\b', { flags: 'i' }),
      [
        ['Once upon', 1],
        ['at once', 0],
        ['onced', 0],
      ],
    ],
    [
      'pattern: a regular expression with its own flags',
      goals.pattern(/b.d$/gs),
      [
        ['a b\nd', 1],
        ['bed.', 0],
      ],
    ],
    [
      'json: valid, JSON at all, or none',
      goals.json(schema),
      [
        [' {"name": "aaa", "age": 3}\n', 1],
        ['{"name": "b"}', 0.5],
        ['{"name": "a", "more": 1}', 0.5],
        ['{"age": 3}', 0.5],
        ['[1, 2]', 0.5],
        ['{"name": "a"', 0],
        ['Sure: {"name": "a"}', 0],
      ],
    ],
    ['json by draft 7', goals.json({ $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'number' }], type: 'array' }), [['[1]', 1], ['["x"]', 0.5]]], // biome-ignore format: one line
  ]
  it.each(made)('%s', (_, made, values) => {
    for (const [text, value] of values) expect([text, made.measure(sample({ text }))]).toEqual([text, value])
    expect(made.range).toEqual([0, 1])
    expect(made.params).toBeDefined()
  })

  it('no pattern is slow on any text: what goes back over its choices takes 2ⁿ steps on this one', () => {
    const text = `${'a'.repeat(30_000)}b`
    expect(goals.pattern('(a+)+$').measure(sample({ text }))).toBe(0)
    expect(goals.json(schema).measure(sample({ text: JSON.stringify({ name: text }) }))).toBe(0.5)
  })

  it('may be called, turned and ranged as one likes', () => {
    const mine = goals.keywords(['dragon'], { as: 'dragons', direction: -1, range: [0, 2] })
    expect([mine.name, mine.direction, mine.range]).toEqual(['dragons', -1, [0, 2]])
  })

  it.each([
    ['no keyword', () => goals.keywords([]), /goal keywords: must have a keyword or more, got none/],
    ['a keyword without a letter', () => goals.keywords(['dragon', '!']), /every keyword must have a letter, got "!"/],
    [
      'a back-reference',
      () => goals.pattern('(a)\\1'),
      /goal pattern: must be a pattern that RE2 reads.*got "\(a\)\\\\1" \(invalid escape/,
    ],
    ['looking ahead', () => goals.pattern('(?=a)b', { as: 'ahead' }), /goal ahead: must be a pattern that RE2 reads/],
    ['a flag that is none', () => linearPattern('goal x', 'a', 'x'), /goal x: flags must be of i, m, s, got x/],
    ['a keyword of JSON Schema that is none', () => goals.json({ tpye: 'object' }), /goal json: must have a JSON schema .*tpye/],
    ['a format, which is not checked', () => goals.json({ type: 'string', format: 'email' }), /goal json: .*unknown format "email"/],
    ['a type that is none', () => goals.json({ type: 'number?' }), /goal json: must have a JSON schema that can be checked/],
    ['a schema in a file that is not there', () => goals.json('none.json'), /goal json: its schema must be there, got no file none.json/],
    ['a schema that is no JSON', () => goals.json('README.md'), /README.md: a JSON schema must be JSON, got "# Innate/],
    ['perplexity that no model read', () => goals.perplexity().measure(sample({})), /goal perplexity: must be read by a model/],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(UserError)
    expect(act).toThrow(message)
  })
})

describe('words', () => {
  it('are lower-case, with apostrophes kept inside', () => {
    expect(words("Don't go, Émile’s cat-like friend!")).toEqual(["don't", 'go', "émile's", 'cat', 'like', 'friend'])
  })

  it('are shared in any inflection or plain derivation', () => {
    expect(
      sharedWords(['happily', 'noise', 'friends', 'gently', 'careless'], ['happy', 'noisy', 'friendship', 'gentle', 'cared']),
    ).toHaveLength(5)
    expect(sharedWords(['away', 'both', 'together'], ['await', 'bother', 'gather'])).toEqual([])
  })
})

describe('goalScale', () => {
  const samples = [2, 4, 4, 4, 5, 5, 7, 9].map((tokens) => sample({ tokens, text: 'so '.repeat(tokens) }))

  it('takes mean and sample standard deviation, and tells pairs in their unit', () => {
    const scale = goalScale([goals.length], samples)
    expect(scale.mean[0]).toBeCloseTo(5, 12)
    expect(scale.sd[0]).toBeCloseTo(Math.sqrt(32 / 7), 12)
    expect(features(scale, samples[7]!, samples[0]!)[0]).toBeCloseTo(7 / Math.sqrt(32 / 7), 12)
    expect(samples.reduce((sum, s) => sum + scores(scale, s)[0]!, 0)).toBeCloseTo(0, 12)
  })

  it('tells a constant by its relative spread: tiny numbers may vary, large ones differ by rounding', () => {
    const tiny = goal('tiny', ({ tokens }) => 1e-15 * tokens)
    expect(goalScale([tiny], samples).sd[0]).toBeCloseTo(1e-15 * Math.sqrt(32 / 7), 25)
    const rounding = goal('rounding', ({ tokens }) => 1e12 + 1e-4 * (tokens % 2))
    expect(() => goalScale([rounding], samples)).toThrow(/goal rounding: must vary/)
  })

  it('tells a declared range in standard deviations', () => {
    const scale = goalScale([goals.length, goal('tokens', ({ tokens }) => tokens, { range: [0, 10] })], samples)
    const [none, [low, high] = []] = scaledRanges(scale)
    expect(none).toBeUndefined()
    expect(low).toBeCloseTo(-5 / Math.sqrt(32 / 7), 8)
    expect(high).toBeCloseTo(5 / Math.sqrt(32 / 7), 8)
  })

  it.each([
    ['a goal that does not vary', () => goalScale([goals.onPrompt], samples), /goal onPrompt: must vary.*got 0 on all 8/],
    ['a single sample', () => goalScale([goals.length], samples.slice(1, 2)), /must vary.*1 sample/],
    ['no sample', () => goalScale([goals.length], []), /must vary.*0 sample/],
    ['two goals of one name', () => goalScale([goals.length, goals.length], samples), /names must differ, got length twice/],
    [
      'a measure that is not a number',
      () => goalScale([goal('odd', () => Number.NaN)], samples),
      /goal odd: must measure a finite number, got NaN/,
    ],
    [
      'a measure that leaves its range',
      () => goalScale([goal('odd', ({ tokens }) => tokens, { range: [0, 8] })], samples),
      /goal odd: must measure within its range 0 … 8, got 9 on ".*"; mend its measure or its range/,
    ],
    ['a range upside down', () => goal('odd', () => 0, { range: [1, 0] }), /goal odd: range must be .* from low to high, got 1 and 0/],
    [
      'a measure that throws',
      () => goalScale([goal('odd', () => JSON.parse('{'))], samples),
      /goal odd: must measure a finite number, got SyntaxError: .* on ".*"; mend its measure/,
    ],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(UserError)
    expect(act).toThrow(message)
  })
})

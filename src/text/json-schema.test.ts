import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type Constraint, jsonSchema } from './json-schema.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    nick: { type: 'string', maxLength: 12 },
    kind: { enum: ['fox', 'bird 😀'] },
    legs: { type: 'integer', minimum: 0, maximum: 4 },
    friends: { type: 'array', items: { type: 'boolean' }, maxItems: 3 },
  },
  required: ['name', 'kind', 'legs'],
  additionalProperties: false,
}
const fits = (text: string) => {
  const { name, nick = '', kind, legs, friends = [], ...others } = JSON.parse(text)
  expect(typeof name).toBe('string')
  // Bytes that are no character are one to the grammar and several when decoded.
  if (!nick.includes('\uFFFD')) expect([...nick].length).toBeLessThanOrEqual(12)
  expect(schema.properties.kind.enum).toContain(kind)
  expect([0, 1, 2, 3, 4]).toContain(legs)
  expect(friends.length).toBeLessThanOrEqual(3)
  expect(friends.every((friend: unknown) => typeof friend === 'boolean')).toBe(true)
  expect(others).toEqual({})
}
const END = 1

/** JSON with a space after each comma and colon. */
function written(record: object): string {
  const value = (of: unknown): string => (Array.isArray(of) ? `[${of.map(value).join(', ')}]` : JSON.stringify(of))
  return `{${Object.entries(record)
    .map(([key, of]) => `"${key}": ${value(of)}`)
    .join(', ')}}`
}

/** Whether every id of a text is allowed in its turn, and the end after it. */
async function takes(constraint: Constraint, ids: readonly number[]): Promise<boolean> {
  const follower = await constraint()
  try {
    for (const id of [...ids, END]) {
      if (!(await follower.allowed())(id)) return false
      follower.push(id)
    }
    return true
  } finally {
    follower.close()
  }
}

describe.each(['text/byte-level', 'text/byte-fallback', 'llama-tiny'])('JSON by a schema, in the tokens of %s', async (name) => {
  const tokenizer: Tokenizer = await loadTokenizer(fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url)))
  const constraint = await jsonSchema('schema.json', schema, tokenizer, [END])
  // As they stand behind something: at the beginning some tokenizers put a space in front, which the grammar does not take.
  const idsOf = (text: string) => {
    const ids = tokenizer.encode(`\n${text}`, { special: false })
    return ids.slice(tokenizer.pieces(ids).findIndex((piece) => ['Ċ', '\n'].includes(piece)) + 1)
  }

  it('any choice among what is allowed ends in a text that fits', async () => {
    const law = fc.asyncProperty(fc.infiniteStream(fc.nat(2 ** 31 - 1)), async (numbers) => {
      const follower = await constraint()
      const ids: number[] = []
      for (const number of numbers) {
        const allowed = await follower.allowed()
        const open = Array.from({ length: tokenizer.vocabSize + 5 }, (_, id) => id).filter(allowed)
        expect(open.length).toBeGreaterThan(0)
        const id = open.includes(END) ? END : open[number % open.length]!
        follower.push(id)
        if (id === END) break
        ids.push(id)
      }
      follower.close()
      fits(tokenizer.decode(ids))
    })
    await fc.assert(law, { numRuns: 8 })
  })

  it('takes texts that fit, whatever is in them', async () => {
    const given = fc.record(
      {
        name: fc.string({ unit: fc.constantFrom(...'aZ0 "\\/\n\t{}[]:,é€中😀'), maxLength: 16 }),
        kind: fc.constantFrom(...schema.properties.kind.enum),
        legs: fc.nat(4),
        friends: fc.array(fc.boolean(), { maxLength: 3 }),
      },
      { requiredKeys: ['name', 'kind', 'legs'] },
    )
    const law = fc.asyncProperty(given, async ({ name, kind, legs, ...rest }) => {
      const text = written({ name, kind, legs, ...rest })
      expect(await takes(constraint, idsOf(text))).toBe(true)
    })
    await fc.assert(law, { numRuns: 20 })
  })

  it.each([
    '',
    '{}',
    '{"name": "a", "kind": "fox"}',
    '{"name": "a", "kind": "cat", "legs": 1}',
    '{"name": "a", "kind": "fox", "legs": 5}',
    '{"name": "a", "kind": "fox", "legs": 1, "more": 1}',
    '{"name": "a<s>", "kind": "fox", "legs": 1}',
    '[1]',
  ])('does not take %s', async (text) => {
    expect(await takes(constraint, text === '' ? [] : idsOf(text))).toBe(false)
  })

  it.each<[unknown, string]>([
    [{ type: 'sing' }, 'schema.json: must be a JSON schema that XGrammar reads, got "Unsupported type \\"sing\\""; mend the schema'],
    [[], 'got "Schema should be an object or bool, but got []"; mend the schema'],
    [{ $ref: '#/nowhere' }, 'got "Cannot find field nowhere in '],
    [{ type: 'string', pattern: '(' }, 'got "Regex parsing error at position 2: The parenthesis is not closed."; '],
    [{ type: 'integer', minimum: 5, maximum: 1 }, 'got "Invalid range: minimum greater than maximum"; '],
  ])('refuses %j, and takes another schema after it', async (bad, message) => {
    const refused = jsonSchema('schema.json', bad, tokenizer, [END])
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(message)
    const truth = await jsonSchema('schema.json', { type: 'boolean' }, tokenizer, [END])
    expect([await takes(truth, idsOf('true')), await takes(truth, idsOf('truth'))]).toEqual([true, false])
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, asyncProperty, integer, string } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import { treeLength } from '../policy/rows.ts'
import { loadChatTemplate, loadTokenizer, readChatTemplate } from '../text/index.ts'
import { loadTexts } from './texts.ts'
import type { Vocabulary } from './tokenise.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-texts-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const vocabulary = fakeVocabulary(['bc'])
/** A tokenizer that adds nothing of its own, as GPT-2's. */
const bare: Vocabulary = {
  ...vocabulary,
  tokenizer: { ...vocabulary.tokenizer, encode: (text) => vocabulary.tokenizer.encode(text, { special: false }) },
}

async function load(rows: readonly object[], options = {}, from = vocabulary) {
  const file = join(folder, 'texts.jsonl')
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return loadTexts(file, from, options)
}

describe('texts in tokens', () => {
  it('learn every token of a text after its beginning, and the end', async () => {
    const { texts } = await load([{ text: 'abc' }, { text: 'a</s>' }])
    expect(texts[0]).toEqual({ row: 0, prompt: 'abc', trees: [{ prompt: [1], completions: [[97, 256, 2]] }], ended: [true], bytes: 3 })
    expect(texts[1]!.trees).toEqual([{ prompt: [1], completions: [[97, 2]] }])
  })

  it('begin with an end token where the tokenizer begins with nothing', async () => {
    const { texts } = await load([{ text: 'abc' }], {}, bare)
    expect(texts[0]!.trees).toEqual([{ prompt: [2], completions: [[97, 256, 2]] }])
  })

  it('have their special tokens once, though they write them, and count no bytes for them', async () => {
    const rows = ['<s>abc</s>', 'abc</s></s>', 'abc</s>\n', '<s>abc'].map((text) => ({ text }))
    const once = { trees: [{ prompt: [1], completions: [[97, 256, 2]] }], ended: [true], bytes: 3 }
    for (const text of (await load(rows)).texts) expect(text).toMatchObject(once)
    const own = { ...once, trees: [{ prompt: [1], completions: [[97, 2]] }], bytes: 1 }
    expect((await load([{ text: '<s>a</s>' }], {}, bare)).texts[0]).toMatchObject(own)
    expect((await load([{ text: 'a</s>b' }])).texts[0]).toMatchObject({ trees: [{ completions: [[97, 2, 98, 2]] }], bytes: 6 })
    expect((await load([{ prompt: 'a', completion: 'b</s>' }])).texts[0]).toMatchObject({ trees: [{ completions: [[98, 2]] }], bytes: 1 })
  })

  it('learn a completion’s tokens after its prompt', async () => {
    const { texts } = await load([{ prompt: 'a', completion: 'bcé' }])
    expect(texts[0]).toEqual({ row: 0, prompt: 'a', trees: [{ prompt: [1, 97], completions: [[256, 233, 2]] }], ended: [true], bytes: 4 })
  })

  it('are set aside with the reason', async () => {
    const rows = [
      { text: 'a' },
      { text: '' },
      { prompt: 'a', completion: '' },
      { prompt: 'ab', completion: 'c' },
      { prompt: 'a', completion: 'x'.repeat(9) },
      { messages: [] },
    ]
    const { texts, quarantined } = await load(rows, { maxLength: 8 })
    expect(texts.length).toBe(1)
    expect(quarantined.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'empty completion'],
      [3, 'empty completion'],
      [4, 'not a token prefix'],
      [5, 'too long'],
      [6, 'wrong shape'],
    ])
  })

  it('however long, are cut into rows that fit and learn each token once', async () => {
    await assert(
      asyncProperty(
        array(string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' }), { minLength: 1, maxLength: 4 }),
        integer({ min: 1, max: 20 }),
        async (said, maxLength) => {
          const { texts } = await load(
            said.map((text) => ({ text })),
            { maxLength },
          )
          texts.forEach(({ trees, row }) => {
            for (const tree of trees) expect(treeLength(tree)).toBeLessThanOrEqual(maxLength)
            const [first] = trees
            const ids = [...first!.prompt, ...trees.flatMap(({ completions }) => completions[0]!)]
            const encoded = vocabulary.tokenizer.encode(said[row]!)
            expect(ids).toEqual(encoded.at(-1) === 2 ? encoded : [...encoded, 2])
            trees.slice(1).forEach(({ prompt }, i) => {
              expect(prompt).toEqual([trees[i]!.completions[0]!.at(-1)])
            })
          })
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('talks', async () => {
  const folder = 'fixtures/text/byte-level'
  const [tokenizer, template] = [await loadTokenizer(folder), await loadChatTemplate(folder)]
  const talk = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi there' },
    { role: 'user', content: 'Bye' },
    { role: 'assistant', content: 'See you' },
  ]
  const [end] = tokenizer.encode(template!.render(talk as never, { answer: false }), { special: false }).slice(-1)
  const own = { tokenizer, eosIds: [end!], config: { vocabSize: tokenizer.vocabSize, contextLength: 512 } }

  it('learn what the assistant says, each turn after the talk so far', async () => {
    const { texts } = await load([{ messages: talk }], { template }, own as never)
    const { trees, bytes } = texts[0]!
    expect([trees.length, bytes]).toEqual([2, 'Hi thereSee you'.length])
    for (const [turn, { prompt, completions }] of trees.entries()) {
      expect(prompt).toEqual(tokenizer.encode(template!.render(talk.slice(0, 2 * turn + 1) as never), { special: false }))
      expect(tokenizer.decode(completions[0]!)).toContain(talk[2 * turn + 1]!.content)
      expect(completions[0]!.at(-1)).toBe(end)
      expect(completions[0]!.indexOf(end!)).toBe(completions[0]!.length - 1)
    }
  })

  it('are read with the names of ShareGPT, in parts, as JSON text, and as a prompt of messages', async () => {
    const parts = talk.map((message) => ({ ...message, content: [{ type: 'text', text: message.content }] }))
    const named = talk.map(({ role, content }) => ({ from: role === 'user' ? 'human' : 'gpt', value: content }))
    const whole = await load([{ messages: talk }], { template }, own as never)
    for (const row of [{ messages: parts }, { conversations: named }, { messages: JSON.stringify(talk) }])
      expect((await load([row], { template }, own as never)).texts).toEqual(whole.texts)
    const after = await load([{ prompt: talk.slice(0, 3), completion: talk.slice(3) }], { template }, own as never)
    expect(after.texts[0]!.trees).toEqual(whole.texts[0]!.trees.slice(1))
  })

  it('are set aside where nobody answers, and where the model has no template', async () => {
    const rows = [{ messages: talk }, { messages: talk.slice(0, 1) }]
    expect((await load(rows, { template }, own as never)).counts).toEqual({ 'empty completion': 1 })
    expect((await load([{ text: 'a' }, ...rows], {}, own as never)).counts).toEqual({ 'wrong shape': 2 })
  })
  it('are split by what stands before the first answer', async () => {
    const said = (system: string, user: string, ...rest: object[]) => ({
      messages: [{ role: 'system', content: system }, { role: 'user', content: user }, ...rest],
    })
    const answer = { role: 'assistant', content: 'Yes' }
    const rows = [said('S', 'a', answer), said('S', 'b', answer), said('S', 'a', { ...answer, content: 'No' }), said('T', 'a', answer)]
    const keys = (await load(rows, { template }, own as never)).texts.map(({ prompt }) => prompt)
    expect(new Set(keys).size).toBe(3)
    expect(keys[0]).toBe(keys[2])
  })

  it('do not learn a turn with weight 0', async () => {
    const weighed = talk.map((message, i) => (i === 1 ? { ...message, content: ' ', weight: 0 } : { ...message, weight: 1 }))
    const { texts } = await load([{ messages: weighed }], { template }, own as never)
    expect([texts[0]!.trees.length, texts[0]!.bytes]).toEqual([1, 'See you'.length])
    expect(tokenizer.decode(texts[0]!.trees[0]!.completions[0]!)).toContain('See you')
    const all = { messages: talk.map((message) => ({ ...message, weight: 0 })) }
    expect((await load([{ messages: talk }, all], { template }, own as never)).counts).toEqual({ 'empty completion': 1 })
  })

  const strict = readChatTemplate('strict', "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.role + ':' + m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}", {}) // biome-ignore format: one template
  const plain = (...messages: readonly [role: string, content: unknown, more?: object][]) => ({
    messages: messages.map(([role, content, more]) => ({ role, content, ...more })),
  })
  const fine = plain(['user', 'a'], ['assistant', 'b'])
  it.each<[string, object, string, RegExp]>([
    [
      'what the template refuses',
      plain(['user', 'a'], ['user', 'b'], ['assistant', 'c']),
      'refused by the template',
      /up to message 2: .*roles must alternate/,
    ],
    ['a blank answer', plain(['user', 'a'], ['assistant', ' \n']), 'empty completion', /message 1 must say something, got blanks/],
    [
      'text after an end',
      plain(['user', 'a'], ['assistant', 'b</s> more']),
      'text after an end',
      /message 1 must stop at its end token, got more after it: " more"/,
    ],
    [
      'a picture',
      plain(['user', [{ type: 'image', image: 'a' }]], ['assistant', 'b']),
      'wrong shape',
      /messages\.0\.content\.0: must be a part of type text, got image/,
    ],
    ['no content', plain(['user', 'a'], ['assistant', null]), 'wrong shape', /messages\.1\.content: must be text, got null/],
    [
      'a narrator',
      plain(['narrator', 'a'], ['assistant', 'b']),
      'wrong shape',
      /messages\.0\.role: must be system, developer, user, assistant, tool, got narrator, which is not supported/,
    ],
    [
      'half a character',
      plain(['user', 'a\ud83d'], ['assistant', 'b']),
      'wrong shape',
      /messages\.0\.content: .* half of one \(\\ud83d\) at place 2/,
    ],
    [
      'a call as text',
      plain(['user', 'a'], ['assistant', 'b', { function_call: 'x' }]),
      'wrong shape',
      /messages\.1\.function_call: is not supported/,
    ],
    [
      'tools that the template leaves out',
      { ...fine, tools: [{ type: 'function', function: { name: 'look_up' } }] },
      'refused by the template',
      /must write the tool look_up, got a talk without it/,
    ],
    [
      'a call that the template leaves out',
      plain(['user', 'a'], ['assistant', 'b', { tool_calls: [{ function: { name: 'look_up' } }] }], ['user', 'c'], ['assistant', 'd']),
      'refused by the template',
      /must write the call of look_up in message 1/,
    ],
    [
      'a weight of a half',
      plain(['user', 'a'], ['assistant', 'b', { weight: 0.5 }]),
      'wrong shape',
      /messages\.1\.weight: must be 0 \(not learned\) or 1/,
    ],
    ['messages that are text', { messages: 'user: a' }, 'wrong shape', /messages: must be a list, got the text "user: a"/],
    [
      'a pair',
      { chosen: fine.messages, rejected: [fine.messages[0], { role: 'assistant', content: 'c' }] },
      'wrong shape',
      /chosen: this is a pair; name the file under preferences\.pairs/,
    ],
  ])('name %s', async (_, row, reason, detail) => {
    const { texts, quarantined } = await load([fine, row], { template: strict })
    expect(texts.length).toBe(1)
    expect(texts[0]!.trees).toEqual([{ prompt: [...'user:aassistant:'].map((c) => c.charCodeAt(0)), completions: [[98, 2]] }])
    expect(quarantined).toMatchObject([{ line: 2, reason }])
    expect(quarantined[0]!.detail).toMatch(detail)
  })
})

import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate, innateJson } from '../../test/fake-folder.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { dispatch } from './dispatch.ts'
import { printable, type Source } from './screen.ts'
import { verbs } from './verbs.ts'

let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
  await cp('models/tiny', 'models/unsaid', { recursive: true })
  const file = 'models/tiny/generation_config.json'
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), do_sample: true, top_k: 0 }))
  await cp('models/tiny', 'models/base', { recursive: true })
  await rm('models/base/chat_template.jinja')
  await cp('models/tiny', 'models/strict', { recursive: true })
  await writeFile('models/strict/chat_template.jinja', "{{ raise_exception('not today') }}")
})
afterAll(() => close())

interface Answer {
  readonly model: string
  readonly message: string
  readonly answer: string
  readonly ids: number[]
  readonly ended: boolean
  readonly stop?: string
}
const talk = (line: string, ...typed: string[]) => innateJson<Answer>(`chat ${line}`, typed.map((words) => `${words}\n`).join(''))

describe('innate chat', () => {
  it('answers every line that is piped, the same way for the same seed', async () => {
    const { code, rows } = await talk('models/tiny --max-tokens 6', 'Hello', '', 'And then?')
    expect(code).toBe(0)
    expect(rows.map(({ model, message }) => [model, message])).toEqual([
      ['tiny', 'Hello'],
      ['tiny', 'And then?'],
    ])
    expect((await talk('models/tiny --max-tokens 6', 'Hello', 'And then?')).rows).toEqual(rows)
    expect((await talk('models/tiny --max-tokens 6 --seed 9', 'Hello', 'And then?')).rows).not.toEqual(rows)
  })

  it('says first that tokens are drawn where the model does not say so, and what it asks for in vain', async () => {
    const first = async (line: string) => (await innate(`chat ${line} --max-tokens 2`, undefined, 'Hello\n')).err
    expect(await first('models/unsaid')).toMatch(/^unsaid: drawn at temperature 1; its generation_config\.json does not say do_sample/)
    expect(await first('models/unsaid --temperature 0')).toBe('')
    expect(await first('models/tiny')).toBe('')
    const file = 'models/unsaid/generation_config.json'
    const json = JSON.parse(await readFile(file, 'utf8'))
    await writeFile(file, JSON.stringify({ ...json, do_sample: false, no_repeat_ngram_size: 2 }))
    expect(await first('models/unsaid')).toBe('unsaid: generation_config.json: no_repeat_ngram_size is not honoured, 2\n')
  })

  it('remembers the talk until /reset, and leaves at /exit', async () => {
    const { rows } = await talk(
      'models/tiny --max-tokens 6 --temperature 0',
      'Hi',
      'The fox',
      '/reset',
      'The fox',
      '/reset',
      'Hi',
      '/exit',
      'no',
    )
    const said = rows.map(({ ids }) => String(ids))
    expect(said.length).toBe(4)
    expect(said[2]).not.toBe(said[1])
    expect(said[3]).toBe(said[0])
  })

  it('tells the model its system words, and what it has said itself', async () => {
    const { rows } = await talk('models/tiny --max-tokens 6 --temperature 0 --system Sing.', 'Hi', 'The fox')
    const { tokenizer } = await loadCheckpoint('models/tiny')
    const first = 'system: Sing.\nuser: Hi\nassistant: '
    const whole = `${first}${rows[0]!.answer}\nuser: The fox\nassistant: `
    for (const [i, text] of [first, whole].entries()) {
      await writeFile('ids.jsonl', `${JSON.stringify({ prompt_ids: tokenizer.encode(text, { special: false }) })}\n`)
      const sampled = await innateJson<{ ids: number[] }>('sample --model models/tiny --prompts ids.jsonl --max-tokens 6 --temperature 0')
      expect(sampled.rows[0]!.ids).toEqual(rows[i]!.ids)
    }
  })

  it('asks two models, one after the other where nothing can be written over', async () => {
    const { rows } = await talk('models/tiny models/tiny --max-tokens 4', 'Hi', 'Ho')
    expect(rows.map(({ message }) => message)).toEqual(['Hi', 'Hi', 'Ho', 'Ho'])
    expect(rows[0]).toEqual(rows[1])
    const { out } = await innate('chat models/tiny models/tiny --max-tokens 4')
    expect(out).toMatch(/^tiny\n[^\n]*\n?tiny\n/)
  })

  it('leaves out the oldest messages when the context is full, and says so', async () => {
    const long = 'word '.repeat(14).trim()
    const { code, rows, err } = await talk('models/tiny --max-tokens 20', long, long, long, long, long)
    expect([code, rows.length]).toEqual([0, 5])
    expect(err).toContain('tiny: the context of 256 tokens is full; the oldest 2 messages are left out')
    for (const { ids, ended } of rows) expect(ended || ids.length === 20).toBe(true)
  })

  it.each<[string, string, RegExp]>([
    [
      'a model without a chat template',
      'chat models/base',
      /^innate: models\/base: a model to talk with must have a chat template, got none; .*innate complete models\/base/,
    ],
    [
      'a template that refuses',
      'chat models/strict',
      /^innate: models\/strict\/chat_template\.jinja: chat_template must render these 1 messages, got "not today"; /,
    ],
    ['no model', 'chat', /^innate: chat MODEL: must be given/],
    [
      'a strange penalty',
      'chat models/tiny --repetition-penalty 0',
      /^innate: sample: repetitionPenalty must be a number above 0, got 0; 1 is no penalty/,
    ],
    [
      'an empty line of words',
      'complete models/tiny --temperature -1',
      /^innate: complete --temperature: must be a number, at least 0, got "-1"/,
    ],
  ])('refuses %s', async (_, line, message) => {
    const { code, out, err } = await innate(line)
    expect(err).toMatch(message)
    expect([code, out, err.trimEnd().split('\n').length]).toEqual([2, '', 1])
  })

  it('refuses a message longer than the context', async () => {
    const { code, err } = await innate('chat models/tiny', undefined, `${'word '.repeat(300)}\n`)
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/^innate: tiny: a message must fit the context of 256 tokens, got \d+ with the template; shorten it\n$/),
    ])
  })
})

describe('innate complete', () => {
  it('samples as generation_config.json says, where no flag says otherwise', async () => {
    await cp('models/tiny', 'models/sure', { recursive: true })
    const say = async (line: string) => (await innateJson<{ ids: number[] }>(`complete ${line} Once --max-tokens 12 --seed 4`)).rows[0]!.ids
    const config = JSON.parse(await readFile('models/tiny/generation_config.json', 'utf8'))
    const write = (more: object) => writeFile('models/sure/generation_config.json', JSON.stringify({ ...config, ...more }))
    const [free, greedy] = [await say('models/tiny'), await say('models/tiny --temperature 0')]
    expect(free).not.toEqual(greedy)
    await write({ do_sample: true, top_k: 1 })
    expect(await say('models/sure')).toEqual(greedy)
    expect(await say('models/sure --top-k 320')).toEqual(free)
    await write({ do_sample: false, top_k: 0 })
    expect(await say('models/sure')).toEqual(greedy)
    expect(await say('models/sure --temperature 1')).toEqual(free)
    await write({ do_sample: true, top_p: 'much' })
    expect((await innate('complete models/sure Once')).err).toMatch(/^innate: models\/sure\/generation_config\.json: top_p/)
  })

  it('goes on from the words given, or from every line', async () => {
    const { rows } = await innateJson('complete models/tiny Once --max-tokens 5', 'not read\n')
    expect(rows).toMatchObject([{ prompt: 'Once', ids: { length: 5 }, ended: false }])
    const lines = await innateJson('complete models/base --max-tokens 5', 'Once\nOnce\n')
    expect(lines.rows).toMatchObject([{ prompt: 'Once' }, { prompt: 'Once' }])
    expect(lines.rows[0]).toEqual(rows[0])
    expect(lines.rows[1]!.ids).not.toEqual(rows[0]!.ids)
  })

  it('stops before a stop string and says which', async () => {
    const { rows } = await innateJson<{ completion: string; stop?: string; ended: boolean }>(
      'complete models/tiny Once --stop e --stop a',
      '',
    )
    const { completion, stop, ended } = rows[0]!
    expect([['e', 'a'].includes(stop!), ended, /[ea]/.test(completion)]).toEqual([true, true, false])
  })

  it('prints words and completion as one text, nothing in which the terminal would see a command', async () => {
    const { out } = await innate('complete models/tiny Once --max-tokens 100 --seed 1')
    expect(out.startsWith('Once')).toBe(true)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
    expect(out).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/)
  })

  it('refuses words that do not fit', async () => {
    const { code, err } = await innate('complete models/tiny', undefined, `${'word '.repeat(300)}\n`)
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/^innate: complete: the words must be 1 to 255 tokens \(the context is 256\), got \d+; shorten them\n$/),
    ])
  })
})

describe('at a terminal', () => {
  /** A command line run at a terminal of our own: what it shows, and keys to press once it shows something. */
  function terminal(line: string, size = { columns: 100, rows: 24 }) {
    const source = Object.assign(new PassThrough(), { isTTY: true }) as PassThrough & Source
    const shown = { out: '', err: '' }
    const stream = (name: 'out' | 'err') => ({ isTTY: name === 'out', ...size, write: (more: string) => (shown[name] += more) })
    const code = dispatch(line.split(' '), verbs, { out: stream('out'), err: stream('err'), source })
    const until = async (what: RegExp) => {
      for (let i = 0; i < 1000 && !what.test(shown.out + shown.err); i++) await new Promise((resolve) => setTimeout(resolve, 20))
      expect(shown.out + shown.err).toMatch(what)
    }
    return { code, shown, until, press: (keys: string) => source.write(keys) }
  }

  it('Ctrl-C stops an answer and keeps the talk, and leaves when nothing is being said', async () => {
    const [whole] = (await talk('models/tiny', 'Hi')).rows
    const { code, until, press, shown } = terminal('chat models/tiny')
    await until(/› /)
    press('Hi\r')
    await until(/Hi\r?\n[^\n]{3}/)
    press('\x03')
    await until(/ …[^\n]*\n[\s\S]*› /)
    const said = shown.out.replaceAll(/\s/g, '').match(/Hi(.*)…/)![1]!
    expect(said.length).toBeLessThan(printable(whole!.answer).replaceAll(/\s/g, '').length / 2)
    press('next\r')
    await until(/next\r?\n[^\n]{3}/)
    press('\x03')
    await until(/ …[\s\S]*next[\s\S]* …[^\n]*\n[\s\S]*› /)
    press('\x03')
    expect(await code).toBe(0)
    expect(shown.err).not.toContain('innate:')
  })

  it('goes on after a message that is too long, and leaves at Ctrl-D', async () => {
    const { code, until, press } = terminal('chat models/tiny --max-tokens 3')
    await until(/› /)
    press(`${'word '.repeat(300)}\r`)
    await until(/a message must fit the context/)
    press('Hi\r')
    await until(/Hi\r?\n[\s\S]+\n[\s\S]*› /)
    press('\x04')
    expect(await code).toBe(0)
  })

  it('keeps what is typed while the model speaks', async () => {
    const { code, until, press } = terminal('complete models/tiny --max-tokens 40')
    await until(/› /)
    press('One\r')
    await until(/One\r?\n/)
    press('Two\r')
    await until(/Two[\s\S]*\n\n/)
    press('\x04')
    expect(await code).toBe(0)
  })

  it('shows two models beside each other where there is room', async () => {
    const { code, until, press, shown } = terminal('chat models/tiny models/tiny --max-tokens 200')
    await until(/› /)
    press('Hi\r')
    await until(/tiny +│ tiny[\s\S]*› /)
    press('/exit\r')
    expect(await code).toBe(0)
    const narrow = terminal('chat models/tiny models/tiny --max-tokens 5', { columns: 60, rows: 24 })
    await narrow.until(/› /)
    narrow.press('Hi\r')
    await narrow.until(/tiny[\s\S]*tiny[\s\S]*› /)
    narrow.press('\x04')
    expect(await narrow.code).toBe(0)
    expect(narrow.shown.out).not.toContain('│')
    for (const line of shown.out.split('\n').filter((text) => text.includes('│'))) expect(line.indexOf('│')).toBeLessThanOrEqual(60)
  })
})

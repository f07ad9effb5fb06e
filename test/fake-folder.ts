import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { dispatch } from '../src/cli/dispatch.ts'
import { verbs } from '../src/cli/verbs.ts'
import { gridWorlds } from '../src/shutdown/index.ts'

/** The issue's own recipe, on the tiny model: twenty steps on forty pairs. */
export const trainJson = {
  model: 'models/tiny',
  preferences: { pairs: 'forty.jsonl', shuffle: false },
  objective: { name: 'dpo', beta: 0.1 },
  train: {
    optimizer: { name: 'adamw', lr: 5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 },
    schedule: 'constant',
    clip: 1.0,
    batch: 8,
    epochs: 4,
    seed: 0,
  },
  run: 'runs/t',
}

/** A judge that likes length alone, with the tiny model, which ends or does not as it happens. */
export const alignJson = {
  model: 'models/tiny',
  prior: { goals: ['length'], strength: 5 },
  preferences: { prompts: 'prompts.jsonl', perPrompt: 2, promptsPerRound: 8, maxTokens: 100, judge: { goals: { length: 1 } } },
  train: { batch: 8 },
  accept: { shareEnded: { between: [0, 1] } },
  look: { development: 4, sealed: 4 },
  rounds: 1,
}

const chatTemplate =
  "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"

/** A folder with what command lines may name, made the current one: a model, pairs, prompts and recipes. Undone by what it returns. */
export async function fakeFolder(): Promise<() => Promise<void>> {
  const [home, cache] = [process.cwd(), process.env.INNATE_CACHE]
  const folder = await mkdtemp(join(tmpdir(), 'innate-cli-'))
  await cp(resolve('fixtures/llama-tiny'), join(folder, 'models/tiny'), { recursive: true })
  await writeFile(join(folder, 'models/tiny/chat_template.jinja'), chatTemplate)
  await cp(resolve('examples/shutdown/leave-or-block.json'), join(folder, 'world.json'))
  await cp(resolve('fixtures/peft-lora'), join(folder, 'adapters/tiny'), { recursive: true })
  process.chdir(folder)
  process.env.INNATE_CACHE = join(folder, 'cache')
  const sides = [' upon a time', ' sat down', ' ran off', ' there was', ' said so']
  await writeRows('forty.jsonl', 40, (i) => ({ prompt: `Once ${i}`, chosen: sides[i % 5], rejected: sides[(i + 1 + (i % 3)) % 5] }))
  await writeRows('prompts.jsonl', 20, (i) => ({ prompt: `Once ${i}` }))
  await writeRows('rows.jsonl', 40, (i) => ({ text: `Once ${i}${sides[i % 5]}`, label: i % 5 < 2 ? 'up' : 'down' }))
  await writeFile('schema.json', JSON.stringify({ type: 'object', properties: { kind: { enum: ['fox', 'bird'] } }, required: ['kind'] }))
  await writeRows('tasks.jsonl', 6, (i) => ({
    family: ['cat', 'dog', 'fox'][i % 3],
    prompt: `The ${['cat', 'dog', 'fox'][i % 3]} said`,
    options: [
      { text: ' yes', length: 1, value: 1 },
      { text: ' no', length: 3, value: 2 },
    ],
  }))
  await writeFile('grid.json', JSON.stringify(gridWorlds['E-A']))
  await writeFile('train.json', JSON.stringify(trainJson))
  await writeFile('align.json', JSON.stringify(alignJson))
  await writeFile('my.ts', `export default ${JSON.stringify(alignJson)}`)
  return async () => {
    process.chdir(home)
    if (cache === undefined) delete process.env.INNATE_CACHE
    else process.env.INNATE_CACHE = cache
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes rows as JSON lines. */
export function writeRows(file: string, count: number, row: (i: number) => object): Promise<void> {
  return writeFile(file, Array.from({ length: count }, (_, i) => `${JSON.stringify(row(i))}\n`).join(''))
}

/** The words of a command line; single quotes hold one together. */
function wordsOf(line: string): string[] {
  return (line.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ''))
}

/** Runs one command line in this process; what is `typed` comes to it as through a pipe. */
export async function innate(line: string, signal?: AbortSignal, typed = 'Once upon a time\n') {
  const text = { out: '', err: '' }
  const stream = (name: 'out' | 'err') => ({ write: (more: string) => (text[name] += more) })
  const code = await dispatch(wordsOf(line), verbs, {
    out: stream('out'),
    err: stream('err'),
    source: Readable.from([typed]),
    ...(signal ? { signal } : {}),
  })
  return { code, ...text }
}

/** The same with --json: every line of stdout, parsed. */
export async function innateJson<Row = Record<string, unknown>>(line: string, typed?: string) {
  const { code, out, err } = await innate(`${line} --json`, undefined, typed)
  const rows = out.split('\n').slice(0, -1)
  return { code, err, rows: rows.map((row) => JSON.parse(row) as Row) }
}

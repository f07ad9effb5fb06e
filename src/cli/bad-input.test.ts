import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alignJson, fakeFolder, innate, innateJson, trainJson, writeRows } from '../../test/fake-folder.ts'
import { loadCheckpoint, readSafetensors } from '../checkpoints/index.ts'

const main = resolve('dist/cli/main.js')
let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
  await cp('models/tiny', 'models/torn', { recursive: true })
  await truncate('models/torn/model.safetensors', 100_000)
  await writeRows('same.jsonl', 3, () => ({ prompt: 'Once', chosen: ' more', rejected: ' more' }))
  await writeRows('long.jsonl', 2, () => ({ prompt: 'long '.repeat(300), chosen: ' a', rejected: ' b' }))
  await writeRows('long-prompts.jsonl', 20, (i) => ({ prompt: i === 4 ? 'long '.repeat(300) : `Once ${i}` }))
})
afterAll(() => close())

const torn =
  /model\.safetensors: .*must end within the file's 100000 bytes, got \d+: the file is cut short; download or save the file again/
/** A place, what must hold, what came, what to do. */
const form = /^innate: [^\n]+?: [^\n]+, got [^\n]+[;?(][^\n]*\n/
const from = (prompts: string) => ({ ...alignJson, preferences: { ...alignJson.preferences, prompts } })
const on = (pairs: string, more: object = {}) => ({ ...trainJson, preferences: { pairs }, ...more })

const mistakes: [string, string, object | undefined, RegExp][] = [
  ['a typo', 'train a.json', on('forty.jsonl', { trian: {} }), /a\.json: recipe: must have .* got trian; did you mean train\?/],
  ['a typo for align', 'align a.json', { ...alignJson, acept: {} }, /a\.json: recipe: must have .* got acept; did you mean accept\?/],
  ['no recipe', 'train no.json', undefined, /no\.json: a recipe must be there, got no such file; write one with: innate init/],
  [
    'no model',
    'train a.json',
    on('forty.jsonl', { model: 'm' }),
    /model: must be stories5m, stories15m or a folder, got ".*m", which is neither/,
  ],
  ['no pairs', 'train a.json', on('no.jsonl'), /no\.jsonl: must exist, got no such file; check the path/],
  [
    'two audits without a page',
    'audit a.json --beside b.json',
    undefined,
    /--beside b\.json: two audits .* got no --report; add --report FILE\.html/,
  ],
  ['no pairs for logp', 'logp --model models/tiny --pairs no.jsonl', undefined, /no\.jsonl: must exist, got no such file; check/],
  ['no prompts', 'sample --model models/tiny --prompts no.jsonl', undefined, /no\.jsonl: must exist, got no such file; check/],
  ['no prompts for align', 'align a.json', from('no.jsonl'), /no\.jsonl: must exist, got no such file; check the path/],
  ['a truncated model', 'train a.json', on('forty.jsonl', { model: 'models/torn' }), torn],
  ['a truncated model for logp', 'logp --model models/torn --pairs forty.jsonl', undefined, torn],
  [
    'a long prompt',
    'sample --model models/tiny --prompts long-prompts.jsonl',
    undefined,
    /long-prompts\.jsonl:5: .* 256 tokens, got \d+ tokens; shorten it/,
  ],
  [
    'a long prompt for align',
    'align a.json',
    from('long-prompts.jsonl'),
    /long-prompts\.jsonl:5: .* of 256 tokens, got \d+ tokens; shorten it/,
  ],
  [
    'texts of a patch that differ in tokens',
    "read patch --clean 'The girl' --corrupted 'The little boy' --answer ' her' --wrong ' his'",
    undefined,
    /corrupted: must have as many tokens as the clean text, got 4 and 3; change words/,
  ],
  [
    'an answer of several tokens',
    "read patch --clean 'The girl' --corrupted 'The boy' --answer ' her own' --wrong ' his'",
    undefined,
    /answer: must be one token after the text, got " her own", which is read as "▁her" "▁own"; choose/,
  ],
  [
    'two texts with one metric',
    "read patch --clean 'The girl' --corrupted 'The girl' --answer ' her' --wrong ' his'",
    undefined,
    /must differ in the logit difference of the answers, got .* for both; choose texts/,
  ],
  [
    'a stitch of two vocabularies',
    'stitch models/tiny stories5m --texts rows.jsonl',
    undefined,
    /stitch: both models must have one vocabulary, got \d+ tokens in tiny and 3072 in stories5m, where token \d+ is .*; take models/,
  ],
  [
    'a stitch after a block that is not there',
    'stitch models/tiny models/tiny --texts rows.jsonl --layers 0,7',
    undefined,
    /stitch: layers must be from 0 to 1, which both models have, got 7; name others/,
  ],
  ['too few prompts', 'align a.json', { ...alignJson, look: {} }, /256 sealed prompts, 96 for development .* got 20 distinct ones; add/],
  [
    'no usable pair',
    'train a.json',
    on('same.jsonl'),
    /same\.jsonl: at least one pair must be usable, got none of 3 rows \(3 identical sides\)/,
  ],
  [
    'only long pairs',
    'train a.json',
    on('long.jsonl'),
    /none of 2 rows \(2 too long\); mend the rows; the first is line 1: .* at most 256/,
  ],
  [
    'nothing to resume',
    'train a.json --resume',
    on('forty.jsonl'),
    /runs\/t: a run folder holds manifest\.json, got none; give the folder/,
  ],
  [
    'a type that a format does not have',
    'convert models/tiny out --format onnx --dtype f16',
    undefined,
    /convert --dtype: must be f32 for onnx, got f16; choose one/,
  ],
  [
    'shards of ONNX',
    'convert models/tiny out --format onnx --max-shard 9',
    undefined,
    /--max-shard: only safetensors .* got 9 for onnx; leave/,
  ],
  [
    'a format of a GGUF file',
    'convert models/tiny a.gguf --format onnx',
    undefined,
    /--format: a \.gguf file has its own, got onnx for a\.gguf;/,
  ],
]

describe('one clear error, and no run folder that was not there before', () => {
  it.each(mistakes)('%s', async (_, line, recipe, message) => {
    if (recipe) await writeFile(line.split(' ')[1]!, JSON.stringify({ ...recipe, run: 'runs/t' }))
    const { code, out, err } = await innate(`${line} --json`)
    const last = err.slice(err.indexOf('innate: '))
    expect(last).toMatch(message)
    expect(last).toMatch(form)
    expect([code, out]).toEqual([2, ''])
    await expect(readFile('runs/t/manifest.json')).rejects.toThrow('ENOENT')
  })
})

describe('a custom loss that makes NaN', () => {
  it('stops, names the first tap that had it, and keeps the last good checkpoint', async () => {
    await writeFile(
      'nan.ts',
      `import { log, mean, recipe } from 'innate'
export default recipe({
  ...${JSON.stringify(trainJson)},
  // Fine while policy and reference are one, and no number once they part.
  loss: ({ objective, margin }) => objective.add(mean(log(margin.mul(margin).mul(-1e6).add(1)))),
  run: 'runs/nan',
})`,
    )
    const { code, rows, err } = await innateJson('train nan.ts')
    expect([code, rows.map(({ step }) => step)]).toEqual([2, [1]])
    expect(err).toMatch(
      /train: every number must be finite, got NaN or infinity in step 2, first in the custom loss; the parameters of step 1 are kept in .*state\.safetensors; lower the learning rate or mend the loss\nWhat was done is kept/,
    )
    const kept = await readSafetensors('runs/nan/checkpoint/state.safetensors')
    expect(kept.get('step')!.data[0]).toBe(1)
    const start = (await loadCheckpoint('models/tiny')).params.norm.data
    const norm = Array.from(kept.get('param.params.norm')!.data)
    expect(norm.every(Number.isFinite)).toBe(true)
    expect(norm).not.toEqual(Array.from(start))
  })
})

describe('a judge that fails half-way', () => {
  it('loses no vote: the run goes on where it was, and asks only what is left', async () => {
    const judge = (body: string) =>
      writeFile(
        'judge.cjs',
        `let n = 0
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { a, b } = JSON.parse(line); ${body}
  require('node:fs').appendFileSync('asked.txt', '.')
  console.log(JSON.stringify({ votes: a.length > b.length ? [1, 0] : [0, 1] }))
})`,
      )
    const preferences = { ...alignJson.preferences, judge: { command: `${process.execPath} judge.cjs`, keep: 'kept.jsonl' } }
    await writeFile('judged.json', JSON.stringify({ ...alignJson, preferences, run: 'runs/j' }))
    await judge('if (++n === 4) process.exit(7)')
    const { code, err } = await innate('align judged.json')
    expect(code).toBe(2)
    expect(err).toMatch(/must answer 8 pairs and exit with 0, got exit code 7 after line 3; .* 3 of 8 pairs are kept in kept\.jsonl/)
    expect(err).toMatch(
      /What was done is kept\. A changed recipe needs a new run; with this one go on with:\n {2}innate align judged\.json --run runs\/j --resume\n$/,
    )
    await judge('')
    expect((await innate('align judged.json --resume')).code).toBe(0)
    // 8 pairs of the round, 4 of the development look, 4 of the sealed one, each once.
    expect((await readFile('asked.txt', 'utf8')).length).toBe(16)
  })
})

describe('in processes of their own', () => {
  /** A run whose steps take long enough to be interrupted. */
  async function slow(name: string) {
    const text = (i: number, k: number) => Array.from({ length: 12 }, (_, j) => ` ${(i * 7 + j * k) % 100}`).join('')
    await writeRows('slow.jsonl', 40, (i) => ({ prompt: `Once ${i}`, chosen: text(i, 3), rejected: text(i, 5) }))
    const train = { ...trainJson.train, batch: 20, epochs: 10, checkpointSeconds: 1e-6 }
    await writeFile(`${name}.json`, JSON.stringify({ ...trainJson, preferences: { pairs: 'slow.jsonl' }, train, run: `runs/${name}` }))
  }

  interface Started {
    readonly child: ChildProcess
    readonly err: () => string
    /** Its exit code, or the signal that ended it. */
    readonly ended: Promise<number | string>
  }

  function start(line: string): Started {
    const child = spawn(process.execPath, [main, ...line.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] })
    let err = ''
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    return { child, err: () => err, ended: once(child, 'close').then(([code, signal]) => code ?? signal) }
  }

  /** Waits until a process has printed the metrics of a step. */
  async function untilStep({ child }: Started, step: number) {
    for await (const line of createInterface({ input: child.stdout! })) if (JSON.parse(line).step === step) return child.stdout!.resume()
    throw new Error(`the process ended before step ${step}`)
  }

  const losses = async (run: string) =>
    (await readFile(`runs/${run}/metrics.jsonl`, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ step, loss, gradNorm }) => [step, loss, gradNorm])

  const model = (run: string) => readFile(`runs/${run}/model/model.safetensors`)

  it('10 + 10 steps with a kill -9 between are 20 steps, byte for byte; and two processes cannot share a run folder', async () => {
    await Promise.all(['straight', 'killed'].map(slow))
    const [whole, victim] = [start('train straight.json --quiet'), start('train killed.json --json')]
    await untilStep(victim, 10)
    victim.child.kill('SIGSTOP')
    const second = start('train killed.json --resume')
    expect(await second.ended).toBe(2)
    expect(second.err()).toMatch(
      /runs\/killed: one process at a time may write to a run, got process \d+ on .*, since .*; wait for it, or delete .*lock if it is gone/,
    )
    victim.child.kill('SIGKILL')
    expect(await victim.ended).toBe('SIGKILL')
    expect((await losses('killed')).length).toBeLessThan(20)
    expect(await start('train killed.json --resume --quiet').ended).toBe(0)
    expect(await whole.ended).toBe(0)
    expect(await losses('killed')).toEqual(await losses('straight'))
    expect(Buffer.compare(await model('killed'), await model('straight'))).toBe(0)
  })

  it('Ctrl-C saves, says how to go on, and exits with 130', async () => {
    await slow('stopped')
    const first = start('train stopped.json --json')
    await untilStep(first, 3)
    first.child.kill('SIGINT')
    expect(await first.ended).toBe(130)
    expect(first.err()).toMatch(/stopped after step \d+ of 20; go on with:\n {2}innate train stopped\.json --run runs\/stopped --resume\n$/)
    expect(await start('train stopped.json --resume --quiet').ended).toBe(0)
    expect(Buffer.compare(await model('stopped'), await model('straight'))).toBe(0)
  })

  it('Ctrl-C twice ends it without an abort, and it goes on to the same bits', async () => {
    await slow('twice')
    const first = start('train twice.json --json')
    await untilStep(first, 3)
    first.child.kill('SIGINT')
    setTimeout(() => first.child.kill('SIGINT'), 20)
    expect(await first.ended).toBe(130)
    expect(first.err()).not.toMatch(/terminate|Napi|internal:/)
    expect(await start('train twice.json --resume --quiet').ended).toBe(0)
    expect(Buffer.compare(await model('twice'), await model('straight'))).toBe(0)
  })

  const disk = spawnSync('unshare', ['-m', 'true']).status === 0 && process.getuid?.() === 0
  it.skipIf(!disk)(`a full disk loses nothing${disk ? '' : ' (not run here: needs the right to mount a small one)'}`, async () => {
    await slow('full')
    await mkdir('runs/full')
    // One checkpoint of 1.2 MB fits, a second one beside it does not.
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1600k', 'tmpfs', 'runs/full']).status).toBe(0)
    try {
      const { code, err } = await innate('train full.json')
      expect(err).toMatch(
        /runs\/full\/checkpoint\/state\.safetensors: must be writable, got a full disk \(ENOSPC\); free some disk space\nWhat was done is kept/,
      )
      expect(code).toBe(2)
      expect((await readSafetensors('runs/full/checkpoint/state.safetensors')).get('step')!.data[0]).toBe(1)
      expect(spawnSync('mount', ['-o', 'remount,size=50m', 'runs/full']).status).toBe(0)
      expect((await innate('train full.json --resume')).code).toBe(0)
      expect(await losses('full')).toEqual(await losses('straight'))
      expect(Buffer.compare(await model('full'), await model('straight'))).toBe(0)
    } finally {
      spawnSync('umount', ['runs/full'])
    }
  })
})

import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { openPolicy, scoreTrees } from '../policy/index.ts'
import { loadTexts } from '../preferences/index.ts'
import { type RecipeInput, recipe } from '../recipe/recipe.ts'
import { metricsSchema } from '../runs/index.ts'
import { type TrainRunOptions, trainRun } from './train-run.ts'
import { type HeldOutTexts, textNats } from './train-texts.ts'

const fixture = resolve('fixtures/next-token')
const tiny = resolve('fixtures/llama-tiny')
const golden = JSON.parse(await readFile(join(fixture, 'golden.json'), 'utf8'))
const checkpoint = await loadCheckpoint(tiny)
let folder = ''
const home = process.cwd()
const cache = process.env.INNATE_CACHE
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-texts-'))
  process.env.INNATE_CACHE = join(folder, 'cache')
  process.chdir(folder)
})
afterAll(async () => {
  process.chdir(home)
  if (cache === undefined) delete process.env.INNATE_CACHE
  else process.env.INNATE_CACHE = cache
  await rm(folder, { recursive: true, force: true })
})

const texts = { file: join(fixture, 'texts.jsonl'), shuffle: false }
const train = {
  optimizer: { name: 'adamw', lr: 1e-3, beta1: 0.9, beta2: 0.95, weightDecay: 0.1 },
  batch: golden.batch as number,
  epochs: golden.epochs as number,
}

/** Trains into a run folder and reads its metrics. */
async function trained(input: Partial<RecipeInput>, options: TrainRunOptions = {}) {
  const made = recipe({ model: tiny, texts, train, run: join(folder, 'run'), ...input } as RecipeInput)
  const result = await trainRun(made, options)
  const lines = (await readFile(join(made.run!, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')
  return { ...result, steps: lines.map((line) => metricsSchema.parse(JSON.parse(line))) }
}

describe('twenty steps on texts and completions (fixtures/next-token, by oracle/)', () => {
  it.each([
    ['in one batch', 2048],
    ['accumulated from small ones', 64],
  ])('%s have PyTorch’s losses and norms within 1e-4', async (name, tokenBudget) => {
    const { steps } = await trained({ train: { ...train, tokenBudget }, run: join(folder, name) })
    expect(steps.map(({ tokens }) => tokens)).toEqual(golden.tokens)
    expect(steps.length).toBe(20)
    steps.forEach(({ loss, gradNorm }, i) => {
      expect(Math.abs(loss / golden.losses[i] - 1)).toBeLessThan(1e-4)
      expect(Math.abs(gradNorm / golden.gradNorms[i] - 1)).toBeLessThan(1e-3)
    })
  })

  it('begin at PyTorch’s bits per byte of each text', async () => {
    const engine = openEngine({ threads: 1 })
    const { texts: read } = await loadTexts(texts.file, checkpoint)
    const costs = await textNats(await openPolicy(engine, checkpoint), read)
    await engine.close()
    expect(costs.length).toBe(golden.bitsPerByte.length)
    costs.forEach(({ nats, bytes }, i) => {
      expect(nats / Math.LN2 / bytes).toBeCloseTo(golden.bitsPerByte[i], 4)
    })
  })
})

describe('a run on texts', () => {
  it('measures what is held out every so many steps and at the end, and shows both in its report', async () => {
    const { steps, heldOut, run } = await trained({ texts: { ...texts, heldOut: 0.4, measureEvery: 4 }, run: join(folder, 'held') })
    const measured = steps.filter(({ bitsPerByte }) => bitsPerByte !== undefined)
    expect(measured.map(({ step }) => step)).toEqual(
      steps.map(({ step }) => step).filter((step) => step % 4 === 0 || step === steps.length),
    )
    const { before, bitsPerByte, texts: n } = heldOut as HeldOutTexts
    expect(n).toBeGreaterThan(1)
    expect(bitsPerByte.estimate).toBeLessThan(before.estimate)
    expect(measured.at(-1)!.bitsPerByte).toBeCloseTo(bitsPerByte.estimate, 6)
    const page = await readFile(join(run, 'report.html'), 'utf8')
    for (const said of ['Bits per byte', 'nats per token', 'Gradient norm', 'held-out texts cost']) expect(page).toContain(said)
    for (const unsaid of ['Margin', 'Log-ratios', 'Accuracy']) expect(page).not.toContain(unsaid)
  })

  it('goes on where it was stopped, byte for byte', async () => {
    const options = { texts: { ...texts, shuffle: true, heldOut: 0.2, measureEvery: 3 } }
    const straight = await trained({ ...options, run: join(folder, 'straight') }, { maxSteps: 7 })
    const run = join(folder, 'stopped')
    await trained({ ...options, run }, { maxSteps: 3 })
    const resumed = await trained({ ...options, run }, { maxSteps: 7, resume: true })
    const told = ({ steps }: typeof straight) => steps.map(({ tokensPerSecond: _, ...row }) => row)
    expect(told(resumed)).toEqual(told(straight))
    const state = (from: string) => readFile(join(from, 'checkpoint/state.safetensors'))
    expect(Buffer.compare(await state(run), await state(straight.run))).toBe(0)
  })

  it('begins with fresh parameters when asked, in a folder without weights', async () => {
    for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) await cp(join(tiny, name), join(folder, 'bare', name))
    const { steps, model, run } = await trained({ model: join(folder, 'bare'), fresh: true, run: join(folder, 'fresh') })
    // Small weights say little: every token costs about ln 320.
    expect(Math.abs(steps[0]!.loss - Math.log(320))).toBeLessThan(0.1)
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss - 0.5)
    expect((await loadCheckpoint(model!)).config).toEqual(checkpoint.config)
    const other = await trained({ model: join(folder, 'bare'), fresh: true, seed: 1, run: join(folder, 'fresh1') }, { maxSteps: 1 })
    expect(other.steps[0]!.loss).not.toBe(steps[0]!.loss)
    expect(existsSync(join(run, 'report.html'))).toBe(true)
  })

  it('sets aside what it cannot use, and says so when nothing is left', async () => {
    const file = join(folder, 'mixed.jsonl')
    const rows = [
      { text: 'Once upon a time' },
      { text: '' },
      { prompt: 'Once', completion: '' },
      { prompt: 'x' },
      { text: 3 },
      { prompt: 'Once', completion: ' upon a time' },
    ]
    await writeFile(file, `${rows.map((row) => JSON.stringify(row)).join('\n')}\nno json\n`)
    const { quarantined, data } = {
      ...(await trained({ texts: { file }, train: { batch: 2 }, run: join(folder, 'mixed') })),
      data: undefined,
    }
    expect(data).toBeUndefined()
    expect(quarantined).toEqual({ 'bad JSON': 1, 'wrong shape': 2, 'empty completion': 2 })
    await writeFile(file, '{"text": ""}\n')
    await expect(trained({ texts: { file }, run: join(folder, 'none') })).rejects.toThrow(
      /mixed\.jsonl: at least one text, prompt with completion, or talk must be usable, got none of 1 rows; the first is line 1: text must have text, got none/,
    )
  })
})

describe('bits per byte', () => {
  it('leave out the end of every turn, and of a text that is cut the end alone', async () => {
    const engine = openEngine({ threads: 1 })
    const policy = await openPolicy(engine, checkpoint)
    const [end] = checkpoint.eosIds
    const prompt = [1, 70, 71]
    const [a, b] = [
      [80, 81, 82],
      [90, 91],
    ]
    const turns = {
      row: 0,
      prompt: '',
      bytes: 5,
      ended: [true, true],
      trees: [a, b].map((ids) => ({ prompt, completions: [[...ids, end!]] })),
    }
    const cut = {
      ...turns,
      ended: [false, true],
      trees: [
        { prompt, completions: [a] },
        { prompt: [82], completions: [[...b, end!]] },
      ],
    }
    const onlyEnd = {
      ...cut,
      trees: [
        { prompt, completions: [a] },
        { prompt: [82], completions: [[end!]] },
      ],
    }
    const nats = (ids: readonly number[], before = prompt) => scoreTrees(policy, [{ prompt: before, completions: [ids] }])
    const [[sa], [sb], [after]] = [await nats(a), await nats(b), await nats(b, [82])]
    const costs = await textNats(policy, [turns, cut, onlyEnd])
    await engine.close()
    expect(costs.map(({ bytes }) => bytes)).toEqual([5, 5, 5])
    const expected = [-(sa! + sb!), -(sa! + after!), -sa!]
    costs.forEach(({ nats }, i) => void expect(Math.abs(nats / expected[i]! - 1)).toBeLessThan(1e-5))
  })
})

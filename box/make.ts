import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadCheckpoint, saveCheckpoint } from 'innate/checkpoints'
import { openEngine } from 'innate/engine'
import { isTensor, leaves, type Tensor, tensor } from 'innate/graph'
import { type DecoderParams, freshParams } from 'innate/models'
import { openPolicy, readParams } from 'innate/policy'
import { card, type Note, type Recipe } from './card.ts'
import { learn } from './lesson.ts'
import { asStory, cut, smallVocabulary, storiesOf } from './material.ts'
import { measure } from './measure.ts'
import { covariances, narrow } from './prune.ts'

// Makes stories5m from stories15m: `npm run -s box`. Stopped or killed, the same command goes on where it was.
const { values: flags } = parseArgs({
  options: {
    /** A file of stories sampled before, instead of sampling them for an hour. */
    stories: { type: 'string' },
    run: { type: 'string', default: 'runs/box' },
  },
})
const vocabulary = 3072
const width = 392
/** The temperature at which its stories are about as likely to the teacher as the teacher's own; it is built in, so that plain sampling does it. */
const sharpness = 0.85
const sampling = { top_k: 80 }
const heldOutCount = 200
const teaching = { lr: 7e-4, warmup: 40, batch: 16, seed: 1 }
const steps = { distilled: 1400, cooled: 500, scratch: 300 }
const cool = { temperature: 0.75, lr: 6e-4, warmup: 10, seed: 2 }

const say = (line: string) => process.stderr.write(`${line}\n`)
const folder = flags.run
const box = join(dirname(fileURLToPath(import.meta.url)), 'stories5m')
await mkdir(folder, { recursive: true })
const engine = openEngine()
try {
  const whole = await loadCheckpoint('stories15m', { onProgress: say })
  const texts = await storiesOf(whole, engine, folder, flags.stories, say)
  const { kept, tokenizer } = await smallVocabulary(whole, texts, vocabulary, folder)
  const stories = await tokens()
  const [heldOut, taught] = [stories.slice(0, heldOutCount), stories.slice(heldOutCount)]
  const common = { ...teaching, stories: taught.map(({ ids, bytes }) => ({ ids, bytes })), heldOut }
  const teacherModel = cut(whole, kept)
  const teacher = await openPolicy(engine, teacherModel)
  say('taking neurons out …')
  const start = narrow(teacherModel, await covariances(teacher, taught.slice(0, 320)), width)
  const student = await openPolicy(engine, start)
  await learn({ ...common, student, teacher, steps: steps.distilled, file: join(folder, 'distilled'), say: said('distilled') })
  await learn({
    ...common,
    ...cool,
    stories: taught,
    student,
    teacher,
    steps: steps.cooled,
    file: join(folder, 'cooled'),
    say: said('cooled'),
  })
  const fresh = await openPolicy(engine, { ...start, params: freshParams(start.config, teaching.seed) })
  await learn({ ...common, student: fresh, steps: steps.scratch, file: join(folder, 'scratch'), say: said('scratch') })

  const learned = await readParams(student)
  const params = {
    ...learned,
    norm: tensor(
      (learned.norm.data as Float32Array).map((x) => x / sharpness),
      learned.norm.shape,
    ),
  }
  const small = { ...whole, name: 'stories5m', folder: join(folder, 'tokenizer'), config: start.config, params, tokenizer }
  await saveCheckpoint(box, small, params, { dtype: 'f16' })
  await writeFile(
    join(box, 'generation_config.json'),
    `${JSON.stringify({ do_sample: true, ...sampling, eos_token_id: whole.eosIds[0] }, null, 2)}\n`,
  )
  const saved = await loadCheckpoint(box)
  say('measuring …')
  const measured = await measure(
    {
      stories5m: { checkpoint: saved, policy: await openPolicy(engine, saved) },
      before: { checkpoint: saved, policy: student },
      stories15m: { checkpoint: whole, policy: await openPolicy(engine, whole) },
    },
    texts.slice(0, heldOutCount),
  )
  const recipe: Recipe = {
    command: 'npm run -s box',
    stories: texts.length,
    heldOut: heldOutCount,
    config: start.config,
    parameters: parametersOf(params),
    lr: teaching.lr,
    temperature: cool.temperature,
    sharpness,
    steps,
    batch: teaching.batch,
  }
  const curves = { distilled: await curve('distilled'), cooled: await curve('cooled'), scratch: await curve('scratch') }
  await writeFile(join(box, 'measured.json'), `${JSON.stringify({ ...measured, curves }, null, 1)}\n`)
  await writeFile(join(box, 'README.md'), card(recipe, measured, curves))
  say(JSON.stringify({ ...measured, first: undefined }, null, 1))

  /** Every story in the small vocabulary; kept, since cutting them takes a minute. */
  async function tokens(): Promise<ReturnType<typeof asStory>[]> {
    const file = join(folder, 'tokens.json')
    if (!existsSync(file)) await writeFile(file, JSON.stringify(texts.map((text) => asStory(text, tokenizer, whole, whole.tokenizer))))
    return JSON.parse(await readFile(file, 'utf8'))
  }
} finally {
  await engine.close()
}

function said(name: string) {
  return (line: string) => say(`${name}: ${line}`)
}

async function curve(name: string): Promise<Note[]> {
  const lines = (await readFile(join(folder, `${name}.jsonl`), 'utf8')).trim().split('\n')
  return lines.map((line) => JSON.parse(line))
}

function parametersOf(params: DecoderParams<Tensor>): number {
  return leaves(params, isTensor).reduce((n, [, { data }]) => n + data.length, 0)
}

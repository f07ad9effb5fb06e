import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Case, lookAlikes, openCase, plants, smallModel, smallPairs } from '../audits/index.ts'
import { openEngine } from '../engine/index.ts'
import { stopGradient } from '../graph/index.ts'
import { type Recipe, type RecipeInput, recipe } from '../recipe/index.ts'
import { auditsSchema, createRun, openRun } from '../runs/index.ts'
import { auditAlarms, auditMeasure, auditsAtLook } from './audit-training.ts'
import { trainRun } from './train-run.ts'

const engine = openEngine({ threads: 1 })
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-audits-'))
})
afterAll(async () => {
  await engine.close()
  await rm(folder, { recursive: true, force: true })
})

const written = (more: Partial<RecipeInput>): Recipe =>
  recipe({
    ...{ model: resolve('fixtures/llama-tiny'), preferences: { pairs: resolve('fixtures/trl-sigmoid/pairs.jsonl') }, inside: false },
    train: { batch: 2, optimizer: { name: 'adamw', lr: 1e-4 } },
    ...more,
  })

describe('a training audits its graph before the first step, and its steps on the way', () => {
  it('a stop that nobody declared is an alarm with its tensor, kept in the run', async () => {
    const run = join(folder, 'stopped')
    const edit = { at: 'blocks.0.mlp.out', apply: (_: string, x: Parameters<typeof stopGradient>[0]) => stopGradient(x) }
    const notes: string[] = []
    const { alarms } = await trainRun(written({ edit, run }), { maxSteps: 1, watch: { note: (line) => notes.push(line) } })
    expect(alarms).toMatchObject([{ alarm: 'audit.shielded', value: 1, bound: 0, why: expect.stringMatching(/^embed \(and 9 more\): stopGradient after blocks\.0\.mlp\.out/) }]) // biome-ignore format: one line
    expect(notes.filter((line) => line.startsWith('ALARM audit.shielded'))).toHaveLength(1)
    const kept = await (await openRun(run)).read('audits.json', auditsSchema)
    expect(kept.alarms).toEqual(alarms)
    expect(kept.rows.map(({ tensor }) => tensor)).toContain('blocks.0.mlp.down')
  })

  it('an ordinary one has none, also where every step is audited', async () => {
    const run = join(folder, 'plain')
    expect(await trainRun(written({ run, audit: { every: 1 } }), { maxSteps: 4 })).not.toHaveProperty('alarms')
    expect((await openRun(run)).has('audits.json')).toBe(false)
  })

  it('steps that a whole-step optimizer takes are seen: what it leaves is shielded', async () => {
    const { optimizer } = plants.find(({ name }) => name === 'optimizer that skips')!.recipe(smallModel(0).config, smallModel(0).params)
    const { alarms } = await trainRun(written({ run: join(folder, 'skips'), train: { batch: 2, optimizer: optimizer! }, audit: { every: 2 } }), { maxSteps: 4 }) // biome-ignore format: one line
    // It is also no step of the optimizer whose name it keeps.
    expect(alarms?.map(({ alarm }) => alarm)).toEqual(['audit.shielded', 'audit.forged'])
    for (const { why } of alarms!) expect(why).toMatch(/^blocks\.0\.attn\.q: /)
  })

  it('what is declared is no alarm', async () => {
    const edit = { at: 'blocks.0.mlp.out', apply: (_: string, x: Parameters<typeof stopGradient>[0]) => stopGradient(x) }
    const declare = [{ tensor: '*', as: 'stop', reason: 'the first MLP is kept' }] as const
    const found = await trainRun(written({ edit, run: join(folder, 'declared'), audit: { declare: [...declare] } }), { maxSteps: 1 })
    expect(found).not.toHaveProperty('alarms')
  })
})

describe("accept: { audit: 'clean' }", () => {
  it('is a bound on a measure that is 1 where everything is clean', () => {
    const preferences = { prompts: ['a', 'b'], judge: { goals: { length: 1 } } }
    const made = recipe({ model: 'M', prior: { goals: ['length'], strength: 5 }, preferences, accept: { audit: 'clean' } })
    expect(made.accept).toEqual({ audit: { atLeast: 1 } })
    const verdict = { found: 0, declared: 0, unmeasured: 0, channels: [1, 2, 3, 4, 5] }
    const row = { channel: 1, audit: 'shielded', tensor: 'a', statistic: 0, null: null, threshold: 1, finding: 'clean', why: '' } as const
    expect(auditMeasure({ rows: [row], verdict: { ...verdict, verdict: 'clean' } })).toEqual({
      estimate: 1,
      low: 1,
      high: 1,
      n: 1,
      unit: '',
    })
    expect(auditMeasure({ rows: [row], verdict: { ...verdict, verdict: 'cannot tell', unmeasured: 3 } })).toMatchObject({
      low: 0,
      cannotTell: '3 could not be measured',
    })
    expect(auditMeasure({ rows: [{ ...row, finding: 'found' }], verdict: { ...verdict, verdict: 'clean' } })).toMatchObject({
      estimate: 0,
      high: 0,
    })
    expect(auditAlarms([row])).toEqual([])
  })

  const look = async (one: Case) => {
    const demanding = written({ run: undefined })
    const run = await createRun(join(folder, one.name.replaceAll(' ', '-')), {
      ...{ kind: 'align', command: 'align', recipe: {}, objective: { name: 'dpo', params: {} }, seeds: {} },
      model: { name: 'small', sha256: 'ab', parameters: 1 },
      versions: { innate: '0', node: '0', onnxruntime: '0' },
    })
    const target = await openCase(engine, one, { model: smallModel(0), examples: smallPairs(0, 24), seed: 0, steps: 2, batch: 2 })
    const asked = { ...demanding, accept: { audit: { atLeast: 1 } } }
    const seen = await auditsAtLook(run, asked, { round: 1, folder: 'rounds/01' }, async () => ({
      training: target.training,
      data: target.data,
    }))
    const kept = await run.read('rounds/01/audits.json', auditsSchema)
    await run.close()
    await target.close()
    return { seen, kept }
  }

  it('takes the whole audit of the round at its look', async () => {
    const { seen, kept } = await look(plants.find(({ name }) => name === 'stopped pull in the loss')!)
    expect(seen.measures.audit).toMatchObject({ estimate: 0, n: 20 })
    expect(seen.alarms.map(({ alarm }) => alarm)).toContain('audit.shielded')
    expect(kept.verdict?.verdict).toBe('found')
    const plain = await look(lookAlikes.find(({ name }) => name === 'weight decay')!)
    expect(plain.seen.alarms).toEqual([])
    expect(plain.kept.verdict?.found).toBe(0)
  })
})

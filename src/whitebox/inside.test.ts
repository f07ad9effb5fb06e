import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { align, trainRun } from '../align/index.ts'
import { goalPrior, goals, type Probes, probeFor, probeGoal, readProbe, saveProbes } from '../goals/index.ts'
import { mean } from '../graph/index.ts'
import { openModel } from '../policy/index.ts'
import { judgeByGoals, onPolicy, recipe } from '../recipe/index.ts'
import { evaluationSchema, shownSchema } from '../runs/index.ts'
import { labelled } from './labelled-texts.ts'
import { directionPenalty, probePenalty } from './penalties.ts'
import { probesOf, readProbes } from './probes.ts'
import { refit } from './refit.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-inside-'))
const at = (name: string) => join(folder, name)
const sides = [' sang to the moon', ' ate a fish']
const rows = Array.from({ length: 48 }, (_, i) => ({ text: `The fox ${i}${sides[i % 2]}`, label: i % 2 ? 'ate' : 'sang' }))
let probes: Probes
beforeAll(async () => {
  const model = await openModel('fixtures/llama-tiny')
  const texts = labelled('rows', rows)
  const found = await readProbes(model, texts, 'blocks.*.out', { pool: 'mean' })
  probes = probesOf(found, texts, { pool: 'mean', model: { name: model.name, sha256: model.hash } })
  await model.close()
  await saveProbes(at('probes.json'), probes)
  const jsonl = (all: readonly object[]) => all.map((row) => JSON.stringify(row)).join('\n')
  writeFileSync(at('rows.jsonl'), jsonl(rows))
  writeFileSync(
    at('pairs.jsonl'),
    jsonl(rows.map((_, i) => ({ prompt: `The fox ${i}`, chosen: sides[i % 2], rejected: sides[(i + 1) % 2] }))),
  )
})
afterAll(() => rmSync(folder, { recursive: true }))

const best = ({ probes: all }: Probes) => all.reduce((a, b) => (b.accuracy > a.accuracy ? b : a)).tap
const choice = { tap: 'blocks.1.out', label: 'ate' }

describe('a probe inside training', () => {
  it('as a penalty: what it reads falls, and the report has it beside one fitted again, and the drift of every block', async () => {
    const penalty = probePenalty(probes, choice)
    const given = (run: string, weight: number) =>
      recipe({
        model: 'fixtures/llama-tiny',
        preferences: { pairs: at('pairs.jsonl'), heldOut: 0.2 },
        loss: ({ objective, perExample }) => {
          const sure = mean(perExample(penalty, 'all'))
          return { loss: objective.add(sure.mul(weight)), terms: { sure } }
        },
        train: { optimizer: { name: 'adamw', lr: 3e-3 }, batch: 8, epochs: 3 },
        inside: [refit(at('probes.json'), { ...choice, rows: at('rows.jsonl') })],
        run: at(run),
      })
    const read = async (run: string, weight: number) => {
      await trainRun(given(run, weight))
      const metrics = readFileSync(at(`${run}/metrics.jsonl`), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      return metrics.at(-1).sure as number
    }
    expect(await read('penalised', 5)).toBeLessThan((await read('free', 0)) / 2)
    const drift = shownSchema.parse(JSON.parse(readFileSync(at('penalised/tables/inside-0-drift.json'), 'utf8')))
    expect(drift.table.rows.map(({ group }) => `${group.block} ${group.part}`)).toEqual(
      [0, 1].flatMap((block) => ['attention adds', 'MLP adds', 'residual stream'].map((part) => `${block} ${part}`)),
    )
    for (const { estimate } of drift.table.rows) expect(estimate).toBeGreaterThan(0)
    const again = shownSchema.parse(JSON.parse(readFileSync(at('penalised/tables/inside-1-1.json'), 'utf8')))
    expect(again.table.rows.map(({ name }) => name)).toEqual([
      'the probe, before',
      'the probe, after',
      'fitted again, before',
      'fitted again, after',
      'control, after',
    ])
    const [was, now, before, after] = again.table.rows.map(({ estimate }) => estimate)
    expect([was, before]).toEqual([1, 1])
    // All is called one label by the probe that was penalised, while one fitted again still tells them apart.
    expect(now).toBeLessThan(0.7)
    expect(after).toBeGreaterThan(0.9)
    expect(again.table.about).toContain('moved its representation away from the probe')
    expect(readFileSync(at('penalised/report.html'), 'utf8')).toContain('moved its representation away from the probe')
  })

  it('as a goal: it is read by the reference over prompt and completion, in pairs and looks, and a run of it goes on as any', async () => {
    const likes = probeGoal(at('probes.json'), { ...choice, name: 'likes' })
    const given = recipe({
      model: 'fixtures/llama-tiny',
      prior: goalPrior({ goals: [likes], strength: 5 }),
      preferences: onPolicy({
        prompts: Array.from({ length: 40 }, (_, i) => `The fox ${i}`),
        perPrompt: 4,
        promptsPerRound: 8,
        maxTokens: 10,
        judge: judgeByGoals({ likes: 2 }),
      }),
      train: { optimizer: { name: 'adamw', lr: 1e-3 }, batch: 8 },
      accept: { likes: { atLeast: -100 } },
      look: { development: 4, sealed: 20 },
      rounds: 1,
      inside: false,
      run: at('goal'),
    })
    await align(given)
    expect(existsSync(at('goal/tables'))).toBe(false)
    const { measures } = evaluationSchema.parse(JSON.parse(readFileSync(at('goal/sealed/evaluation.json'), 'utf8')))
    const samples = readFileSync(at('goal/sealed/samples.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const model = await openModel('fixtures/llama-tiny')
    const said = (side: 'policy' | 'reference') =>
      readProbe(
        model,
        samples.map((row) => row.prompt + row[side].text),
        { ...probeFor('here', probes, choice), pool: 'mean' },
      )
    const total = (all: readonly number[]) => all.reduce((a, b) => a + b, 0) / all.length
    const rise = total(await said('policy')) - total(await said('reference'))
    await model.close()
    // The measure is the same rise, in standard deviations of the reference's completions.
    expect(Math.sign(measures.likes!.estimate)).toBe(Math.sign(rise))
    expect(() => likes.measure({ prompt: 'a', text: 'b', tokens: 1, ended: true })).toThrow('must be read by a model before')
  })

  it('as a goal with nothing named: the tap that was most accurate, the second label; a width of no such tap ends a run before anything is sampled', async () => {
    const model = await openModel('fixtures/llama-tiny')
    const by = { policy: model.policy, checkpoint: model }
    const sample = { prompt: 'The fox 3', text: ' ate a fish', tokens: 4, ended: true }
    const [plain, named] = [goals.probe(at('probes.json')), probeGoal(at('probes.json'), { tap: best(probes), label: probes.labels[1]! })]
    for (const goal of [plain, named]) await goal.read!([sample], by)
    expect(plain.measure(sample)).toBe(named.measure(sample))
    await model.close()
    await saveProbes(at('wide.json'), {
      ...probes,
      probes: probes.probes.map((probe) => ({ ...probe, weight: probe.weight.map((row) => [...row, 0]) })),
    })
    const json = (file: string) =>
      recipe({
        model: 'fixtures/llama-tiny',
        prior: { goals: [{ name: 'probe', file, as: 'likes' }], strength: 5 },
        preferences: { prompts: Array.from({ length: 40 }, (_, i) => `The fox ${i}`), judge: { goals: { likes: 1 } }, maxTokens: 4 },
        accept: { likes: { atLeast: 0 } },
        look: { development: 4, sealed: 20 },
        run: at('wide'),
      })
    await expect(align(json(at('wide.json')))).rejects.toThrow(
      /^probe of blocks\.\d\.out: must be as wide as the tap, \d+, got \d+; it was fitted on another model$/,
    )
    expect(existsSync(at('wide'))).toBe(false)
  })

  it('of another model, or a penalty that can not be, is refused by name', async () => {
    const other = probeGoal(at('probes.json'), choice)
    const model = await openModel('fixtures/llama-tiny')
    const by = { policy: model.policy, checkpoint: { ...model, hash: 'another' } }
    await expect(other.read!([], by)).rejects.toThrow('goal probe: ')
    await model.close()
    expect(() => probePenalty({ ...probes, pool: 'last' }, choice)).toThrow('a probe of the mean over tokens is needed')
    expect(() => probePenalty({ ...probes, labels: ['a', 'b', 'ate'] }, choice)).toThrow('a probe of two labels is needed, got 3')
    expect(() => directionPenalty('blocks.0.out', [0, 0])).toThrow('must have a length above 0, got 0')
  })
})

import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alignJson, fakeFolder, innate, innateJson, trainJson, writeRows } from '../../test/fake-folder.ts'
import { loadAdapters, loadCheckpoint, saveCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { mergeAdapters } from '../models/index.ts'
import { openPolicy, scoreTrees, textTree } from '../policy/index.ts'

// What other programs read: with --json, JSON lines on stdout and nothing else there.
let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
})
afterAll(() => close())

const number = expect.any(Number)
/** What a measure without a range says of so few prompts. */
const cannotTell = expect.stringMatching(/are too few for a measure without a declared range/)
const metrics = {
  step: number,
  round: 0,
  loss: number,
  chosenLogRatio: number,
  rejectedLogRatio: number,
  margin: number,
  accuracy: number,
  kl: number,
  chosenTokens: number,
  rejectedTokens: number,
  gradNorm: number,
  lr: 5e-4,
  tokensPerSecond: number,
}

describe('innate logp', () => {
  it('reads a model with an adapter as it reads the two merged', async () => {
    const base = await loadCheckpoint('models/tiny')
    const adapters = await loadAdapters('adapters/tiny', base.config)
    await saveCheckpoint('models/merged', base, mergeAdapters(base.params, adapters))
    const [bare, adapted, merged] = [
      await innateJson<{ chosen: number }>('logp --model models/tiny --pairs forty.jsonl'),
      await innateJson<{ chosen: number }>('logp --model models/tiny --adapter adapters/tiny --pairs forty.jsonl'),
      await innateJson<{ chosen: number }>('logp --model models/merged --pairs forty.jsonl'),
    ]
    adapted.rows.forEach(({ chosen }, i) => {
      expect(Math.abs(chosen - merged.rows[i]!.chosen)).toBeLessThan(1e-4)
      expect(Math.abs(chosen - bare.rows[i]!.chosen)).toBeGreaterThan(1e-3)
    })
  })

  it('samples with an adapter as with the two merged', async () => {
    const sampled = (words: string) =>
      innateJson<{ ids: number[] }>(`sample ${words} --prompts prompts.jsonl --max-tokens 8 --temperature 0`)
    const [adapted, merged] = [await sampled('--model models/tiny --adapter adapters/tiny'), await sampled('--model models/merged')]
    expect(adapted.rows.map(({ ids }) => ids)).toEqual(merged.rows.map(({ ids }) => ids))
  })

  it('prints a row per pair: summed log-probabilities in nats over completion tokens', async () => {
    const { code, rows } = await innateJson('logp --model models/tiny --pairs forty.jsonl')
    expect([code, rows.length]).toEqual([0, 40])
    expect(rows[7]).toEqual({ row: 7, chosen: number, rejected: number, chosenTokens: number, rejectedTokens: number })

    const checkpoint = await loadCheckpoint('models/tiny')
    const engine = openEngine({ threads: 1 })
    const [pair] = (await readFile('forty.jsonl', 'utf8')).split('\n').map((line) => line && JSON.parse(line))
    const prompt = checkpoint.tokenizer.encode(pair.prompt)
    const completion = [...checkpoint.tokenizer.encode(pair.prompt + pair.chosen).slice(prompt.length), checkpoint.eosIds[0]!]
    const [whole, beginning] = await scoreTrees(await openPolicy(engine, checkpoint), [
      textTree([...prompt, ...completion]),
      textTree(prompt),
    ])
    await engine.close()
    expect(rows[0]!.chosen).toBeCloseTo(whole! - beginning!, 4)
    expect(rows[0]!.chosenTokens).toBe(completion.length)

    // The last row also has what all of them come to.
    const of = (name: string) => rows.map((row) => row[name] as number).reduce((a, b) => a + b)
    const summary = rows.at(-1)!.summary as unknown as { pairs: number; chosen: { mean: number; perToken: number }; chosenHigher: number }
    expect(summary.pairs).toBe(40)
    expect(summary.chosen.mean).toBeCloseTo(of('chosen') / 40, 9)
    expect(summary.chosen.perToken).toBeCloseTo(of('chosen') / of('chosenTokens'), 9)
    expect(summary.chosenHigher).toBe(rows.filter((row) => row.chosen! > row.rejected!).length / 40)
    const { out } = await innate('logp --model models/tiny --pairs forty.jsonl')
    expect(out).toMatch(/… 20 more rows; --json prints them all/)
    expect(out).toMatch(/40 pairs +mean, nats +nats a token/)
  })
})

it('a reward model is trained, says how good it is, and scores both sides of every pair with its doubt', async () => {
  const asked = {
    model: 'models/tiny',
    preferences: { pairs: 'forty.jsonl', heldOut: 0.2 },
    objective: { name: 'rewardModel' },
    inside: false,
  }
  await writeFile('reward.json', JSON.stringify(asked))
  const trained = await innateJson('train reward.json --run runs/reward')
  const estimate = { estimate: number, low: number, high: number, n: number, unit: 'share' }
  expect(trained.code).toBe(0)
  expect(trained.rows.at(-1)).toMatchObject({
    model: expect.stringMatching(/runs\/reward\/model$/),
    heldOut: { accuracy: estimate, ece: estimate },
  })
  const { rows } = await innateJson('logp --reward runs/reward/model --pairs forty.jsonl')
  expect(rows).toHaveLength(40)
  expect(rows[7]).toEqual({ row: 7, chosen: number, rejected: number, sdChosen: number, sdRejected: number })
  const labels = [{ prompt: 'Once', completion: ' upon', label: true }, { prompt: 'Once', completion: ' more', label: false }] // biome-ignore format: one line
  await writeFile('labels.jsonl', labels.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const ofLabels = await innateJson('logp --reward runs/reward/model --pairs labels.jsonl')
  expect(ofLabels.rows).toEqual([
    { row: 0, label: true, completion: number, sdCompletion: number },
    {
      ...{ row: 1, label: false, completion: number, sdCompletion: number },
      summary: { completions: 2, wanted: number, unwanted: number, onSideOfLabel: number },
    },
  ])
  await writeFile('steps.jsonl', JSON.stringify({ prompt: 'Once', completions: ['upon', 'a time'], labels: [true, false] }))
  const ofSteps = await innateJson('logp --reward runs/reward/model --pairs steps.jsonl')
  expect(ofSteps.rows).toEqual([
    {
      ...{ row: 0, labels: [true, false], steps: [number, number], sdSteps: [number, number] },
      summary: { completions: 1, steps: 2, right: number, wrong: number, onSideOfLabel: number },
    },
  ])
  const [policy, reward] = [
    await innate('logp --reward models/tiny --pairs forty.jsonl'),
    await innate('logp --model runs/reward --pairs forty.jsonl'),
  ]
  expect([policy.code, policy.err]).toEqual([
    2,
    expect.stringContaining('reward: must be a reward model, which scores texts, got models/tiny'),
  ])
  expect([reward.code, reward.err]).toEqual([
    2,
    expect.stringContaining('model: must be a policy, which says the next token, got runs/reward'),
  ])
})

describe('innate train', () => {
  it('does the issue’s recipe as it stands: a row per step, and last the run and its model', async () => {
    const { code, rows } = await innateJson('train train.json')
    expect([code, rows.length]).toEqual([0, 21])
    for (const row of rows.slice(0, -1)) expect(row).toEqual(metrics)
    expect(rows.map(({ step }) => step).slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    // Without a prior the votes are as they are: each pair its one vote, so the loss at the reference is ln 2 and falls.
    expect(rows[0]!.loss).toBeCloseTo(Math.LN2, 5)
    expect(rows[19]!.loss).toBeLessThan(0.69)
    const last = rows.at(-1) as { run: string; model: string }
    expect(last).toEqual({
      run: expect.stringMatching(/runs\/t$/),
      model: expect.stringMatching(/runs\/t\/model$/),
      steps: 20,
      quarantined: {},
    })
    expect((await loadCheckpoint(last.model)).name).toBe('model')
    const kept = (await readFile('runs/t/metrics.jsonl', 'utf8')).trim().split('\n')
    expect(kept.map((line) => JSON.parse(line))).toEqual(rows.slice(0, -1))
    expect(existsSync('runs/t/report.html')).toBe(true)
  })

  it('takes votes as they are: two to one is a soft label of two thirds', async () => {
    await writeRows('votes.jsonl', 8, (i) => ({ prompt: `Once ${i}`, chosen: ' sat down', rejected: ' ran off', votes: [2, 1] }))
    await writeFile('v.json', JSON.stringify({ ...trainJson, preferences: { pairs: 'votes.jsonl' }, run: 'runs/v' }))
    const { rows } = await innateJson('train v.json')
    const [, second] = rows as { loss: number; margin: number }[]
    // One batch holds all pairs, and their margins differ little: the loss is that of the mean margin.
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
    const p = sigmoid(0.1 * second!.margin)
    expect(second!.loss).toBeCloseTo(-(2 / 3) * Math.log(p) - (1 / 3) * Math.log(1 - p), 2)
  })

  it('adds adapters to every linear layer with lora', async () => {
    await writeFile(
      'lora.json',
      JSON.stringify({ ...trainJson, train: { ...trainJson.train, lora: { rank: 8, alpha: 16 } }, run: 'runs/l' }),
    )
    const { code, rows } = await innateJson('train lora.json')
    expect([code, rows.length]).toEqual([0, 21])
    const { config } = await loadCheckpoint('runs/l/model')
    const { layers, scale } = await loadAdapters('runs/l/model/adapter', config)
    expect([Object.keys(layers).length, scale]).toEqual([2 * 7, 2])
    expect(Object.values(layers).every(({ a }) => a.shape[0] === 8)).toBe(true)
  })

  it('reads labelled completions for kto, and counts the rows that it cannot use', async () => {
    await writeRows('labelled.jsonl', 16, (i) => ({ prompt: `Once ${i}`, completion: i === 3 ? '' : ' sat down', label: i % 2 === 0 }))
    const recipe = { ...trainJson, preferences: { pairs: 'labelled.jsonl' }, objective: { name: 'kto' }, run: 'runs/k' }
    await writeFile('kto.json', JSON.stringify(recipe))
    const { code, rows } = await innateJson('train kto.json')
    expect([code, rows.length]).toEqual([0, 9])
    expect(rows.at(-1)).toMatchObject({ quarantined: { 'empty completion': 1 } })
    expect(JSON.parse(await readFile('runs/k/quarantine.jsonl', 'utf8'))).toMatchObject({ line: 4, reason: 'empty completion' })
  })

  it('measures pairs that were held out', async () => {
    const preferences = { ...trainJson.preferences, heldOut: 0.3 }
    await writeFile('held.json', JSON.stringify({ ...trainJson, preferences, run: 'runs/h' }))
    const { rows } = await innateJson<{ heldOut: object }>('train held.json')
    const estimate = (unit: string) => ({ estimate: number, low: number, high: number, n: number, unit })
    expect(rows.at(-1)!.heldOut).toEqual({
      pairs: number,
      ties: 0,
      gaps: 0,
      accuracy: estimate('share'),
      chosenLogRatio: { ...estimate('nats'), cannotTell },
      rejectedLogRatio: { ...estimate('nats'), cannotTell },
    })
  })

  it('with a prior says what it and what the votes put in', async () => {
    await writeFile('prior.json', JSON.stringify({ ...trainJson, prior: { goals: ['length'], strength: 20 }, run: 'runs/p' }))
    const { rows } = await innateJson<{ contribution: { votes: number } }>('train prior.json')
    expect(rows.at(-1)!.contribution).toMatchObject({
      votes: 40,
      strength: 20,
      fighting: expect.any(Array),
      posterior: { method: 'laplace' },
    })
    const predictions = (await readFile('runs/p/predictions.jsonl', 'utf8')).trimEnd().split('\n')
    expect(predictions).toHaveLength(40)
    expect(JSON.parse(predictions[0]!)).toEqual({ votes: [1, 0], predicted: number, byOthers: number, label: number })
    expect(await readFile('runs/p/report.html', 'utf8')).toContain('What the prior gave, and what the data gave')
  })

  it('stops after --steps, goes on with --resume, and says when there is nothing left', async () => {
    const straight = await readFile('runs/t/model/model.safetensors')
    const first = await innateJson('train train.json --run runs/s --steps 10')
    expect(first.rows.at(-1)).toEqual({ run: expect.stringMatching(/runs\/s$/), model: null, steps: 10, quarantined: {} })
    expect(first.err).toContain('stopped after step 10 of 20; go on with:\n  innate train train.json --run runs/s --resume\n')
    const second = await innateJson('train train.json --run runs/s --resume')
    expect(second.rows.map(({ step }) => step).slice(0, -1)).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
    expect(Buffer.compare(await readFile('runs/s/model/model.safetensors'), straight)).toBe(0)
    const third = await innateJson('train train.json --run runs/s --resume')
    expect(third.rows).toEqual([second.rows.at(-1)])
    expect(third.err).toContain('this run has ended')
  })

  it('on Ctrl-C saves, says how to go on, and exits with 130', async () => {
    const stop = new AbortController()
    stop.abort(new Error('interrupted'))
    const { code, err } = await innate('train train.json --run runs/i', stop.signal)
    expect(code).toBe(130)
    expect(err).toMatch(/stopped; go on with:\n {2}innate train train\.json --run runs\/i --resume\n$/)
    expect((await innateJson('train train.json --run runs/i --resume')).rows).toHaveLength(21)
  })
})

describe('innate sample', () => {
  it('prints a row per completion: ids, and the full softmax’s log-probability of each', async () => {
    await writeRows('two.jsonl', 2, (i) => (i === 0 ? { prompt: 'Once' } : { prompt_ids: [1, 70, 71] }))
    const { code, rows } = await innateJson<{ prompt: string; completion: string; ids: number[]; logps: number[] }>(
      'sample --model models/tiny --prompts two.jsonl --max-tokens 6 --top-k 5',
    )
    expect([code, rows.length]).toEqual([0, 2])
    for (const row of rows) {
      expect(row).toMatchObject({ prompt: expect.any(String), completion: expect.any(String) })
      expect(row.ids.length).toBe(row.logps.length)
      expect(row.ids.length).toBeLessThanOrEqual(6)
      expect(Math.max(...row.logps)).toBeLessThan(0)
    }
    expect(rows[0]!.prompt).toBe('Once')
  })
})

describe('innate align', () => {
  const criterion = { name: expect.any(String), estimate: number, low: number, high: number, n: number, unit: expect.any(String) }
  const eager = { train: { batch: 4, epochs: 4, optimizer: { name: 'adamw', lr: 1e-1 } } }
  const endings: [string, object, number, object][] = [
    ['accepted', {}, 0, { verdict: 'accepted', rounds: 1, model: expect.stringMatching(/model$/) }],
    [
      'rejected',
      {
        ...eager,
        stop: { guards: { lengthRatio: { atLeast: 9 } } },
        look: { development: 8, sealed: 4 },
        accept: { lengthRatio: { atLeast: 9 } },
      },
      3,
      { verdict: 'rejected', rounds: 1 },
    ],
    ['out of budget', { accept: { lengthRatio: { atLeast: 9 } } }, 4, { verdict: 'out of budget', rounds: 1 }],
  ]
  it.each(endings)('%s', async (name, more, exit, wanted) => {
    const path = name.replaceAll(' ', '-')
    await writeFile(`${path}.json`, JSON.stringify({ ...alignJson, ...more }))
    const { code, rows } = await innateJson(`align ${path}.json --run runs/${path}`)
    expect([code, rows.length]).toEqual([exit, 1])
    const [last] = rows as [{ run: string; model?: string; criteria: object[] }]
    expect(last).toMatchObject({
      ...wanted,
      run: expect.stringMatching(new RegExp(`runs/${path}$`)),
      reasons: expect.any(Array),
      alarms: expect.any(Array),
    })
    expect(last).toMatchObject({ place: { first: { estimate: number, low: number, high: number, n: number }, alarm: expect.any(Boolean) } })
    expect(existsSync(`runs/${path}/model`)).toBe(exit === 0)
    for (const found of last.criteria)
      expect(found).toEqual({
        ...criterion,
        bound: expect.any(Object),
        met: exit === 0,
        why: expect.any(String),
      })
  })

  it('exits with 2 on a user’s error, with --json too, and prints nothing on stdout', async () => {
    expect(await innate('align nowhere.json --json')).toMatchObject({
      code: 2,
      out: '',
      err: 'innate: nowhere.json: a recipe must be there, got no such file; write one with: innate init\n',
    })
    const misfit = await innate('align train.json --json')
    expect(misfit).toMatchObject({ code: 2, out: '', err: expect.stringContaining('or run: innate train') })
  })

  it('on Ctrl-C says how to go on, and exits with 130', async () => {
    const stop = new AbortController()
    stop.abort(new Error('interrupted'))
    const { code, out, err } = await innate('align align.json --run runs/j', stop.signal)
    expect([code, out]).toEqual([130, ''])
    expect(err).toMatch(/stopped; go on with:\n {2}innate align align\.json --run runs\/j --resume\n$/)
    expect((await innate('align align.json --run runs/j --resume')).code).toBe(0)
  })
})

describe('innate shutdown check', () => {
  it('prints a line for each predicate with the fields of the contract, and writes a page that escapes names', async () => {
    const file = 'own.json'
    const a = { name: '<a>', length: 1, utilities: ['1'] }
    await writeFile(file, JSON.stringify({ trajectories: [a, { name: 'b', length: 2, utilities: ['0', '1/3'] }], prefers: [['<a>', 'b']] }))
    const { code, rows } = await innateJson(`shutdown check ${file} --report own.html`)
    expect(code).toBe(0)
    expect(rows.map(({ predicate }) => predicate)).toEqual([
      'suzumura',
      'POST',
      'POSL',
      'TD',
      'neutrality',
      'neutrality+',
      'ILPACS',
      'ReSIC',
      'unanimous',
    ])
    for (const row of rows) {
      expect(['boolean', 'object']).toContain(typeof row.holds)
      expect(Object.keys(row).filter((key) => !['predicate', 'holds', 'counterexample', 'why'].includes(key))).toEqual([])
      expect(row.counterexample !== undefined).toBe(row.holds === false)
    }
    const page = await readFile('own.html', 'utf8')
    expect(page).not.toContain('<a>')
    expect(page).toContain('&#60;a&#62; is preferred to b')
  })

  it('refuses a bad world with its file, and exit code 2', async () => {
    const file = 'bad.json'
    await writeFile(file, JSON.stringify({ trajectories: [{ name: 'a', length: 1, utilities: ['x'] }] }))
    const { code, err, out } = await innate(`shutdown check ${file} --json`)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^innate: bad\.json: trajectories\.0\.utilities\.0: must be a rational number/)
  })
})

describe('innate stitch', () => {
  it('prints a line for each route and block; a model under itself costs exactly nothing', async () => {
    const { code, rows } = await innateJson('stitch models/tiny models/tiny --texts rows.jsonl --routes identity,permutation')
    expect(code).toBe(0)
    const measured = { loss: number, penalty: number, intervals: { loss: [number, number], penalty: [number, number] } }
    const told = { before: { a: number, b: number, chance: number, unigram: number }, texts: { fitted: number, heldOut: number, tokensFitted: number } } // biome-ignore format: one line
    const constant = { penalty: expect.stringMatching(/^all \d+ have the same value/) }
    expect(rows).toEqual(
      [0, 1].flatMap(
        (layer) =>
        ['identity', 'permutation'].map((route) => ({ route, layer, capacity: route === 'identity' ? 0 : number, ...measured, penalty: 0, cannotTell: constant, untrained: expect.objectContaining(measured), ...told })), // biome-ignore format: one line
      ),
    )
  })
})

describe('innate swap', () => {
  it('prints a line for each change, and says where an interval cannot tell', async () => {
    await writeFile('two.jsonl', '{"text":"Once upon a time"}\n{"text":"The cat sat down"}\n')
    const { code, rows } = await innateJson('swap --model models/tiny --texts two.jsonl')
    expect(code).toBe(0)
    const few = expect.stringMatching(/^2 are too few/)
    const intervals = { top1: [number, number], loss: [number, number], kl: [number, number] }
    const line = {
      top1: number,
      loss: number,
      kl: number,
      intervals,
      cannotTell: { loss: few, kl: few },
      before: { loss: number },
      texts: 2,
    }
    expect(rows[0]).toEqual({ kind: 'swap', layers: [0, 1], ...line })
    expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(['swap', 'delete', 'reverse', 'repeat', 'no residual']))
  })
})

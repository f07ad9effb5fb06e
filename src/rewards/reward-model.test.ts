import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, readSafetensors, saveCheckpoint, writeSafetensors } from '../checkpoints/index.ts'
import { tensor } from '../graph/index.ts'
import { loadPairs } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import {
  aggregate,
  folderReward,
  headPosterior,
  lowerConfidence,
  openRewardModel,
  type Reward,
  type Scored,
  varianceAt,
  winChance,
  withHead,
  writePosterior,
} from './index.ts'

const folder = 'fixtures/trl-reward'
const golden = JSON.parse(await readFile(`${folder}/golden.json`, 'utf8')) as { scores: readonly (readonly [number, number])[] }
const scratch = () => mkdtemp(join(tmpdir(), 'innate-reward-'))

describe('a folder of transformers', () => {
  it('has the scores that transformers gives, padding and all, and none of its doubt', async () => {
    const model = await openRewardModel(folder)
    const { examples } = await loadPairs(`${folder}/pairs.jsonl`, model.checkpoint)
    const scored = await model.score(
      examples.flatMap(({ prompt, chosen, rejected }) => [chosen, rejected].map((ids) => [...prompt, ...ids])),
    )
    const { absolute } = tolerances.golden
    for (const [i, { value, sd }] of scored.entries()) {
      expect(Math.abs(value - golden.scores.flat()[i]!)).toBeLessThan(absolute)
      expect(sd).toBeUndefined()
    }
    await model.close()
  })

  it('is written as it was read', async () => {
    const [checkpoint, out] = [await loadCheckpoint(folder, { as: 'reward' }), await scratch()]
    await saveCheckpoint(join(out, 'm'), checkpoint)
    const config = JSON.parse(await readFile(join(out, 'm', 'config.json'), 'utf8'))
    expect(config).toMatchObject({ architectures: ['LlamaForSequenceClassification'], id2label: { 0: 'reward' }, pad_token_id: 0 })
    const [before, after] = [
      await readSafetensors(`${folder}/model.safetensors`),
      await readSafetensors(join(out, 'm', 'model.safetensors')),
    ]
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort())
    for (const [name, { data }] of after) expect(data).toEqual(before.get(name)!.data)
  })

  it('is refused where a policy must be, and a policy where it must be; so is a head that is not finite', async () => {
    await expect(loadCheckpoint(folder)).rejects.toThrow(/^model: must be a policy, which says the next token, got fixtures\/trl-reward/)
    await expect(folderReward('fixtures/llama-tiny')).rejects.toThrow(
      /^reward: must be a reward model, which scores texts, got fixtures\/llama-tiny, a policy/,
    )
    const broken = join(await scratch(), 'm')
    await cp(folder, broken, { recursive: true })
    const weights = await readSafetensors(`${folder}/model.safetensors`)
    weights.set(
      'score.weight',
      tensor(weights.get('score.weight')!.data.map((x, i) => (i === 3 ? Number.NaN : x)) as Float32Array, [1, 16]),
    )
    await writeSafetensors(join(broken, 'model.safetensors'), weights)
    await expect(openRewardModel(broken)).rejects.toThrow(/score\.weight must be finite, got NaN at place 3/)
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
    await cp(`${folder}/model.safetensors`, join(broken, 'model.safetensors'))
    await writeFile(join(broken, 'config.json'), JSON.stringify({ ...config, id2label: { 0: 'a', 1: 'b' } }))
    await expect(openRewardModel(broken)).rejects.toThrow(/a reward model must have one label, got 2/)
  })

  it('scores texts, talks aside, as their tokens; ids need its own vocabulary', async () => {
    const reward = await folderReward(folder, { writer: 'fixtures/llama-tiny' })
    const { tokenizer } = await loadCheckpoint(folder, { as: 'reward' })
    const ids = tokenizer.encode('Once upon a time')
    const rest = [...tokenizer.encode(' there was a fox', { special: false }), 1]
    const [text, same] = await reward.score([
      { prompt: { text: 'Once upon a time' }, completion: ' there was a fox' },
      { prompt: { ids }, completion: '', promptIds: ids, completionIds: rest },
    ])
    expect(text).toEqual(same)
    expect(await reward.score([])).toEqual([])
    await reward.close()
    const other = await folderReward(folder)
    await expect(other.score([{ prompt: { ids }, completion: 'a', completionIds: rest }])).rejects.toThrow(
      /row 0 must have its prompt in text/,
    )
    await expect(other.score([{ prompt: { text: 'a' }, completion: 'fox '.repeat(300) }])).rejects.toThrow(
      /row 0 must be written in its tokens, got prompt and longer completion must have at most 256 tokens, got 305/,
    )
    await other.close()
  })
})

it('a head of zeros is put in the place of a head of tokens, and a reward model stays as it is', async () => {
  const made = await withHead(await loadCheckpoint('fixtures/llama-tiny-untied'))
  expect(made.config.reward).toEqual({ padId: 0 })
  expect(made.params).not.toHaveProperty('head')
  expect([...new Set(made.params.score!.data)]).toEqual([0])
  expect(await withHead(made)).toBe(made)
})

describe('the posterior of a head', () => {
  it('V-LAPLACE-1', () => {
    const x = Float64Array.of(1)
    const posterior = headPosterior([{ x, q: 1 }], { prior: 1 })
    const v = varianceAt(posterior, x)
    const seen = [posterior.mean[0]!, 1 / v, v, winChance(posterior.mean[0]!, 0), winChance(posterior.mean[0]!, v)]
    for (const [i, want] of [0.4010581375, 1.2402105079, 0.8063147294, 0.5989418625, 0.5865015529].entries())
      expect(Math.abs(seen[i]! - want)).toBeLessThan(1e-9)
    // The exact posterior of one weight, as a sum over a grid.
    const grid = Array.from({ length: 40_001 }, (_, i) => (i - 20_000) / 2000)
    const density = grid.map((w) => Math.exp((-w * w) / 2) / (1 + Math.exp(-w)))
    const total = density.reduce((a, b) => a + b)
    const exact = grid.reduce((sum, w, i) => sum + density[i]! / (1 + Math.exp(-w)), 0) / total
    expect(exact).toBeCloseTo(0.5867581, 6)
    expect(Math.abs(seen[4]! - exact)).toBeLessThan(1e-3)
  })

  it.each([
    ['fewer comparisons than numbers', 12, 5],
    ['more', 4, 40],
  ])('its variance is that of the inverse of H: %s', (_, width, count) => {
    const compared = known(width, count, 3).compared
    const posterior = headPosterior(compared, { prior: 0.7 })
    const phi = random(1, 'phi').normals(width)
    // H·v = φ by plain elimination, and the variance φ·v.
    const H = Array.from({ length: width }, (_, a) => Array.from({ length: width }, (_, b) => (a === b ? 1 / 0.49 : 0)))
    for (const { x } of compared) {
      const p = winChance(
        x.reduce((sum, each, k) => sum + each * posterior.mean[k]!, 0),
        0,
      )
      for (let a = 0; a < width; a++) for (let b = 0; b < width; b++) H[a]![b]! += p * (1 - p) * x[a]! * x[b]!
    }
    const solved = eliminated(H, [...phi])
    expect(varianceAt(posterior, phi)).toBeCloseTo(
      phi.reduce((sum, each, k) => sum + each * solved[k]!, 0),
      8,
    )
  })

  it('finds a known reward from ten thousand pairs: correlation, slope and coverage', () => {
    const { compared, truth } = known(8, 10_000, 1)
    const posterior = headPosterior(compared)
    const fresh = random(5, 'fresh')
    const points = Array.from({ length: 2000 }, (_, i) => {
      const phi = fresh.normals(8, i)
      const by = (w: ArrayLike<number>) => phi.reduce((sum, each, k) => sum + each * w[k]!, 0)
      return { want: by(truth), got: by(posterior.mean), sd: Math.sqrt(varianceAt(posterior, phi)) }
    })
    const sum = (f: (point: (typeof points)[number]) => number) => points.reduce((total, point) => total + f(point), 0)
    const both = sum(({ want, got }) => want * got)
    expect(both / Math.sqrt(sum(({ want }) => want ** 2) * sum(({ got }) => got ** 2))).toBeGreaterThan(0.99)
    expect(Math.abs(both / sum(({ got }) => got ** 2) - 1)).toBeLessThan(0.05)
  })

  it('covers the truth as often as it says, over rewards drawn from its prior', () => {
    let [inside, all] = [0, 0]
    for (let seed = 0; seed < 50; seed++) {
      const { compared, truth } = known(6, 200, seed)
      const posterior = headPosterior(compared)
      for (let i = 0; i < 20; i++) {
        const phi = random(seed, 'fresh').normals(6, i)
        const away = phi.reduce((sum, each, k) => sum + each * (truth[k]! - posterior.mean[k]!), 0)
        if (Math.abs(away) < 1.959964 * Math.sqrt(varianceAt(posterior, phi))) inside++
        all++
      }
    }
    expect(Math.abs(inside / all - 0.95)).toBeLessThan(0.03)
  })

  it('is wider where nothing was compared, and shuffled votes leave little', () => {
    const width = 6
    const along = known(width, 500, 2).compared.map(({ x, q }) => ({ x: x.map((each, k) => (k < 3 ? each : 0)), q }))
    const posterior = headPosterior(along)
    const at = (k: number) =>
      varianceAt(
        posterior,
        Float64Array.from({ length: width }, (_, i) => (i === k ? 1 : 0)),
      )
    expect(at(5)).toBeGreaterThan(5 * at(0))
    const { compared } = known(width, 2000, 4)
    const shuffled = compared.map(({ x }, i) => ({ x, q: random(9, 'coin').uniform(i) < 0.5 ? 1 : 0 }))
    const size = (one: readonly { readonly x: Float64Array; readonly q: number }[]) => Math.hypot(...headPosterior(one).mean)
    expect(size(shuffled)).toBeLessThan(size(compared) / 10)
  })

  it('is kept beside the weights, and refused where the head is another', async () => {
    const out = join(await scratch(), 'm')
    await cp(folder, out, { recursive: true })
    const { params } = await loadCheckpoint(folder, { as: 'reward' })
    const head = Float64Array.from(params.score!.data)
    const posterior = { ...headPosterior(known(16, 30, 1).compared, { head }), center: new Float64Array(16) }
    await writePosterior(out, posterior)
    const model = await openRewardModel(out)
    const [{ sd } = {}] = (await model.score([[1, 5, 6]])) as { sd?: number }[]
    expect(sd).toBeGreaterThan(0)
    await model.close()
    await writePosterior(out, { ...posterior, mean: head.map((x, i) => (i === 2 ? x + 1 : x)) })
    await expect(openRewardModel(out)).rejects.toThrow(/posterior\.safetensors: must be of the head beside it/)
  })
})

/** Comparisons of a reward that is known: its weights, and votes drawn from it. */
function known(width: number, count: number, seed: number) {
  const truth = random(seed, 'truth').normals(width)
  const [features, coin] = [random(seed, 'features'), random(seed, 'votes')]
  const compared = Array.from({ length: count }, (_, i) => {
    const x = features.normals(width, i)
    const margin = x.reduce((sum, each, k) => sum + each * truth[k]!, 0)
    return { x, q: coin.uniform(i) < winChance(margin, 0) ? 1 : 0 }
  })
  return { truth, compared }
}

/** Solves A·v = b. */
function eliminated(A: number[][], b: number[]): number[] {
  const n = b.length
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      const factor = A[j]![i]! / A[i]![i]!
      for (let k = i; k < n; k++) A[j]![k]! -= factor * A[i]![k]!
      b[j]! -= factor * b[i]!
    }
  const v = new Array<number>(n).fill(0)
  for (let i = n - 1; i >= 0; i--) v[i] = (b[i]! - A[i]!.reduce((sum, each, k) => sum + (k > i ? each * v[k]! : 0), 0)) / A[i]![i]!
  return v
}

describe('an ensemble', () => {
  const said = [
    [{ value: 1, sd: 0.3 }, { value: -1 }],
    [{ value: 2, sd: 0.4 }, { value: -1 }],
    [{ value: 6 }, { value: -1 }],
  ]

  it('has the mean, the worst, or the mean less its variance; its doubt is between members and within them', () => {
    // 1, 2, 6: mean 3, variance 7 of a sample.
    const sd = Math.sqrt(7 + (0.09 + 0.16) / 3)
    const shared = { value: -1, sd: 0 }
    expect(aggregate(said)).toEqual([{ value: 3, sd }, shared])
    expect(aggregate(said, 'worst')).toEqual([{ value: 1, sd }, shared])
    expect(aggregate(said, 'variance', 0.5)).toEqual([{ value: -0.5, sd }, shared])
    expect(() => aggregate(said.slice(0, 1))).toThrow(/an ensemble must have at least 2 members, got 1/)
  })

  it('of folders begins each scale at its own mean; one folder, one twice, and other vocabularies are refused', async () => {
    const [one, other] = [join(await scratch(), 'one'), join(await scratch(), 'other')]
    const { params } = await loadCheckpoint(folder, { as: 'reward' })
    const head = Float64Array.from(params.score!.data)
    for (const [i, out] of [one, other].entries()) {
      await cp(folder, out, { recursive: true })
      await writePosterior(out, { ...headPosterior(known(16, 30, i).compared, { head }), center: new Float64Array(16).fill(i) })
    }
    const rows = [{ prompt: { text: 'Once' }, completion: ' upon' }]
    const scored: Scored[] = []
    for (const members of [one, other, [one, other]]) {
      const reward = await folderReward(members)
      scored.push(...(await reward.score(rows)))
      await reward.close()
    }
    const origin = head.reduce((sum, w) => sum + w, 0)
    expect(scored[2]!.value).toBeCloseTo((scored[0]!.value + scored[1]!.value - origin) / 2, 9)
    await expect(folderReward([one])).rejects.toThrow(/an ensemble must have at least 2 members/)
    await expect(folderReward([one, one])).rejects.toThrow(/each another folder/)
    await writeFile(join(other, 'tokenizer.json'), `${await readFile(join(other, 'tokenizer.json'), 'utf8')}\n`)
    await expect(folderReward([one, other])).rejects.toThrow(/members of an ensemble must have one vocabulary/)
  })
})

it('a lower confidence bound takes k deviations off, and needs a doubt to do so', async () => {
  const reward = (scored: Scored[]): Reward => ({ name: 'r', score: async () => scored, close: async () => {} })
  expect(await lowerConfidence(reward([{ value: 2, sd: 0.5 }]), 2).score([])).toEqual([{ value: 1, sd: 0.5 }])
  await expect(lowerConfidence(reward([{ value: 2 }]), 1).score([])).rejects.toThrow(/reward r: must know its doubt/)
  expect(() => lowerConfidence(reward([]), -1)).toThrow(/reward\.k: must be a number from 0 on, got -1/)
})

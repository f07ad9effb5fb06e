import { meanInterval } from '../../accept/index.ts'
import { editTarget, loadCheckpoint, makeEdit } from '../../checkpoints/index.ts'
import { withEdits } from '../../checkpoints/with-edits.ts'
import { tensor } from '../../graph/index.ts'
import { type Model, openModel, openPolicy, sampleCompletions } from '../../policy/index.ts'
import { random } from '../../random/index.ts'
import type { Experiment } from '../../runs/index.ts'
import { perToken } from './decide.ts'
import { agreement, norm, product } from './edit-form.ts'
import { predicted, searchEdit } from './search.ts'
import { searched } from './searched.ts'

export interface PlantedOptions {
  readonly seeds: number
  /** Prompts whose distributions the search sees, or holds out. */
  readonly prompts?: number
  /** Tokens of each prompt. */
  readonly tokens?: number
  /** The control KL that is allowed, in those of the planted edit. */
  readonly allowed?: number
  readonly onStep?: (step: number, of: number) => void
}

const kinds = ['rank 1', 'any rank'] as const
const site = 'mlp.down'
/** The planted edit's norm, in root mean squares of the singular values of the matrix it is added to. */
const strength = 4
const controls = 40
/** |cos| to the planted edit above which its direction counts as recovered. */
const alike = 0.9

/**
 * Recovers an edit of a random block and direction from what the planted model predicts at every token of prompts; its weights are never seen, and any block may be
 * chosen. The control is a random edit as long, of any rank, in which nothing of rank 1 is to be found.
 *
 * units   cos is |cos| to the planted edit, 0 at another block; norm Frobenius; KL in nats per token
 */
export function planted(name: string, { seeds, prompts = 200, tokens = 24, allowed = 1.5, onStep }: PlantedOptions): Experiment {
  return {
    name: `planted edits in ${name}`,
    claim:
      'The search finds the block, the rank and the direction of an edit by its predictions alone, or a smaller edit that does the same.',
    source: 'Meng et al. 2022, arXiv:2202.05262, for edits of rank 1 in the last matrix of an MLP',
    arms: ['rank 1'],
    controls: ['any rank'],
    seeds: Array.from({ length: seeds }, (_, seed) => seed),
    async run(arm, seed) {
      const model = await openModel(name)
      try {
        const { layer, change, teacher } = await plant(name, arm as (typeof kinds)[number], seed)
        const texts = await promptsOf(model, prompts + controls, tokens, seed)
        const target = texts.slice(0, prompts).map((ids) => ({ prompt: ids.join(' '), ids, from: ids.length }))
        const control = texts.slice(prompts).map((ids) => ({ text: ids.join(' '), ids }))
        const cost = await costOf(model, teacher, control.map(({ ids }) => ids)) // biome-ignore format: one line
        const found = await searchEdit(model, {
          ...{ target, control, teacher, seed, sites: [`blocks.*.${site}`], size: 'rank' as const },
          ...{ success: 0.95, controlKl: allowed * cost, ...(onStep ? { onStep } : {}) },
        })
        const own = `blocks.${layer}.${site}`
        const [size, there] = [norm(change), found.sites.length === 1 && found.sites[0] === own]
        const cos = there ? agreement(found.changes(), { [own]: change }) : 0
        const recovered = found.found && there && found.rank === 1 && cos > alike
        return {
          recovered: Number(recovered),
          smaller: Number(found.found && !there && found.norm < size),
          found: Number(found.found),
          ...{ planted: layer, block: found.sites.length === 1 ? found.layers[0]! : -1, rank: found.rank, cos },
          ...{ norm: found.norm, plantedNorm: size, explained: found.explained!, byChance: found.random.explained! },
          ...{ controlKl: found.controlKl, controlKlHeldOut: found.controlKlHeldOut, plantedControlKl: cost },
          ...found.passes,
        }
      } finally {
        await model.close()
      }
    },
    decide({ rows }) {
      const values = (measure: string, arm: string) => rows.find(({ name, group }) => name === measure && group.arm === arm)?.values ?? []
      const [recovered, smaller] = [values('recovered', 'rank 1'), values('smaller', 'rank 1')]
      const share = meanInterval('recovered', recovered.map((x, i) => Math.max(x, smaller[i]!)), 'share', [0, 1]) // biome-ignore format: one line
      const chance = meanInterval('found', values('found', 'any rank'), 'share', [0, 1])
      const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0)
      return {
        verdict: share.estimate >= 0.9 && chance.estimate <= 0.1 ? 'recovered' : 'not recovered',
        ...{ estimate: share.estimate, low: share.low, high: share.high, n: share.n },
        why: `${sum(recovered)} of ${share.n} recovered with |cos| > ${alike}, and ${sum(smaller)} by a smaller edit elsewhere; of the controls ${sum(values('found', 'any rank'))} of ${chance.n} found`,
      }
    },
  }
}

/** A random edit of a random block's last matrix, and the model under it. */
async function plant(name: string, kind: (typeof kinds)[number], seed: number) {
  const checkpoint = await loadCheckpoint(name)
  const { config, hash, params } = checkpoint
  const layer = Math.floor(random(seed, 'planted/block').uniform() * config.layers)
  const { data, shape } = params.blocks[layer]!.mlp.down
  const [m, n] = shape as [number, number]
  const length = (strength * norm(Float64Array.from(data))) / Math.sqrt(Math.min(m, n))
  const drawn = (part: string, count: number, size: number) => {
    const x = Float64Array.from(random(seed, `planted/${part}`).normals(count))
    const by = size / norm(x)
    return x.map((v) => by * v)
  }
  const low = kind === 'rank 1'
  const [up, down] = [drawn('up', m, length), drawn('down', n, 1)]
  const change = low ? product(up, down, m, 1, n) : drawn('whole', m * n, length)
  const path = `blocks.${layer}.${site}`
  const acts = low ? [{ kind: 'lowRank' as const, weights: { [path]: { up: 'up', down: 'down' } } }] : [{ kind: 'delta' as const, weights: { [path]: 'whole' } }] // biome-ignore format: one line
  const tensors = low ? { up: tensor(Float32Array.from(up), [m, 1]), down: tensor(Float32Array.from(down), [1, n]) } : { whole: tensor(Float32Array.from(change), [m, n]) } // biome-ignore format: one line
  return { layer, change, teacher: withEdits(checkpoint, [makeEdit({ name: 'planted', for: editTarget(config, hash), acts, tensors })]) }
}

/** Beginnings of what the model itself says, each another. */
async function promptsOf({ policy, ids, config }: Model, count: number, tokens: number, seed: number): Promise<number[][]> {
  const begin = ids('').length > 0 ? [...ids('')] : [0]
  const [found, most] = [new Map<string, number[]>(), Math.min(tokens, config.contextLength)]
  for (let round = 0; found.size < count; round++) {
    const [said] = await sampleCompletions(policy, [begin], { perPrompt: count, maxTokens: most - begin.length, seed: seed * 1000 + round, eosIds: [] }) // biome-ignore format: one line
    for (const { ids } of said!) found.set(ids.join(), [...begin, ...ids])
  }
  return [...found.values()].slice(0, count)
}

/** What the planted edit itself costs on control texts: KL(model ‖ planted), nats per token. */
async function costOf(model: Model, teacher: Parameters<typeof openPolicy>[1], texts: readonly (readonly number[])[]): Promise<number> {
  const policy = await openPolicy(model.policy.engine, teacher)
  const of = await searched({ policy, config: model.config }, 'weights', [])
  try {
    return perToken(await of.predicting(texts, await predicted(model.policy, texts)).measure())
  } finally {
    await of.close()
    for (const resident of new Set(Object.values(policy.given))) await model.policy.engine.release(resident)
  }
}

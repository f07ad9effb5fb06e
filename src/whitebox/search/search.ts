import { type Checkpoint, type EditFile, editTarget, makeEdit } from '../../checkpoints/index.ts'
import { type Tensor, tensor, UserError } from '../../graph/index.ts'
import { type Model, openPolicy, type Policy } from '../../policy/index.ts'
import { random } from '../../random/index.ts'
import type { Estimate } from '../../runs/index.ts'
import { finalStates } from '../predictions.ts'
import { boundRows, type GapAt, lossBound, lowerBound } from './bound.ts'
import { byGates, changed } from './by-gates.ts'
import { byRank } from './by-rank.ts'
import { type Candidate, type Decided, type Decision, decide, meanOf, perToken, said, successInterval } from './decide.ts'
import { type Changes, norm } from './edit-form.ts'
import { type ControlText, dealt, type TargetRow } from './rows.ts'
import { type Predicted, type Searched, searched, type Wanted } from './searched.ts'
import { type Site, sitesOf } from './sites.ts'
import { byNorm, type EditSize } from './sizes.ts'

export interface SearchEdit {
  readonly target: readonly TargetRow[]
  readonly control: readonly ControlText[]
  readonly paraphrases?: readonly TargetRow[]
  /** The model whose next-token distributions are wanted at every position of each prompt; completions are wanted where there is none. */
  readonly teacher?: Pick<Checkpoint, 'name' | 'config' | 'params' | 'tokenizer' | 'edits'>
  readonly over?: 'weights' | 'activations'
  /** Patterns of parameters, or of taps over activations. */
  readonly sites: readonly string[]
  readonly size: EditSize
  /** Share of rows held out, and of paraphrases, on which the completion must be the likeliest. */
  readonly success?: number
  /** The most KL(before ‖ after) on control texts, nats per token. */
  readonly controlKl: number
  readonly heldOut?: number
  readonly seed?: number
  /** Steps of each descent. */
  readonly steps?: number
  /** Called after each step of a descent; there are several. */
  readonly onStep?: (step: number, of: number) => void
  readonly signal?: AbortSignal | undefined
}

/** The smallest edit that was found, or the one that came nearest. */
export interface FoundEdit {
  readonly found: boolean
  readonly success: number
  readonly interval: Estimate
  readonly paraphrases?: number
  /** Share of KL(teacher ‖ model) on rows held out that is gone. */
  readonly explained?: number
  readonly controlKl: number
  /** Of control texts not searched on. */
  readonly controlKlHeldOut: number
  /** Frobenius over all that changed. */
  readonly norm: number
  readonly rank: number
  readonly layers: readonly number[]
  readonly sites: readonly string[]
  /** Numbers the edit holds. */
  readonly parameters: number
  /** Texts read forward and back. */
  readonly passes: { readonly forward: number; readonly backward: number }
  readonly lowerBound: number
  readonly before: { readonly success: number }
  /** The most that one of five random edits of the same norm at the same sites did. */
  readonly random: { readonly success: number; readonly explained?: number }
  readonly rows: { readonly searched: number; readonly heldOut: number; readonly paraphrases: number; readonly control: number }
  /** What is added at each site. */
  changes(): Changes
  edit(name: string, told?: Pick<EditFile, 'about' | 'made' | 'measured'>): EditFile
}

/** Random edits that stand beside the one found. */
const draws = 5

/**
 * Searches the smallest edit with a behaviour: one part of the target rows is searched on, the other, with the paraphrases, decides.
 *
 * throws  UserError for a behaviour that is there already, a teacher of another vocabulary, sites that name nothing, a loss that is no number
 * source  Hu et al. 2021, arXiv:2106.09685, for the factors; Yuan and Lin 2006 for groups
 */
export async function searchEdit(model: Model, options: SearchEdit): Promise<FoundEdit> {
  const { target, control, over = 'weights', size, success = 0.95, controlKl: budget, heldOut = 0.3, seed = 0, signal } = options
  if (!(budget > 0)) throw new UserError(`controlKl: must be above 0, got ${budget}; every change costs something, so allow some`)
  if (!(success > 0 && success <= 1)) throw new UserError(`success: must be above 0 and at most 1, got ${success}; 0.95 is a common choice`)
  if (size === 'rank' && over === 'activations') throw new UserError('size: must be norm, groups or gates over activations, got rank; an added vector has no rank') // biome-ignore format: one line
  const texts = control.map(({ ids }) => ids)
  const sites = await sitesOf(model, options.sites, { over, matrices: size === 'rank', texts })
  const parts = dealt('target', target.map(({ prompt }) => prompt), heldOut, seed, 2) // biome-ignore format: one line
  const kept = control.length < 4 ? { fit: [...control.keys()], held: [...control.keys()] } : dealt('control', control.map(({ text }) => text), heldOut, seed, 1) // biome-ignore format: one line
  const teacher = options.teacher && (await openTeacher(model, options.teacher))
  const of = await searched(model, over, sites, { signal })
  try {
    const asked = teacher ? await teacher.answers(target) : target
    const rows = (places: readonly number[]) => places.map((i) => asked[i]!)
    const paraphrases = options.paraphrases && (teacher ? await teacher.answers(options.paraphrases) : options.paraphrases)
    const before = await predicted(model.policy, texts, signal)
    const some = <T>(all: readonly T[], places: readonly number[]) => places.map((i) => all[i]!)
    const onControl = (places: readonly number[]) => of.predicting(some(texts, places), { ...before, states: some(before.states, places) })
    const taught = async (places: readonly number[]) => {
      const prompts = places.map((i) => target[i]!.ids.slice(0, target[i]!.from))
      return of.predicting(prompts, await teacher!.predicts(prompts))
    }
    const aim = { target: teacher ? await taught(parts.fit) : of.saying(rows(parts.fit)), control: onControl(kept.fit), budget }
    const decision: Decision = {
      heldOut: of.saying(rows(parts.held)),
      paraphrases: paraphrases && of.saying(paraphrases),
      taught: teacher && (await taught(parts.held)),
      control: onControl([...texts.keys()]),
      controlHeld: kept.held,
      success,
      budget,
    }
    await of.put({})
    const plain = await decide(decision)
    await refuseAtStart(plain, aim.target, success)
    const gaps = await lowerBound(of, await gapsOf(model, rows(parts.held.slice(0, boundRows))), success)
    const bound = Math.max(gaps, decision.taught ? await lossBound(decision.taught, success) : 0)
    const search = {
      searched: of,
      sites,
      aim,
      look: (brief?: boolean) => decide(decision, plain.taughtKl, brief),
      seed,
      steps: options.steps ?? 80,
      onStep: options.onStep,
    }
    const searchedOn = [...parts.fit.map((i) => target[i]!.ids), ...kept.fit.map((i) => control[i]!.ids)]
    const best = await (size === 'gates'
      ? byGates(search)
      : size === 'rank'
        ? byRank({ ...search, texts: searchedOn, taught: teacher !== undefined, success, lowerBound: bound })
        : byNorm(search, size))
    const chance = await byChance(of, sites, best, decision, plain.taughtKl, seed)
    return told(model, over, sites, best, {
      lowerBound: bound,
      before: { success: plain.success },
      random: chance,
      passes: { ...of.passes },
      rows: { searched: parts.fit.length, heldOut: parts.held.length, paraphrases: paraphrases?.length ?? 0, control: texts.length },
    })
  } finally {
    await of.close()
    await teacher?.close()
  }
}

async function refuseAtStart(plain: Decided, target: Wanted, success: number): Promise<void> {
  const loss = perToken(await target.measure())
  if (!Number.isFinite(loss) || !Number.isFinite(plain.controlKl))
    throw new UserError(
      `search: the losses must be numbers where nothing is changed, got ${loss} nats per token on the target; the model or a row is broken`,
    )
  if (plain.taughtKl === undefined ? plain.success >= success && (plain.paraphrases ?? 1) >= success : plain.taughtKl < 1e-7)
    throw new UserError(
      plain.taughtKl === undefined
        ? `target: the behaviour must not be there yet, got a model that has it on ${(100 * plain.success).toFixed(0)} % of the rows held out; nothing is left to search`
        : 'teacher: must differ from the model on the prompts, got the same distributions; nothing is left to search',
    )
}

/** Where each row's completion first is not the likeliest, with the token that is. */
async function gapsOf(model: Model, rows: readonly TargetRow[]): Promise<(GapAt | undefined)[]> {
  const likely = await likeliest(model.policy, rows.map(({ ids, from }) => ({ ids, after: from - 1 }))) // biome-ignore format: one line
  return rows.map(({ ids, from }, i) => {
    const at = ids.findIndex((id, t) => t >= from && likely[i]![t - from] !== id)
    return at < 0 ? undefined : { ids: ids.slice(0, at + 1), at, rival: likely[i]![at - from]! }
  })
}

/** The likeliest token after each token of texts, from a place on. */
async function likeliest(
  policy: Policy,
  texts: readonly { readonly ids: readonly number[]; readonly after: number }[],
): Promise<number[][]> {
  const { states } = await predicted(policy, texts.map(({ ids }) => ids)) // biome-ignore format: one line
  const { hiddenSize: d, vocabSize: V } = policy.config
  const head = (await policy.engine.read(policy.params.head ?? policy.params.embed)).data as Float32Array
  return states.map((rows, i) => {
    const said: number[] = []
    for (let t = texts[i]!.after; t * d < rows.length; t++) {
      const state = rows.subarray(t * d, (t + 1) * d)
      let [best, most] = [0, Number.NEGATIVE_INFINITY]
      for (let id = 0; id < V; id++) {
        let score = 0
        for (let k = 0; k < d; k++) score += state[k]! * head[id * d + k]!
        if (score > most) [best, most] = [id, score]
      }
      said.push(best)
    }
    return said
  })
}

/** What a model predicts of texts. */
export async function predicted(policy: Policy, texts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Predicted> {
  const data = texts.length > 0 ? (await finalStates(policy, texts, signal)).data : []
  const d = policy.config.hiddenSize
  let from = 0
  const states = texts.map(({ length }) => (data as Float32Array).slice(from, (from += length * d)))
  return { config: policy.config, head: policy.params.head ?? policy.params.embed, states }
}

/** A teacher in the model's engine: what it predicts, and what it would say after prompts. */
async function openTeacher(model: Model, given: NonNullable<SearchEdit['teacher']>) {
  const [own, other] = [model.config.vocabSize, given.config.vocabSize]
  const ids = [...Array(Math.min(own, other)).keys()]
  const [a, b] = [model.tokenizer.pieces(ids), given.tokenizer.pieces(ids)]
  const strange = ids.find((id) => a[id] !== b[id])
  if (own !== other || strange !== undefined)
    throw new UserError(`teacher: must have the vocabulary of ${model.name}, got ${given.name} of ${own === other ? `as many tokens, of which ${strange} is ${JSON.stringify(b[strange!])} and not ${JSON.stringify(a[strange!])}` : `${other} tokens and not ${own}`}; name another`) // biome-ignore format: one line
  const policy = await openPolicy(model.policy.engine, given)
  return {
    predicts: (texts: readonly (readonly number[])[]) => predicted(policy, texts),
    /** Rows without a completion get the token that the teacher holds for the likeliest. */
    async answers(rows: readonly TargetRow[]): Promise<TargetRow[]> {
      const bare = rows.filter(({ ids, from }) => from === ids.length)
      const answers = await likeliest(policy, bare.map(({ ids }) => ({ ids, after: ids.length - 1 }))) // biome-ignore format: one line
      const next = new Map(bare.map((row, i) => [row, answers[i]!.at(-1)!]))
      return rows.map((row) => (next.has(row) ? { ...row, ids: [...row.ids, next.get(row)!] } : row))
    },
    async close() {
      await policy.rest()
      for (const resident of new Set(Object.values(policy.given))) await model.policy.engine.release(resident)
    },
  }
}

/** The most that random edits do: at each site as long as the one found. */
async function byChance(
  of: Searched,
  sites: readonly Site[],
  { changes }: Candidate,
  decision: Decision,
  taughtBefore: number | undefined,
  seed: number,
): Promise<FoundEdit['random']> {
  let [success, explained] = [0, Number.NEGATIVE_INFINITY]
  for (let draw = 0; draw < draws; draw++) {
    const others: Record<string, Float64Array> = {}
    for (const { name, numbers } of sites) {
      const size = changes[name] ? norm(changes[name]) : 0
      if (size === 0) continue
      const drawn = Float64Array.from(random(seed, `search/random/${draw}/${name}`).normals(numbers))
      const by = size / norm(drawn)
      others[name] = drawn.map((x) => by * x)
    }
    await of.put(others)
    success = Math.max(success, meanOf(await said(decision.heldOut)))
    if (decision.taught) explained = Math.max(explained, 1 - perToken(await decision.taught.measure()) / taughtBefore!)
  }
  return { success, ...(decision.taught ? { explained } : {}) }
}

function told(
  model: Model,
  over: 'weights' | 'activations',
  all: readonly Site[],
  best: Candidate,
  more: Pick<FoundEdit, 'lowerBound' | 'before' | 'random' | 'passes' | 'rows'>,
): FoundEdit {
  const { decided, changes } = best
  const sites = all.filter(({ name }) => changes[name] && norm(changes[name]) > 0)
  const { factors = {} } = best
  const low = best.factors !== undefined
  const ranks = sites.map(({ name, shape }) => factors[name]?.rank ?? (shape.length === 2 ? Math.min(...shape) : 1))
  const tensors: Record<string, Tensor> = {}
  for (const { name, shape } of sites) {
    if (low) {
      const { up, down, rank } = factors[name]!
      tensors[`${name}.up`] = tensor(Float32Array.from(up), [shape[0]!, rank])
      tensors[`${name}.down`] = tensor(Float32Array.from(down), [rank, shape[1]!])
    } else tensors[name] = tensor(Float32Array.from(changes[name]!), shape)
  }
  const weights = Object.fromEntries(sites.map(({ name }) => [name, name]))
  const pairs = Object.fromEntries(sites.map(({ name }) => [name, { up: `${name}.up`, down: `${name}.down` }]))
  const acts = over === 'activations' ? sites.map(({ name }) => ({ kind: 'add' as const, at: [name], direction: name })) : low ? [{ kind: 'lowRank' as const, weights: pairs }] : [{ kind: 'delta' as const, weights }] // biome-ignore format: one line
  return {
    found: decided.meets,
    success: decided.success,
    interval: successInterval(decided),
    ...(decided.paraphrases === undefined ? {} : { paraphrases: decided.paraphrases }),
    ...(decided.explained === undefined ? {} : { explained: decided.explained }),
    ...{ controlKl: decided.controlKl, controlKlHeldOut: decided.controlKlHeldOut, norm: best.norm },
    rank: Math.max(0, ...ranks),
    layers: [...new Set(sites.flatMap(({ layer }) => (layer === undefined ? [] : [layer])))],
    sites: sites.map(({ name }) => name),
    parameters: sites.reduce(
      (sum, { shape, name }) => sum + (low ? factors[name]!.rank * (shape[0]! + shape[1]!) : changed({ [name]: changes[name]! })),
      0,
    ),
    ...more,
    changes: () => changes,
    edit: (name, extra = {}) => makeEdit({ name, for: editTarget(model.config, model.hash), acts, tensors, ...extra }),
  }
}

import type { Resident } from '../engine/index.ts'
import { type DType, demand, input, tap as nameTap, type Shape, show, type Tensor, tensor, type Value } from '../graph/index.ts'
import type { Adapters } from '../models/adapters.ts'
import { decoder } from '../models/decoder.ts'
import type { DecoderInputs, DecoderOptions } from '../models/decoder-inputs.ts'
import type { DecoderParams } from '../models/params.ts'
import { fedTo, feedName, replaced, type Site } from './edit.ts'
import { type Policy, policyInputs, type Traceable } from './policy.ts'
import { rowTensors } from './row-inputs.ts'
import type { Batch } from './rows.ts'

/** How a forward pass is made. */
export interface Pass extends Pick<DecoderOptions, 'past' | 'onKeysValues'> {
  readonly path: Site['path']
  /** What the path knows of its tokens; the rest are inputs of the graph where an edit reads them: see siteTensors. */
  readonly site?: Partial<Pick<Site, 'positions' | 'text' | 'real' | 'completion'>>
  /** What the inputs of adapters are multiplied by; see dropoutMasks. */
  readonly masks?: Adapters<Value>['masks']
  /** Called with every tap's value, edits included. */
  readonly look?: (name: string, x: Value) => void
  /** Which taps inside kernels are looked at. */
  readonly asks?: (name: string) => boolean
}

export interface Forward {
  readonly params: DecoderParams<Value>
  readonly adapters?: Adapters<Value>
  /** f32[R, T, d] after the last norm. */
  readonly hidden: Value
  /** What the graph reads besides the path's own inputs: parameters, adapters, and what edits asked for. More may come while `site` is read. */
  readonly inputs: Readonly<Record<string, Value>>
  readonly site: Omit<Site, 'input'>
}

/**
 * Calls the decoder: the one place that does. Scoring, reading prompts, steps of sampling, training steps and the ONNX export are graphs
 * around this, and a policy's edits act in all of them.
 */
export function forward(policy: Traceable, inputs: DecoderInputs, { path, site: known = {}, masks, look, asks, ...pass }: Pass): Forward {
  const { edits = [] } = policy
  const { params, adapters, inputs: read } = policyInputs(policy)
  const site = siteOf(path, inputs, known, read)
  const sites = edits.map((_, i): Site => Object.assign(Object.create(site), { input: feedsOf(i, read) }))
  const hidden = decoder(params, inputs, policy.config, {
    ...pass,
    ...(adapters ? { adapters: masks ? { ...adapters, masks } : adapters } : {}),
    asks: (name) => edits.some(({ at }) => at.has(name)) || (asks?.(name) ?? false),
    tap(name, x) {
      const value = edits.reduce((y, one, i) => (one.at.has(name) ? replaced(one, name, y, sites[i]!) : y), nameTap(name, x))
      look?.(name, value)
      return value
    },
  })
  return { params, ...(adapters ? { adapters } : {}), hidden, inputs: read, site }
}

/** Inputs that a graph needs only where they are read are made when they are. */
function siteOf(path: Site['path'], { tokens, positions }: DecoderInputs, known: NonNullable<Pass['site']>, read: Record<string, Value>) {
  const { shape } = tokens
  const lazily = (name: string, dtype: DType) => (read[`site.${name}`] ??= input(`site.${name}`, shape, dtype))
  const whole = show(positions) === show(tokens)
  return {
    path,
    tokens,
    get positions() {
      return known.positions ?? (whole ? positions : lazily('positions', 'i32'))
    },
    get text() {
      return known.text ?? lazily('text', 'i32')
    },
    get real() {
      return known.real ?? lazily('real', 'f32')
    },
    get completion() {
      return known.completion ?? lazily('completion', 'f32')
    },
  }
}

function feedsOf(i: number, read: Record<string, Value>): Site['input'] {
  return (name, shape: Shape, dtype = 'f32') => {
    const key = feedName(i, name)
    const fed = (read[key] ??= input(key, shape, dtype))
    const wanted = show({ dtype, shape })
    demand(show(fed) === wanted, () => `edit: a feed has one shape, got ${name} as ${show(fed)} and as ${wanted}`)
    return fed
  }
}

/** Everything a graph over rows may read: the policy's parameters and feeds, the rows, and what edits know of their tokens. */
export function runInputs(policy: Policy, batch: Batch): Record<string, Tensor | Resident> {
  return { ...policy.given, ...fedTo(policy), ...rowTensors(batch.rows), ...(policy.edits ? siteTensors(batch) : {}) }
}

/** Which tree each token of a batch belongs to, where there is one, and whether it is of a completion. */
export function siteTensors({
  rows: { rows: R, length: T },
  trees,
  starts,
}: Batch): Record<`site.${'text' | 'real' | 'completion'}`, Tensor> {
  const text = new Int32Array(R * T)
  const real = new Float32Array(R * T)
  const completion = new Float32Array(R * T)
  trees.forEach((tree, i) => {
    const { at, length, prompt } = starts[i]!
    text.fill(tree, at, at + length)
    real.fill(1, at, at + length)
    completion.fill(1, at + prompt, at + length)
  })
  return { 'site.text': tensor(text, [R, T]), 'site.real': tensor(real, [R, T]), 'site.completion': tensor(completion, [R, T]) }
}

import { UserError } from '../../graph/errors.ts'
import { sameShape } from '../../graph/tensor.ts'
import type { DecoderConfig } from '../../models/config.ts'
import { type FileTensor, fileTensors } from '../../models/tensor-names.ts'
import type { MergeConfig, SliceConfig } from './configuration.ts'
import type { MergeMethod } from './method.ts'
import type { OpenModel } from './reference.ts'
import { valueFor } from './settings.ts'

/** A tensor of the output, and the one of each model that it is made of. */
export interface PlannedTensor {
  readonly stored: FileTensor
  readonly sources: readonly { readonly model: OpenModel; readonly tensor: FileTensor }[]
  /** Which of the sources is the base; -1 for none. */
  readonly base: number
  /** Which of them the configuration calls the base, whether the method has one or not. */
  readonly named: number
  readonly values: Readonly<Record<string, unknown>>
  /** Whether its rows belong to tokens. */
  readonly ofTokens: boolean
}

/** What the output is: that of the base or the first model, with as many layers as there are in the slices. */
export interface Plan {
  readonly config: DecoderConfig
  readonly donor: OpenModel
  readonly tensors: readonly PlannedTensor[]
}

/**
 * Says for every tensor of the output what it is made of.
 *
 * throws  UserError for models of several families or shapes, a base that is missing, too many or too few models, and layers that are not there
 */
export function planMerge(config: MergeConfig, models: ReadonlyMap<string, OpenModel>, rows: number | undefined): Plan {
  const donor = models.get(config.base ?? config.slices[0]!.sources[0]!.model)!
  for (const model of models.values()) checkKind(config, donor, model)
  const from = config.slices.flatMap((slice) => layersOf(slice, models))
  for (const { sources, where, base } of config.slices) checkModels(config.method, sources.map(({ model }) => model), base ?? config.base, where) // biome-ignore format: one line
  const tied = config.slices.at(-1)!.sources.every(({ model }) => models.get(model)!.config.tied)
  const out = withLayers({ ...donor.config, tied, vocabSize: rows ?? donor.config.vocabSize }, from, config, donor)
  const known = new Map([...models].map(([name, { config }]) => [name, byPath({ ...config, tied: false })]))
  const tensors = fileTensors(out).map((stored): PlannedTensor => {
    const { path } = stored.parts[0]!
    const layer = /^blocks\.(\d+)\./.exec(path)?.[1]
    const isFirst = path === 'embed' || path === 'positions'
    const { slice, t, offset } = layer === undefined ? { slice: config.slices.at(isFirst ? 0 : -1)!, t: 0, offset: 0 } : from[Number(layer)]! // biome-ignore format: one line
    const sources = slice.sources.map((source) => {
      const model = models.get(source.model)!
      const own = layer === undefined ? path : path.replace(layer, String((source.layers?.[0] ?? 0) + offset))
      return { model, tensor: known.get(source.model)!.get(path === 'head' && model.config.tied ? 'embed' : own)!, source }
    })
    const ofTokens = path === 'embed' || path === 'head'
    for (const { model, tensor } of sources) checkShape(config, stored, model, tensor, ofTokens && rows !== undefined)
    const base = slice.sources.findIndex(({ model }) => model === (slice.base ?? config.base))
    const settings = [slice.parameters, config.module, config.parameters]
    const values = Object.fromEntries(
      Object.entries(config.method.parameters).map(([name, parameter]) => {
        if (parameter.of === 'merge') return [name, valueFor(name, parameter, settings, { tensor: stored.name, t, where: slice.where })]
        const each = sources.filter((_, m) => parameter.of === 'model' || m !== base)
        return [name, each.map(({ source, tensor }) => valueFor(name, parameter, [source.parameters, ...settings], { tensor: path === 'head' ? stored.name : tensor.name, t, where: source.where }))] // biome-ignore format: one line
      }),
    )
    return { stored, sources, base: config.method.base === 'one of the models' ? -1 : base, named: base, values, ofTokens }
  })
  return { config: out, donor, tensors }
}

interface Layer {
  readonly slice: SliceConfig
  readonly offset: number
  /** The share of the way through the slice. */
  readonly t: number
}

function layersOf(slice: SliceConfig, models: ReadonlyMap<string, OpenModel>): Layer[] {
  const ranges = slice.sources.map(({ model, layers, where }) => {
    const there = models.get(model)!.config.layers
    const [from, to] = layers ?? [0, there]
    if (to > there) throw new UserError(`${where}: layer_range must lie in the ${there} layers of ${model}, got [${from}, ${to}]; the second number is the one after the last layer`) // biome-ignore format: one line
    return to - from
  })
  const [count] = ranges
  if (ranges.some((other) => other !== count))
    throw new UserError(
      `${slice.where}: all sources must have as many layers, got ${ranges.join(' and ')}; ${slice.sources[0]!.layers ? 'make the ranges equally long' : 'say which layers with slices'}`,
    )
  return Array.from({ length: count! }, (_, offset) => ({ slice, offset, t: count === 1 ? 1 : offset / (count! - 1) }))
}

function checkModels(method: MergeMethod, models: readonly string[], base: string | undefined, where: string) {
  const must = (holds: boolean, rule: string, got: string, remedy: string) => {
    if (!holds) throw new UserError(`${where}: ${rule}, got ${got}; ${remedy}`)
  }
  const twice = models.find((model, i) => models.indexOf(model) !== i)
  must(twice === undefined, 'every model must be there once', `${twice} twice`, 'add up its weights, or name it by another path')
  const has = method.base !== 'one of the models' && base !== undefined
  must(method.base !== 'needed' || has, `${method.name} must have a base_model`, 'none', 'say base_model: MODEL')
  must(
    !has || models.includes(base!),
    'the base must be one of the sources',
    `${base} beside ${models.join(', ')}`,
    'add it to the sources',
  )
  const counted = (what: string, count: number, { least, most }: { readonly least: number; readonly most?: number }) =>
    must(count >= least && count <= (most ?? count), `${method.name} must have ${least === most ? `exactly ${least}` : most === undefined ? `at least ${least}` : `at most ${most}`} ${what}`, String(count), 'add some or leave some out') // biome-ignore format: one line
  counted('models', models.length, method.models)
  if (method.others) counted(`models${has ? ' besides the base' : ''}`, models.length - (has ? 1 : 0), method.others)
}

function checkKind({ file }: MergeConfig, donor: OpenModel, { name, config: { family, hiddenSize } }: OpenModel) {
  const { family: other, hiddenSize: width } = donor.config
  if (family !== other)
    throw new UserError(`${file}: models must be of one family, got ${donor.name}, ${other}, and ${name}, ${family}; merge others`)
  if (hiddenSize !== width)
    throw new UserError(
      `${file}: models must be equally wide, got ${donor.name}, of hidden size ${width}, and ${name}, of ${hiddenSize}; merge others`,
    )
}

function byPath(config: DecoderConfig): Map<string, FileTensor> {
  return new Map(fileTensors(config).map((stored) => [stored.parts[0]!.path, stored]))
}

function checkShape(config: MergeConfig, out: FileTensor, model: OpenModel, tensor: FileTensor | undefined, anyRows: boolean) {
  const shape = anyRows && tensor ? [out.shape[0]!, ...tensor.shape.slice(1)] : tensor?.shape
  if (shape && sameShape(shape, out.shape)) return
  const isTokens = /^(embed|head)$/.test(out.parts[0]!.path)
  throw new UserError(
    `${config.file}: ${out.name} must be [${out.shape.join(', ')}] in every model, got ${shape ? `[${shape.join(', ')}]` : 'none'} in ${model.name}; ${isTokens && shape?.[1] === out.shape[1] ? 'say which vocabulary with tokenizer_source: base, union or a model' : 'merge models of one size'}`,
  )
}

/** What is told layer by layer goes with the layers that are taken. */
function withLayers(config: DecoderConfig, layers: readonly Layer[], { slices }: MergeConfig, donor: OpenModel): DecoderConfig {
  const whole = slices.length === 1 && layers.length === donor.config.layers && !slices[0]!.sources[0]!.layers
  if (whole) return config
  const origin = layers.map(({ slice, offset }) => (slice.sources[0]!.layers?.[0] ?? 0) + offset)
  const moved = (of: readonly number[]) => origin.flatMap((layer, i) => (of.includes(layer) ? [i] : []))
  const { window, unrotated } = config
  return {
    ...config,
    layers: layers.length,
    ...(window ? { window: { ...window, layers: moved(window.layers) } } : {}),
    ...(unrotated ? { unrotated: moved(unrotated) } : {}),
  }
}

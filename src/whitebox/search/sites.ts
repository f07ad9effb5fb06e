import { closestMatch } from 'leven'
import { paramShapes, vectorsAt } from '../../checkpoints/check-edit.ts'
import { type Shape, sizeOf, UserError } from '../../graph/index.ts'
import type { DecoderConfig } from '../../models/config.ts'
import { tapsNamed } from '../../models/taps.ts'
import type { Model } from '../../policy/index.ts'
import { valuesAt } from '../values-at.ts'
import { norm } from './edit-form.ts'

/** Where an edit may change something: a parameter, or the vectors of tokens at a tap. */
export interface Site {
  readonly name: string
  /** The block it lies in; undefined outside of blocks. */
  readonly layer: number | undefined
  readonly shape: Shape
  readonly numbers: number
  /** The length that changes of it are measured against: of a weight its norm over the root of its smaller side, of activations their mean length. */
  readonly size: number
  /** The parameter as it is. */
  readonly weight?: Float32Array
}

/** Names of parameters that patterns such as `blocks.*.mlp.down` mean, in the model's order. */
export function weightsNamed(where: string, patterns: readonly string[], config: DecoderConfig): string[] {
  const all = [...paramShapes(config).keys()]
  const found = new Set<string>()
  for (const pattern of patterns) {
    const parts = pattern.split('.')
    const fits = all.filter((name) => {
      const of = name.split('.')
      return of.length === parts.length && of.every((part, i) => parts[i] === '*' || parts[i] === part)
    })
    if (fits.length === 0) {
      const kinds = [...new Set(all.map((name) => name.replace(/^blocks\.\d+\./, 'blocks.*.')))]
      const near = closestMatch(pattern.replace(/^blocks\.\d+\./, 'blocks.*.'), kinds, { maxDistance: 5 })
      const [, block] = /^blocks\.(\d+)\./.exec(pattern) ?? []
      const remedy = block !== undefined && Number(block) >= config.layers ? `blocks are numbered from 0 to ${config.layers - 1}` : near ? `did you mean ${block === undefined ? near : near.replace('*', block)}?` : `choose from ${kinds.join(', ')}` // biome-ignore format: one line
      throw new UserError(`${where}: must name parameters of the model, got ${JSON.stringify(pattern)}; ${remedy}`)
    }
    for (const name of fits) found.add(name)
  }
  return all.filter((name) => found.has(name))
}

/**
 * The sites that patterns name.
 *
 * throws  UserError for a pattern that names nothing, for a parameter that is no matrix where a rank is asked for, and for a tap without vectors of tokens
 */
export async function sitesOf(
  model: Model,
  patterns: readonly string[],
  {
    over,
    matrices,
    texts,
  }: { readonly over: 'weights' | 'activations'; readonly matrices: boolean; readonly texts: readonly (readonly number[])[] },
): Promise<Site[]> {
  const { config, policy } = model
  const layerOf = (name: string) => (/^blocks\.(\d+)\./.test(name) ? Number(name.split('.')[1]) : undefined)
  if (over === 'activations') {
    const taps = tapsNamed('sites', patterns, config)
    const strange = taps.find((tap) => vectorsAt(tap, config)?.heads !== undefined || !vectorsAt(tap, config))
    if (strange) throw new UserError(`sites: taps must hold one vector of each token, got ${strange}; name others, such as blocks.*.out`)
    const sums = taps.map(() => ({ length: 0, tokens: 0 }))
    for (const ids of texts.slice(0, 8)) {
      const values = await valuesAt(model, ids, taps)
      taps.forEach((tap, i) => {
        const { data, shape } = values[tap]!
        const width = shape.at(-1)!
        for (let at = 0; at < data.length; at += width) sums[i]!.length += norm(Float64Array.from(data.slice(at, at + width)))
        sums[i]!.tokens += data.length / width
      })
    }
    return taps.map((name, i) => {
      const { width } = vectorsAt(name, config)!
      return { name, layer: layerOf(name), shape: [width], numbers: width, size: sums[i]!.length / sums[i]!.tokens }
    })
  }
  const names = weightsNamed('sites', patterns, config)
  const shapes = paramShapes(config)
  const flat = matrices ? names.find((name) => shapes.get(name)!.length !== 2) : undefined
  if (flat)
    throw new UserError(`sites: must be matrices to have a rank, got ${flat}, f32[${shapes.get(flat)}]; name others, or take size norm`)
  return Promise.all(
    names.map(async (name) => {
      const weight = (await policy.engine.read(policy.given[`params.${name}`] as never)).data as Float32Array
      const shape = shapes.get(name)!
      const length = norm(Float64Array.from(weight))
      return { name, layer: layerOf(name), shape, numbers: sizeOf(shape), weight, size: length / Math.sqrt(Math.min(...shape)) || 1 }
    }),
  )
}

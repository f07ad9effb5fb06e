import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readSafetensors, writeSafetensors } from '../checkpoints/index.ts'
import { sameShape, show, type Tensor, tensor, UserError } from '../graph/index.ts'
import type { HeadPosterior } from './head-posterior.ts'
import type { NetworkPosterior } from './network-posterior.ts'

/** The doubt of a reward model about its weights, beside them; transformers does not read it. */
export const posteriorFile = 'posterior.safetensors'

/**
 * What a folder keeps: the posterior of the head, the mean feature of what was compared, against which doubt is told (0 where texts were judged one by
 * one, whose scores are learned themselves), and the posterior of the whole network where it was asked for.
 */
export interface KeptPosterior extends HeadPosterior {
  readonly center: Float64Array
  readonly network?: NetworkPosterior
}

/** Writes it into the folder of a reward model. throws UserError when the disk refuses */
export async function writePosterior(
  folder: string,
  { mean, center, prior, directions, variances, effective, network }: KeptPosterior,
): Promise<void> {
  const f32 = (data: Float64Array, shape: readonly number[]) => tensor(Float32Array.from(data), shape)
  const width = mean.length
  await writeSafetensors(join(folder, posteriorFile), [
    ['mean', f32(mean, [width])],
    ['center', f32(center, [width])],
    ['prior', f32(Float64Array.of(prior), [1])],
    ['effective', f32(Float64Array.of(effective), [1])],
    ['directions', f32(directions, [variances.length, width])],
    ['variances', f32(variances, [variances.length])],
    ...(network ? networkTensors(network) : []),
  ])
}

function networkTensors({ center, spread, prior, factor, intercept }: NetworkPosterior): [string, Tensor][] {
  const p = center.length + (intercept ? 1 : 0)
  const f32 = (data: Float64Array, shape: readonly number[]) => tensor(Float32Array.from(data), shape)
  return [
    ['network.center', f32(center, [center.length])],
    ['network.spread', f32(Float64Array.of(spread), [1])],
    ['network.prior', f32(Float64Array.of(prior), [1])],
    ['network.factor', f32(factor, [p, p])],
  ]
}

/**
 * Reads it, where a folder has one.
 *
 * throws  UserError when it is not one of a head as wide, or of another head
 */
export async function readPosterior(folder: string, head: Tensor): Promise<KeptPosterior | undefined> {
  const file = join(folder, posteriorFile)
  if (!existsSync(file)) return undefined
  const found = await readSafetensors(file)
  const width = head.data.length
  const read = (name: string, shape: readonly number[]) => {
    const one = found.get(name)
    if (one && one.dtype === 'f32' && sameShape(one.shape, shape)) return Float64Array.from(one.data)
    throw new UserError(
      `${file}: ${name} must be ${show({ dtype: 'f32', shape })}, got ${one ? show(one) : 'nothing'}; delete the file to score without doubt`,
    )
  }
  const count = found.get('variances')?.data.length ?? 0
  const mean = read('mean', [width])
  const other = mean.findIndex((x, i) => x !== head.data[i])
  if (other >= 0)
    throw new UserError(
      `${file}: must be of the head beside it, got ${mean[other]} for ${head.data[other]} at place ${other}; delete the file to score without doubt`,
    )
  const p = found.get('network.center')?.data.length
  // A row more than the centre is the intercept's.
  const intercept = p !== undefined && found.get('network.factor')?.shape[0] === p + 1
  const rows = intercept ? p + 1 : p
  return {
    mean,
    center: read('center', [width]),
    prior: read('prior', [1])[0]!,
    effective: read('effective', [1])[0]!,
    directions: read('directions', [count, width]),
    variances: read('variances', [count]),
    ...(p === undefined
      ? {}
      : {
          network: {
            center: read('network.center', [p]),
            spread: read('network.spread', [1])[0]!,
            prior: read('network.prior', [1])[0]!,
            factor: read('network.factor', [rows!, rows!]),
            ...(intercept ? { intercept: true } : {}),
          },
        }),
  }
}

import type { Engine } from '../engine/index.ts'
import { graph, input, matmul, reshape, type Tensor, tensor } from '../graph/index.ts'
import { largest, lengthsOf, type SparseAutoencoder } from './sparse-autoencoder.ts'

/** The features of a row that are above 0. */
export interface Active {
  readonly features: readonly number[]
  readonly values: readonly number[]
}

/** An autoencoder in the engine: what encode and decode say, for many rows. */
export interface Encoder {
  encode(x: Tensor): Promise<Active[]>
  /** f32[rows, d] from what encode returned. */
  decode(active: readonly Active[]): Tensor
  close(): Promise<void>
}

/** Rows of a run of the program; fewer are filled up. */
const most = 1024

/** Opens an autoencoder for rows f32[n, d]. */
export async function openEncoder(engine: Engine, { k, centred, rescaled, params }: SparseAutoencoder): Promise<Encoder> {
  const { W_enc, b_enc, W_dec, b_dec } = params
  const [d, features] = W_enc.shape as [number, number]
  const lengths = rescaled ? lengthsOf(W_dec) : undefined
  const fixed = { weight: W_enc, bias: b_enc, shift: centred ? b_dec : tensor(new Float32Array(d), [d]) }
  const x = input('x', [most, d])
  const at = { weight: input('weight', [d, features]), bias: input('bias', [features]), shift: input('shift', [d]) }
  const hidden = matmul(x.sub(reshape(at.shift, [1, d])), at.weight).add(reshape(at.bias, [1, features]))
  const program = await engine.compile(graph({ x, ...at }, { hidden }))
  const held = await Promise.all(Object.entries(fixed).map(async ([name, value]) => {
    const resident = await engine.allocate({ dtype: 'f32', shape: value.shape })
    await engine.write(resident, value)
    return [name, resident] as const
  })) // biome-ignore format: one block

  const active = (row: Float32Array): Active => {
    if (lengths) for (let f = 0; f < features; f++) row[f]! *= lengths[f]!
    const kept = (k === undefined ? Array.from(row.keys()) : largest(row, k)).filter((f) => row[f]! > 0)
    return { features: kept, values: kept.map((f) => row[f]!) }
  }
  return {
    async encode({ shape, data }) {
      const n = shape[0]!
      const found: Active[] = []
      for (let from = 0; from < n; from += most) {
        const rows = new Float32Array(most * d)
        const count = Math.min(most, n - from)
        rows.set((data as Float32Array).subarray(from * d, (from + count) * d))
        const { hidden } = await program.run({ x: tensor(rows, [most, d]), ...Object.fromEntries(held) })
        const before = hidden!.data as Float32Array
        for (let i = 0; i < count; i++) found.push(active(before.subarray(i * features, (i + 1) * features)))
      }
      return found
    },
    decode(all) {
      const rows = new Float32Array(all.length * d)
      for (const [i, { features, values }] of all.entries()) {
        const row = rows.subarray(i * d, (i + 1) * d)
        row.set(b_dec.data)
        for (const [j, f] of features.entries()) {
          const value = values[j]! / (lengths ? lengths[f]! : 1)
          for (let c = 0, place = f * d; c < d; c++, place++) row[c]! += value * W_dec.data[place]!
        }
      }
      return tensor(rows, [all.length, d])
    },
    async close() {
      await program.close()
      for (const [, resident] of held) await engine.release(resident)
    },
  }
}

import { readSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { safetensorsLayout } from '../checkpoints/safetensors.ts'
import { sizeOf, type Tensor, tensor } from '../graph/index.ts'
import { type Model, over, reader } from '../policy/index.ts'

/** Values at taps for every token of many texts, in order, in a file of their own. */
export interface TapRows {
  /** Rows of a tap by their number. shape f32[rows.length, …] */
  rows(tap: string, rows: readonly number[]): Tensor
  /** Removes the file. */
  close(): Promise<void>
}

/**
 * Reads texts once and keeps what stands at taps in a temporary file, so that memory does not grow with the number of texts.
 *
 * units   the file takes four bytes a number: of SmolLM2-135M's thirty residual streams, 69 kB a token
 * throws  UserError for a tap that the model does not have, and when the disk is full
 */
export async function openTapRows(
  { policy }: Pick<Model, 'policy'>,
  texts: readonly { readonly ids: readonly number[] }[],
  taps: readonly string[],
  signal?: AbortSignal,
): Promise<TapRows> {
  const folder = await mkdtemp(join(tmpdir(), 'innate-tap-rows-'))
  try {
    const to = join(folder, 'taps.safetensors')
    const trees = texts.map(({ ids }) => ({ prompt: ids, completions: [] }))
    await over(policy, trees, reader(taps), { per: 'token', to, ...(signal ? { signal } : {}) })
    const { tensors } = await safetensorsLayout(to)
    const stored = new Map(tensors.map((one) => [one.name, one]))
    const handle = await open(to)
    return {
      rows(tap, rows) {
        const { shape, from } = stored.get(tap)!
        const width = sizeOf(shape.slice(1))
        const found = new Float32Array(rows.length * width)
        rows.forEach((row, i) => {
          readSync(handle.fd, found, 4 * i * width, 4 * width, from + 4 * row * width)
        })
        return tensor(found, [rows.length, ...shape.slice(1)])
      },
      async close() {
        await handle.close()
        await rm(folder, { recursive: true })
      },
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

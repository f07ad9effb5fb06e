import { UserError } from '../../graph/errors.ts'
import type { Tensor } from '../../graph/tensor.ts'
import type { Keys } from './architectures.ts'
import type { GgufValue } from './header.ts'

const remedy = 'choose another conversion of the model'

// What says nothing that the tensors do not say, and what llama.cpp itself does not read for the architectures here.
const silent = new Set([
  ...['vocab_size', 'context_length', 'tensor_data_layout', 'attention.value_length', 'attention.sliding_window'],
  ...['rope.scaling.finetuned', 'rope.dimension_count_swa', 'attention.key_length_swa', 'attention.value_length_swa'],
])

/** The metadata of a file as its architecture reads it, and the tensors among the weights that are settings, to be filled in. */
export function keysOf(
  file: string,
  name: string,
  metadata: ReadonlyMap<string, GgufValue>,
): { keys: Keys & { refuseUnread(): void }; settings: Map<string, Tensor> } {
  const settings = new Map<string, Tensor>()
  const read = new Set<string>()
  const get = (key: string) => {
    read.add(key)
    return metadata.get(`${name}.${key}`)
  }
  const keys = {
    file,
    get,
    tensor: (key: string) => settings.get(key),
    number(key: string, otherwise?: number) {
      const value = get(key) ?? otherwise
      if (typeof value === 'number' && Number.isFinite(value)) return shortest(value)
      throw new UserError(`${file}: ${name}.${key} must be a number, got ${JSON.stringify(value) ?? 'nothing'}; ${remedy}`)
    },
    /** Refuses a key that nobody has read and that is not off: it would change what the model computes. */
    refuseUnread() {
      for (const [whole, value] of metadata) {
        const key = whole.slice(name.length + 1)
        if (!whole.startsWith(`${name}.`) || read.has(key) || silent.has(key) || value === 0 || value === false || value === '') continue
        if (key === 'attention.causal' && value === true) continue
        throw new UserError(
          `${file}: ${whole} must be off, since it is not known here, got ${JSON.stringify(value)?.slice(0, 60)}; ${remedy}`,
        )
      }
    },
  }
  return { keys, settings }
}

/** The number with the fewest digits that has the same f32: 1e-5 went into the file, and 0.000009999999747378752 comes out. */
function shortest(x: number): number {
  if (Number.isInteger(x) || Math.fround(x) !== x) return x
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits))
    if (Math.fround(short) === x) return short
  }
  return x
}

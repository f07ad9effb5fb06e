import { open } from 'node:fs/promises'
import { UserError } from '../../graph/errors.ts'
import { type Tensor, tensor } from '../../graph/tensor.ts'
import { readGgufHeader } from './header.ts'
import { type Planned, type Typed, writeGguf } from './write.ts'

/** A control vector of llama.cpp: what is added to the residual stream after blocks, at every token. */
export interface ControlVector {
  /** Name of llama.cpp's architecture. */
  readonly model: string
  /** By block, from 1 on. */
  readonly directions: ReadonlyMap<number, Tensor>
}

const remedy = 'make it again, or take another file'

/**
 * Reads a control vector.
 *
 * throws  UserError for a GGUF file of another kind, and a tensor that is no direction
 * source  llama.cpp, common/common.cpp, common_control_vector_load, and src/llama-adapter.cpp
 */
export async function readControlVector(file: string): Promise<ControlVector> {
  const handle = await open(file).catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: must be a readable GGUF file, got ${cause.code}; check the path`, { cause })
  })
  try {
    const { metadata, tensors } = await readGgufHeader(file, handle)
    const kind = metadata.get('general.architecture')
    if (kind !== 'controlvector')
      throw new UserError(`${file}: general.architecture must be controlvector, got ${JSON.stringify(kind) ?? 'nothing'}; ${remedy}`)
    const directions = new Map<number, Tensor>()
    for (const { name, type, shape, from, bytes } of tensors) {
      const layer = Number(/^direction\.(\d+)$/.exec(name)?.[1] ?? 0)
      if (layer < 1 || type !== 'F32' || shape.length !== 1)
        throw new UserError(
          `${file}: every tensor must be direction.N, N from 1 on, f32[d], got ${name} of ${type}[${shape.join(', ')}]; ${remedy}`,
        )
      const data = new Float32Array(bytes / 4)
      await handle.read(new Uint8Array(data.buffer), 0, bytes, from)
      directions.set(layer, tensor(data, shape))
    }
    if (directions.size === 0) throw new UserError(`${file}: must hold a direction, got no tensor; ${remedy}`)
    return { model: String(metadata.get('controlvector.model_hint') ?? ''), directions }
  } finally {
    await handle.close()
  }
}

/**
 * Writes a control vector that llama.cpp reads with --control-vector.
 *
 * throws  UserError for a direction after block 0, which the format has no place for
 */
export async function writeControlVector(file: string, { model, directions }: ControlVector): Promise<void> {
  if (directions.has(0) || directions.size === 0)
    throw new UserError(
      `${file}: a control vector must act after blocks from 1 on, got ${directions.size === 0 ? 'none' : 'block 0'}; choose another block, or write a safetensors file`,
    )
  const metadata = new Map<string, Typed>([
    ['general.architecture', { text: 'controlvector' }],
    ['controlvector.model_hint', { text: model }],
    ['controlvector.layer_count', { u32: directions.size }],
  ])
  const planned = [...directions].map(
    ([layer, direction]): Planned => ({ name: `direction.${layer}`, type: 'F32', shape: direction.shape, read: () => direction }),
  )
  await writeGguf(file, metadata, planned)
}

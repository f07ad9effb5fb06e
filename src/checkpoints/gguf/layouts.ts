import { UserError } from '../../graph/errors.ts'
import type { Tensor } from '../../graph/tensor.ts'

// All of these move a tensor's numbers in place.

/** Rows of every head from rotating pairs (2i, 2i + 1) to rotating halves (i, i + d/2), for a weight or a bias. */
export function fromPairs(tensor: Tensor, heads: number, file: string): Tensor {
  checkHeads(tensor, heads, 2, file)
  return moveRows(tensor, (row, rows) => {
    const d = rows / heads
    const within = row % d
    return row - within + (within >> 1) + (within & 1) * (d / 2)
  })
}

/** The inverse of fromPairs. */
export function toPairs(tensor: Tensor, heads: number): Tensor {
  return moveRows(tensor, (row, rows) => {
    const d = rows / heads
    const within = row % d
    return row - within + (within < d / 2 ? 2 * within : 2 * within - d + 1)
  })
}

/** Rows of a joint projection from all queries, all keys, all values to query, key, value of each head in turn. */
export function regroupQkv(tensor: Tensor, heads: number, file: string): Tensor {
  checkHeads(tensor, heads, 3, file)
  return moveRows(tensor, (row, rows) => {
    const d = rows / 3 / heads
    const kind = Math.floor(row / (d * heads))
    const head = Math.floor(row / d) % heads
    return (head * 3 + kind) * d + (row % d)
  })
}

/** [out, in] to [in, out] and back. */
export function transpose(tensor: Tensor): Tensor {
  const [rows, columns] = tensor.shape as [number, number]
  const from = copyOf(tensor)
  const { data } = tensor
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) data[column * rows + row] = from[row * columns + column]!
  return { ...tensor, shape: [columns, rows] }
}

/** A norm's weight as its distance from one. */
export function subtractOne(tensor: Tensor): Tensor {
  const { data } = tensor
  for (let i = 0; i < data.length; i++) data[i]! -= 1
  return tensor
}

function checkHeads({ shape }: Tensor, heads: number, each: number, file: string) {
  const parts = each * heads
  if (heads > 0 && Number.isInteger(heads) && Number.isInteger(shape[0]! / parts)) return
  throw new UserError(
    `${file}: the ${shape[0]} rows of queries and keys must split into ${parts} parts by the number of heads, got a remainder; is the header that of another model?`,
  )
}

function moveRows(tensor: Tensor, to: (row: number, rows: number) => number): Tensor {
  const rows = tensor.shape[0]!
  const width = tensor.data.length / rows
  const from = copyOf(tensor)
  for (let row = 0; row < rows; row++) tensor.data.set(from.subarray(row * width, (row + 1) * width), to(row, rows) * width)
  return tensor
}

let scratch = new Float32Array(0)

/** The numbers of a tensor in memory that the next copy takes again: a model's layers are moved without a second model being made. */
function copyOf({ data }: Tensor): Float32Array {
  if (scratch.length < data.length) scratch = new Float32Array(data.length)
  scratch.set(data)
  return scratch
}

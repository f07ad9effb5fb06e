import { type Tensor, tensor } from '../../graph/tensor.ts'
import type { Adapter } from '../../models/adapters.ts'

/** A weight with its adapter added, W + scale · b·a, rows as long as the magnitude says where there is one; in f64, rounded once. */
export function addAdapter(weight: Tensor, adapter: Adapter<Tensor> | undefined, scale: number): Tensor {
  if (!adapter) return weight
  const { a, b, magnitude } = adapter
  const [rows, width] = weight.shape as [number, number]
  const rank = a.shape[0]!
  const out = new Float32Array(rows * width)
  const row = new Float64Array(width)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < width; c++) row[c] = weight.data[r * width + c]!
    for (let k = 0; k < rank; k++) {
      const factor = scale * b.data[r * rank + k]!
      for (let c = 0; c < width; c++) row[c]! += factor * a.data[k * width + c]!
    }
    let square = 0
    if (magnitude) for (const x of row) square += x * x
    const length = magnitude ? magnitude.data[r]! / Math.sqrt(square) : 1
    for (let c = 0; c < width; c++) out[r * width + c] = row[c]! * length
  }
  return tensor(out, weight.shape)
}

/** In how many bits a weight is rounded. */
export type Bits = 8 | 4

/** Numbers of a row that share a scale. */
export const BLOCK = 32

/** A matrix rounded to blocks, as MatMulNBits reads it. */
export interface BlockMatrix {
  /** Whole numbers from 0, the middle one meaning 0; of 4 bits two to a byte, the first below. shape [rows, columns / 32, 32 · bits / 8] */
  readonly values: Uint8Array
  /** shape [rows, columns / 32] */
  readonly scales: Float32Array
}

/**
 * Rounds a matrix block by block: 8 bits over ±127, the largest entry exact; 4 bits over −8 to 7, the largest entry at −8.
 *
 * limits  columns are a multiple of 32
 * source  Dettmers et al. 2022, arXiv:2110.02861, section 2.1 (blocks with a scale each); the layout is ONNX Runtime's MatMulNBits
 */
export function rounded(matrix: Float32Array, bits: Bits): BlockMatrix {
  const blocks = matrix.length / BLOCK
  const values = new Uint8Array((matrix.length * bits) / 8)
  const scales = new Float32Array(blocks)
  const middle = 2 ** (bits - 1)
  for (let block = 0; block < blocks; block++) {
    const from = block * BLOCK
    let largest = 0
    for (let i = from; i < from + BLOCK; i++) if (Math.abs(matrix[i]!) > Math.abs(largest)) largest = matrix[i]!
    const scale = Math.fround(bits === 8 ? Math.abs(largest) / 127 : largest / -8)
    scales[block] = scale
    const inverse = scale === 0 ? 0 : 1 / scale
    const at = (i: number) => Math.min(Math.round(matrix[i]! * inverse) + middle, 2 * middle - 1)
    if (bits === 8) for (let i = from; i < from + BLOCK; i++) values[i] = at(i)
    else for (let i = from; i < from + BLOCK; i += 2) values[i >> 1] = at(i) | (at(i + 1) << 4)
  }
  return { values, scales }
}

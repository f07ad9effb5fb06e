import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { graph, input, linear, tensor } from '../graph/index.ts'
import { type Bits, BLOCK, rounded } from './blocks.ts'
import { openEngine } from './engine.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

const entry = fc.float({ noNaN: true, noDefaultInfinity: true, min: -10, max: 10 })

it.each<Bits>([8, 4])('%i bits: no entry is further off than half a step of its block, but for one end of 4 bits', (bits) => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: BLOCK, maxLength: BLOCK }), (numbers) => {
      const { values, scales } = rounded(Float32Array.from(numbers), bits)
      const step = Math.abs(scales[0]!)
      numbers.forEach((x, i) => {
        const whole = bits === 8 ? values[i]! - 128 : ((values[i >> 1]! >> (4 * (i % 2))) & 15) - 8
        const clipped = bits === 4 && whole === 7
        expect(Math.abs(whole * scales[0]! - x)).toBeLessThanOrEqual(step * (clipped ? 1.0001 : 0.5001))
      })
    }),
  )
})

it.each<Bits>([8, 4])(
  '%i bits: a product of numbers that need no rounding is exact, joined or not, of one row and of several',
  async (bits) => {
    const most = bits === 8 ? 127 : 8
    const [rows, width, out] = [3, 2 * BLOCK, 5]
    // Whole numbers, the largest of each block at the end of what there is: neither rows nor weights lose anything.
    const whole = (count: number, end: number, seed: number) =>
      Float32Array.from({ length: count }, (_, i) => (i % BLOCK === 0 ? -end : ((i * i * 31 + i * seed) % (2 * end - 1)) - end + 1))
    const [x, w] = [input('x', [rows, width]), input('w', [out, width])]
    const given = { x: tensor(whole(rows * width, 127, 7), [rows, width]), w: tensor(whole(out * width, most, 13), [out, width]) }
    const place = await engine.allocate(w)
    await engine.write(place, given.w)
    const program = await engine.compile(graph({ x, w }, { y: linear(x, w) }), { held: { w: place }, bits })
    expect(program.nodes).toEqual({ MatMulNBits: 1 })
    const { y } = await program.run({ x: given.x })
    const at = (m: Float32Array, r: number, i: number) => m[r * width + i]!
    const want = Array.from({ length: rows * out }, (_, n) =>
      Array.from(
        { length: width },
        (_, i) => at(given.x.data as Float32Array, Math.floor(n / out), i) * at(given.w.data as Float32Array, n % out, i),
      ).reduce((a, b) => a + b),
    )
    expect([...y!.data]).toEqual(want)
    await program.close()
  },
)

it('a matrix whose width is no multiple of a block stays as it is', async () => {
  const [x, w] = [input('x', [2, 40]), input('w', [3, 40])]
  const place = await engine.allocate(w)
  const program = await engine.compile(graph({ x, w }, { y: linear(x, w) }), { held: { w: place }, bits: 8 })
  expect(program.nodes.MatMulNBits).toBeUndefined()
  await program.close()
})

import type { Engine } from '../engine/index.ts'
import { graph, input, matmul, sum } from '../graph/index.ts'

const side = 512
const products = 10

/**
 * How many floating-point operations a second this machine has to give now, by a few square products; about a tenth of a second.
 *
 * units   FLOP/s
 */
export async function throughputOf(engine: Engine): Promise<number> {
  const [a, b] = [input('a', [side, side]), input('b', [side, side])]
  const program = await engine.compile(graph({ a, b }, { total: sum(matmul(a, b)) }))
  // In the engine's memory, so that only products are timed.
  const given = { a: await engine.allocate(a), b: await engine.allocate(b) }
  await program.run(given)
  const began = performance.now()
  for (let i = 0; i < products; i++) await program.run(given)
  const seconds = (performance.now() - began) / 1000
  await program.close()
  for (const resident of Object.values(given)) await engine.release(resident)
  return (products * 2 * side ** 3) / seconds
}

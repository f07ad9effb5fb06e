import type { Engine } from '../engine/index.ts'
import { graph, input, matmul, sum, zeros } from '../graph/index.ts'

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
  const given = { a: zeros([side, side]), b: zeros([side, side]) }
  await program.run(given)
  const began = performance.now()
  for (let i = 0; i < products; i++) await program.run(given)
  await program.close()
  return (products * 2 * side ** 3 * 1000) / (performance.now() - began)
}

import { afterAll, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { openEngine, toOnnx } from '../engine/index.ts'
import { evaluate, graph, input, tensor } from '../graph/index.ts'
import { sampleRng } from '../graph/sample-rng.ts'
import { type Attending, attendCache } from './attend-cache.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

// Row lengths from an empty row to a full one; the window of 5 hides nothing, one token, and most of a row.
const lengths = tensor([1, 4, 5, 6, 15], [5], 'i32')

const cases: readonly (readonly [string, { heads: number; kvHeads: number; headDim: number }, Attending, kernels: number])[] = [
  ['plain heads', { heads: 2, kvHeads: 2, headDim: 8 }, { scale: 0.35 }, 1],
  ['grouped queries', { heads: 6, kvHeads: 2, headDim: 8 }, { scale: 0.35 }, 1],
  ['a window', { heads: 4, kvHeads: 2, headDim: 16 }, { scale: 0.25, window: 5 }, 1],
  ['capped scores', { heads: 2, kvHeads: 1, headDim: 8 }, { scale: 1, cap: 1.5 }, 1],
  ['heads the kernel does not take', { heads: 4, kvHeads: 2, headDim: 6 }, { scale: 0.4, window: 5, cap: 2 }, 0],
]

it.each(cases)('the kernel equals what was traced: %s', async (_, { heads, kvHeads, headDim }, attending, kernels) => {
  const [B, S] = [5, 16]
  const inputs = {
    q: input('q', [B, heads, 1, headDim]),
    k: input('k', [B, kvHeads, 1, headDim]),
    v: input('v', [B, kvHeads, 1, headDim]),
    keys: input('past.keys', [B, kvHeads, S, headDim]),
    values: input('past.values', [B, kvHeads, S, headDim]),
    lengths: input('lengths', [B], 'i32'),
  }
  const traced = graph(inputs, attendCache(inputs, attending))
  expect(toOnnx(traced).nodes.GroupQueryAttention ?? 0).toBe(kernels)
  expect(toOnnx(traced, { portable: true }).nodes.GroupQueryAttention ?? 0).toBe(0)
  const rng = sampleRng(11)
  const given = {
    ...Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, rng.f32(shape)])),
    lengths,
  } as Record<keyof typeof inputs, ReturnType<typeof rng.f32>>
  const want = evaluate(traced, given)
  const program = await engine.compile(traced)
  expectClose((await program.run(given)).mixed!, want.mixed!, tolerances.portable, 'mixed')

  // In place: the cache's memory is given for the output too.
  const [keys, values] = [await engine.allocate(inputs.keys), await engine.allocate(inputs.values)]
  await engine.write(keys, given.keys)
  await engine.write(values, given.values)
  const { mixed } = await program.run({ ...given, keys, values }, { keys, values })
  expectClose(mixed!, want.mixed!, tolerances.portable, 'mixed, in place')
  expectClose(await engine.read(keys), want.keys!, tolerances.portable, 'keys, in place')
  expectClose(await engine.read(values), want.values!, tolerances.portable, 'values, in place')
})

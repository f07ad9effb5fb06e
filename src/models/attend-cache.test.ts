import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { tolerances } from '../../test/tolerances.ts'
import { openEngine, toOnnx } from '../engine/index.ts'
import { evaluate, graph, input, linear, reshape, type Tensor, tensor, transpose, type Value } from '../graph/index.ts'
import { type Attending, attendCache } from './attend-cache.ts'
import type { DecoderConfig } from './config.ts'
import { rotate, rotations, tableLength } from './rotary.ts'

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

describe('where the weights are constants', () => {
  const [B, S, width, headDim, heads, kvHeads] = [5, 16, 12, 16, 4, 2]
  const parts = { q: heads, k: kvHeads, v: kvHeads } as const

  it.each([
    ['one product, turned by the kernel', { biased: false, turned: true }, { FusedMatMul: 1, Reshape: 0 }],
    ['one product with biases', { biased: true, turned: true }, { FusedMatMul: 1, Reshape: 0, Add: 1 }],
    ['one product, not turned', { biased: false, turned: false }, { FusedMatMul: 1, Reshape: 0 }],
  ])('%s', async (_, { biased, turned }, nodes) => {
    const config = { headDim, contextLength: 64 } as DecoderConfig
    const inputs = {
      x: input('x', [B, 1, width]),
      keys: input('keys', [B, kvHeads, S, headDim]),
      values: input('values', [B, kvHeads, S, headDim]),
      lengths: input('lengths', [B], 'i32'),
      ...Object.fromEntries(
        Object.entries(parts).flatMap(([name, n]) => [
          [`w.${name}`, input(`w.${name}`, [n * headDim, width])],
          [`b.${name}`, input(`b.${name}`, [n * headDim])],
        ]),
      ),
    } as Record<string, Value>
    const angles = rotations(reshape(inputs.lengths!, [B, 1]), tableLength(S, config), config, 10000)
    const part = (name: keyof typeof parts) => {
      const y = linear(inputs.x!, inputs[`w.${name}`]!)
      const whole = biased ? y.add(inputs[`b.${name}`]!) : y
      const apart = transpose(reshape(whole, [B, 1, parts[name], headDim]), [0, 2, 1, 3])
      return turned && name !== 'v' ? rotate(apart, angles) : apart
    }
    const { keys, values, lengths: used } = inputs as Record<'keys' | 'values' | 'lengths', Value>
    const attended = attendCache({ q: part('q'), k: part('k'), v: part('v'), keys, values, lengths: used }, { scale: 0.05 })
    const joined = reshape(transpose(attended.mixed, [0, 2, 1, 3]), [B, 1, heads * headDim])
    const traced = graph(inputs, { mixed: joined, allKeys: attended.keys, allValues: attended.values })
    const rng = sampleRng(13)
    const given = {
      ...Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, rng.f32(shape)])),
      lengths,
    } as Record<string, Tensor>
    const names = Object.keys(inputs).filter((name) => /^[wb][.]/.test(name))
    const { nodes: written } = toOnnx(traced, { held: { names: new Set(names) } })
    for (const [name, count] of Object.entries({ ...nodes, GroupQueryAttention: 1, RotaryEmbedding: 0, Transpose: 0 }))
      expect(written[name] ?? 0, name).toBe(count)
    const held = Object.fromEntries(
      await Promise.all(
        names.map(async (name) => {
          const resident = await engine.allocate(inputs[name]!)
          await engine.write(resident, given[name]!)
          return [name, resident] as const
        }),
      ),
    )
    const want = evaluate(traced, given)
    const got = await (await engine.compile(traced, { held })).run(given)
    for (const name of ['mixed', 'allKeys', 'allValues']) {
      const clear = (x: Tensor) => (name === 'mixed' ? x : inUse(x))
      expectClose(clear(got[name]!), clear(want[name]!), tolerances.portable, name)
    }
  })

  /** Of keys and values, the columns that a row has in use and the one it writes; the kernel leaves the rest as it likes. */
  function inUse({ data, shape }: Tensor): Tensor {
    const kept = Array.from(data, (x, i) => {
      const column = Math.floor(i / headDim) % S
      return column <= lengths.data[Math.floor(i / (kvHeads * S * headDim))]! ? x : 0
    })
    return tensor(kept, shape)
  }
})

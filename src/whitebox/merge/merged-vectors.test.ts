import { expect, it } from 'vitest'
import { expectClose } from '../../../test/close.ts'
import { tolerances } from '../../../test/tolerances.ts'
import { renderPage } from '../../runs/index.ts'
import { mergePage } from './merge-page.ts'
import { mergedVectors } from './merged-vectors.ts'

const of = (...numbers: number[]) => Float32Array.from(numbers)
const merged = { method: 'ties', layers: 1, tensors: 3, parameters: 6, dtype: 'f32' as const }

it('adds up norms and cosines of differences from the base over tensors, by block and in all', () => {
  const { see, done } = mergedVectors()
  const models = ['base', 'x/a', 'y/b']
  see({ name: 'model.layers.0.mlp.up_proj.weight', models, base: 0, tensors: [of(1, 1), of(4, 1), of(1, 5)], out: of(4, 5) })
  see({ name: 'model.layers.0.mlp.down_proj.weight', models, base: 0, tensors: [of(0, 1), of(4, 1), of(4, 1)], out: of(0, 1) })
  see({ name: 'model.embed_tokens.weight', models, base: 0, tensors: [of(2, 0), of(2, 0), of(2, 12)], out: of(2, 0) })
  const { all, blocks } = done()
  const [block, embedding] = blocks as [(typeof blocks)[number], (typeof blocks)[number]]
  // By hand: in the block a differs by (3, 0, 4, 0), b by (0, 4, 4, 0), the result by (3, 4, 0, 0).
  expect([block.group, block.layer, embedding.group, embedding.layer]).toEqual(['block 0', 0, 'embedding', undefined])
  expectClose([...block.norms.values(), block.reference], [5, Math.sqrt(32), 5, Math.sqrt(3)], tolerances.reordered)
  expectClose([block.cosines.get('x/a | y/b')!], [16 / (5 * Math.sqrt(32))], tolerances.reordered)
  expectClose([block.cosines.get('x/a | result')!], [9 / 25], tolerances.reordered)
  expect([embedding.norms.get('x/a'), embedding.cosines.get('x/a | y/b')]).toEqual([0, 0])
  expectClose([all.norms.get('y/b')!, all.reference], [Math.sqrt(32 + 144), Math.sqrt(7)], tolerances.reordered)
  const page = renderPage(mergePage({ ...merged, models, base: 'base' }, { all, blocks }))
  expect(page).toContain('a lies 189 %, b lies 501 %, result lies 189 % of the length of base away from it.')
})

it('without a base says how far models lie from the result', () => {
  const { see, done } = mergedVectors()
  see({ name: 'model.layers.0.mlp.up_proj.weight', models: ['a', 'b'], base: -1, tensors: [of(3, 1), of(1, 3)], out: of(2, 2) })
  const { all, blocks } = done()
  expectClose([...all.norms.values(), all.cosines.get('a | b')!], [Math.SQRT2, Math.SQRT2, -1], tolerances.reordered)
  expect(renderPage(mergePage({ ...merged, models: ['a', 'b'] }, { all, blocks }))).toContain('of the length of the result')
})

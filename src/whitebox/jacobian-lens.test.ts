import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { writeSafetensors } from '../checkpoints/index.ts'
import { evaluate, graph, input, matmul, tensor } from '../graph/index.ts'
import { openModel } from '../policy/index.ts'
import { fitJacobian, jacobianRows } from './jacobian-lens.ts'
import { loadLens, saveLens } from './lens-file.ts'

it.each([
  [[1, 1, 1], 7],
  [[1, 1, 0], 3],
])('V-JLENS-1: with %j counted the lens is %d', (counted, wanted) => {
  const [stream, A, V, seed] = [input('h', [1, 3, 1]), input('A', [1, 3, 3]), input('V', [3]), input('seed', [1, 1])]
  const [J] = jacobianRows(matmul(A, stream), [stream], V, seed)
  const given = {
    h: tensor([0.3, -2, 1], [1, 3, 1]),
    A: tensor([1, 0, 0, 2, 3, 0, 4, 5, 6], [1, 3, 3]),
    V: tensor(counted, [3]),
    seed: tensor([1], [1, 1]),
  }
  expectClose(evaluate(graph({ h: stream, A, V, seed }, { J: J! }), given).J!.data, [wanted], tolerances.exact)
})

it('each text has one vote; a lens is written and read back, and one of another width refused', async () => {
  const model = await openModel('fixtures/llama-tiny')
  const texts = ['Once upon a time there was a cat', 'The dog sat down and ran'].map((text) => ({ ids: model.ids(text) }))
  const [both, first, second] = [
    await fitJacobian(model, texts, { skip: 2 }),
    ...(await Promise.all(texts.map((text) => fitJacobian(model, [text], { skip: 2 })))),
  ]
  const mean = first!.maps[0]!.matrix!.data.map((x, i) => (x + second!.maps[0]!.matrix!.data[i]!) / 2)
  expectClose(both.maps[0]!.matrix!.data, mean, tolerances.golden)
  const file = join(await mkdtemp(join(tmpdir(), 'innate-lens-')), 'lens.safetensors')
  await saveLens(file, both, model.config)
  const back = await loadLens(file, model.config)
  expectClose(back.maps[0]!.matrix!.data, both.maps[0]!.matrix!.data, tolerances.exact)
  const d = model.config.hiddenSize
  expect(Array.from(back.maps.at(-1)!.matrix!.data).reduce((total, x) => total + x, 0)).toBe(d)
  await writeSafetensors(file, [['J.0', tensor(new Float32Array(4), [2, 2])]])
  await expect(loadLens(file, model.config)).rejects.toThrow(/J\.0 must be f32\[\d+, \d+\].* got f32\[2, 2\]; fit a lens/)
  await expect(fitJacobian(model, texts, { skip: 40 })).rejects.toThrow(/^fit: a text must have a token after the first 40/)
  await model.close()
})

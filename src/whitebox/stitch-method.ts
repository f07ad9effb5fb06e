import { isTensor, mapNested, type Tensor, tensor } from '../graph/index.ts'
import type { DecoderParams } from '../models/params.ts'
import { type Model, readParams } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { fitStitch } from './fit-stitch.ts'
import { inWeights } from './in-fresh.ts'
import { apart, type Law, type Method } from './method.ts'
import { leastSquaresOfRank, mapped, permutation, procrustes, relative, rowsOf } from './stitch-maps.ts'
import { laidTexts, openTop, streamAt, textLosses } from './stitch-top.ts'
import { randomBasis } from './subspace.ts'

/** Stitching of two models, with what must hold of it. */
export const stitchMethod: Method = {
  name: 'stitching',
  about: 'What the bottom of one model, a map of each token’s vector and the top of another predict together.',
  source: 'Lenc & Vedaldi 2015, arXiv:1411.5908; Bansal et al. 2021, arXiv:2106.07682',

  async laws(model) {
    const { policy, config } = model
    const written = [
      'Once upon a time there was a little fox',
      'Tom and Sue sang to the moon',
      'One day the bird said yes',
      'They went home',
    ]
    const laid = laidTexts(written.map((text) => model.ids(text)), policy) // biome-ignore format: one line
    const plain = await textLosses(policy, laid)
    const laws: Law[] = []
    for (let layer = 0; layer < config.layers; layer++) {
      const found = await openTop(policy, layer, laid).losses(mapped({}, await streamAt(policy, layer, laid)))
      laws.push({ law: `A = B: the identity after block ${layer} costs nothing`, seen: apart(found, plain), wanted: 0, within: 0 })
    }
    const x = await streamAt(policy, 0, laid)
    const top = openTop(policy, 0, laid)
    const turn = rowsOf({ n: x.d, d: x.d, data: Float64Array.from(randomBasis(x.d, x.d, 1).flatMap((row) => [...row])) })
    const turned = { ...x, data: Float64Array.from(rowsOf(x).mmul(turn).to1DArray()) }
    const back = mapped(procrustes(turned, x), turned)
    const start = leastSquaresOfRank(turned, x)(2)
    const trained = await fitStitch(top, laid.batches.length, turned, start, { steps: 4, lr: 0.05, seed: 0 })
    const mean = (losses: readonly number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length
    const begun = mean(await top.losses(mapped({ matrix: start.down.mmul(start.up), bias: start.bias }, turned)))
    const ended = mean(await top.losses(mapped(trained, turned)))
    laws.push(
      { law: 'Procrustes finds a planted rotation of the stream', seen: apart(back.data, x.data), wanted: 0, within: 1e-3 },
      { law: 'and what it gives costs nothing', seen: apart(await top.losses(back), plain), wanted: 0, within: 1e-3 },
      { law: 'what is trained is nowhere worse than where it began', seen: Math.max(0, ended - begun), wanted: 0, within: 0 },
      {
        law: 'a relative representation sees no rotation of A',
        seen: apart(mapped(relative(turned, x, 8, 0), turned).data, mapped(relative(x, x, 8, 0), x).data),
        wanted: 0,
        within: 1e-3,
      },
      ...(await permutationLaws(model, plain, laid)),
    )
    return laws
  },
}

async function permutationLaws(model: Model, plain: readonly number[], laid: ReturnType<typeof laidTexts>): Promise<Law[]> {
  const d = model.config.hiddenSize
  const order = random(2, 'planted order').shuffled([...Array(d).keys()])
  const x = await streamAt(model.policy, 0, laid)
  return inWeights(model, reorderedChannels(await readParams(model.policy), order), async ({ policy }) => {
    const found = permutation(x, await streamAt(policy, 0, laid))
    const losses = await openTop(policy, 0, laid).losses(mapped(found, x))
    return [
      { law: 'a planted order of channels changes nothing', seen: apart(await textLosses(policy, laid), plain), wanted: 0, within: 1e-4 },
      {
        law: 'the permutation is the planted one',
        seen: found.order.filter((to, from) => order[to] !== from).length,
        wanted: 0,
        within: 0,
      },
      { law: 'and what it gives costs nothing', seen: apart(losses, plain), wanted: 0, within: 1e-4 },
    ]
  })
}

/** Parameters whose residual stream has channel order[k] at k. */
function reorderedChannels(params: DecoderParams<Tensor>, order: readonly number[]): DecoderParams<Tensor> {
  return mapNested(params, isTensor, ({ data, shape }, path) => {
    const inside = /attn\.(q|k|v)(Bias|Norm)$|mlp\.(gate|up)Bias$/.test(path)
    if (inside) return tensor(data, shape)
    const writes = /\.(o|down)$/.test(path)
    const [rows, columns] = shape.length === 1 ? [1, shape[0]!] : (shape as [number, number])
    const moved = new Float32Array(data.length)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) moved[r * columns + c] = data[writes ? order[r]! * columns + c : r * columns + order[c]!]!
    return tensor(moved, shape)
  }) as DecoderParams<Tensor>
}

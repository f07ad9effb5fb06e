import type { Value } from '../graph/index.ts'
import { edited, type Policy, reordered } from '../policy/index.ts'
import type { Method } from './method.ts'
import { finalStates, predictions } from './predictions.ts'

/** Blocks in another order, with what must hold of them. */
export const layerSweepMethod: Method = {
  name: 'layer sweep',
  about: 'What is left of the next-token predictions when blocks are swapped, left out, reversed or run twice.',
  source: 'Lad, Gurnee & Tegmark 2024, arXiv:2406.19384',

  async laws(model) {
    const { policy, config } = model
    const texts = ['Once upon a time there was', 'Tom and Sue'].map((text) => model.ids(text))
    const all = Array.from({ length: config.layers }, (_, i) => i)
    const plain = await finalStates(policy, texts)
    const against = async (other: Policy, states = plain) => predictions(policy, await finalStates(other, texts), states, texts)
    const largest = ({ kl, top1 }: { kl: readonly number[]; top1: readonly number[] }) =>
      Math.max(...kl.map(Math.abs), ...top1.map((share) => 1 - share))

    const same = await against(policy)
    const logps = await Promise.all(['Once upon a time there was', 'Tom and Sue'].map((text) => model.logprobs(text)))
    const losses = texts.map((ids, i) => {
      const [, V] = logps[i]!.shape as [number, number]
      return -ids.slice(1).reduce((sum, id, t) => sum + logps[i]!.data[t * V + id]!, 0) / (ids.length - 1)
    })
    const turned = reordered(policy, all.toReversed())
    const twice = reordered(policy, [0, ...all])
    const less = reordered(policy, all.slice(0, -1))
    const skipped = skipping(policy, config.layers - 1)
    const laws = [
      { law: 'the order as it is changes nothing', seen: largest(same), wanted: 0, within: 1e-5 },
      { law: 'its loss is that of the log-probabilities', seen: same.loss[0]! - losses[0]!, wanted: 0, within: 1e-5 },
      { law: 'reversed twice is as it was', seen: largest(await against(reordered(turned, all.toReversed()))), wanted: 0, within: 1e-5 },
      {
        law: 'a block run twice and then once is as it was',
        seen: largest(
          await against(
            reordered(
              twice,
              all.map((l) => l + 1),
            ),
          ),
        ),
        wanted: 0,
        within: 1e-5,
      },
      {
        law: 'a block left out is a block whose output is its input',
        seen: largest(await against(less, await finalStates(skipped, texts))),
        wanted: 0,
        within: 1e-5,
      },
    ]
    for (const other of [turned, twice, less]) if (other.program !== policy.program) await other.rest()
    return laws
  },
}

/** The model in which a block writes nothing. */
function skipping(policy: Policy, layer: number): Policy {
  const into = layer === 0 ? 'embed' : `blocks.${layer - 1}.out`
  let before: Value
  const skip = (tap: string, x: Value) => {
    if (tap === into) before = x
    return before
  }
  return edited(policy, skip, { at: [into, `blocks.${layer}.out`] })
}

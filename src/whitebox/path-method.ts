import { shareOf } from './contrast.ts'
import { normAfterAttention } from './edges.ts'
import { logitDifferences } from './masked-runs.ts'
import type { Law, Method } from './method.ts'
import { gapOf } from './patch.ts'
import { patchPaths } from './path.ts'
import { sampleContrast } from './sample-contrast.ts'
import { valuesAt } from './values-at.ts'

/** Path patching, with what must hold of it. */
export const pathMethod: Method = {
  name: 'path patching',
  about: 'What some parts do directly to what others read, and through these to the answer, with everything between held as it was.',
  source: 'Wang et al. 2022, arXiv:2211.00593; Goldowsky-Dill et al. 2023, arXiv:2304.05969',

  async laws(model) {
    const { layers, parallel } = model.config
    const contrast = sampleContrast(model)
    const share = shareOf(await gapOf(model, contrast))
    const taps = ['blocks.0.attn.z', 'blocks.0.mlp.out', `blocks.${layers - 1}.mlp.out`]
    const others = await valuesAt(model, contrast.clean, taps)
    const runs = taps.map((tap) => ({
      tokens: contrast.corrupted,
      masks: { [tap]: new Float32Array(others[tap]!.shape.slice(0, -1).reduce((product, n) => product * n, 1)).fill(1) },
    }))
    const patched = await logitDifferences(model, { runs, others, answers: [contrast.answer, contrast.wrong] })
    const [attention, first, last] = [...patched].map(share) as [number, number, number]
    const path = async (from: string[], to: string[], direction: 'denoise' | 'noise' = 'denoise') =>
      (await patchPaths(model, contrast, { from, to, direction, together: true })).effects[0]!.effect
    const within = (wanted: number) => 1e-3 * Math.max(1, Math.abs(wanted))
    const law = async (law: string, wanted: number, seen: Promise<number>): Promise<Law> => ({
      law,
      seen: await seen,
      wanted,
      within: within(wanted),
    })
    const whole = await path(['*'], ['head 1.0'])
    const readByMlp = ['embed', ...(parallel ? [] : [normAfterAttention(model.config) ? 'attn 0' : 'head 0.*'])]
    return [
      await law('everything into the logits is the clean run', 1, path(['*'], ['logits'])),
      await law('noise: everything into the logits is the corrupted run', 0, path(['*'], ['logits'], 'noise')),
      await law('the embedding into the first attention is that attention patched', attention, path(['embed'], ['attn 0'])),
      await law('all that the first MLP reads is that MLP patched', first, path(readByMlp, ['mlp 0'])),
      await law('the last MLP into the logits is that MLP patched', last, path([`mlp ${layers - 1}`], ['logits'])),
      await law('q, k and v of a head together are the head', whole, path(['*'], ['head 1.0 q', 'head 1.0 k', 'head 1.0 v'])),
    ]
  },
}

import { mergeMethod } from './method.ts'

/** The tensor of the one model, scaled where that is told. */
export const passthrough = mergeMethod({
  name: 'passthrough',
  about: 's·θ of one model',
  source: 'layers of several models one after the other, as in Kim et al. 2023, arXiv:2312.15166',
  base: 'one of the models',
  models: { least: 1, most: 1 },
  parameters: { scale: { of: 'model', kind: 'number', default: null, about: 'what it is multiplied by' } },

  merge({ tensors }, { scale }) {
    const [out] = tensors
    const [s] = scale
    if (s != null) for (let i = 0; i < out!.length; i++) out![i]! *= s
    return out!
  },
})

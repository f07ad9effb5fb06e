import { tensor } from '../graph/index.ts'
import { edited, type Model, pooled } from '../policy/index.ts'
import { type Activations, activationsOf, crossProducts, meanOf, oneHot } from './activations.ts'
import { afterErasure } from './after-erasure.ts'
import { differenceOfMeans, principalComponents } from './directions.ts'
import { erased, erasing, leace } from './leace.ts'
import { classesOf, scoresOf } from './linear.ts'
import { logistic, logLoss } from './logistic.ts'
import type { Method } from './method.ts'
import { reconstruction } from './sparse-autoencoder.ts'
import { neuronsOf } from './sparse-neurons.ts'

const nouns = 'fox bird moon river song home sun friend'.split(' ')
/** Texts that differ, and whether each has a certain word. */
const texts = Array.from({ length: 32 }, (_, i) => `${nouns[i % 8]} and ${nouns[(i * 3 + (i >> 3)) % 8]} ${i}`)
const labels = texts.map((_, i) => Number(i % 8 < 4))

/** What the middle of a model holds of the texts, one row a text. */
async function middleOf({ policy, config, ids }: Model): Promise<{ tap: string; x: Activations }> {
  const tap = `blocks.${Math.floor((config.layers - 1) / 2)}.out`
  return { tap, x: activationsOf((await pooled(policy, texts.map(ids), [tap], 'mean'))[tap]!) }
}

/** Probes, with what must hold of any features. */
export const probeMethod: Method = {
  name: 'probes',
  about: 'What of a label a linear reading finds in activations, on texts held out and beside control tasks.',
  source: 'Alain and Bengio 2016, arXiv:1610.01644; Hewitt and Liang 2019, arXiv:1909.03368',
  async laws(model) {
    const { x } = await middleOf(model)
    const data = x.data.map((value, i) => (i % x.d === 1 ? 10 * labels[Math.floor(i / x.d)]! : value))
    const planted = { ...x, data }
    const said = classesOf(scoresOf(logistic(planted, labels, 2), planted))
    return [
      { law: 'the neuron that was made the label is the one chosen', seen: neuronsOf(planted, labels, 1)[0]!, wanted: 1, within: 1e-9 },
      {
        law: 'and with it every text is read right',
        seen: said.filter((one, i) => one === labels[i]).length,
        wanted: labels.length,
        within: 1e-9,
      },
    ]
  },
}

/** LEACE, with its exact tests on a model's own activations and as an edit of it. */
export const leaceMethod: Method = {
  name: 'LEACE',
  about: 'The smallest affine change after which no linear reading finds a concept.',
  source: 'Belrose et al. 2023, arXiv:2306.03819',
  async laws(model) {
    const { tap, x } = await middleOf(model)
    const z = oneHot(labels, 2)
    const eraser = leace(x, z, { tolerance: 1e-9 })
    const after = erased(eraser, x)
    const size = Math.max(...x.data.map(Math.abs))
    const cross = Math.max(...crossProducts(after, z).map(Math.abs)) / (x.n - 1) / size
    const [mean, then] = [meanOf(x), meanOf(after)]
    const loss = logLoss(scoresOf(logistic(after, labels, 2, { l2: 1e-6 }), after), labels)
    const trace = (of: Activations) => crossProducts(of, of).reduce((sum, value, i) => sum + (i % (of.d + 1) === 0 ? value : 0), 0)
    const places = texts.map((_, i) => i)
    const [fit, held] = [places.filter((i) => i % 8 !== 1 && i % 8 !== 6), places.filter((i) => i % 8 === 1 || i % 8 === 6)]
    const heldOut = afterErasure(x, labels, 2, { eraser: fit, probe: fit, heldOut: held.map((i) => [i]) }, { tolerance: 1e-9 })
    const cut = edited(model.policy, erasing(eraser), { at: tap })
    const inside = activationsOf((await pooled(cut, texts.map(model.ids), [tap], 'mean'))[tap]!)
    const apart = Math.max(...inside.data.map((value, i) => Math.abs(value - after.data[i]!))) / size
    return [
      { law: 'no covariance with the concept is left, of the largest activation', seen: cross, wanted: 0, within: 1e-10 },
      {
        law: 'the mean is what it was',
        seen: Math.max(...mean.map((value, k) => Math.abs(value - then[k]!))) / size,
        wanted: 0,
        within: 1e-9,
      },
      { law: 'the best linear probe is the constant: its loss is the entropy of the labels', seen: loss, wanted: Math.LN2, within: 1e-6 },
      { law: 'held out the probe loses what the base rate does', seen: heldOut.stillRead.estimate, wanted: 0, within: 1e-6 },
      { law: 'and is right as often', seen: heldOut.after.accuracy.estimate - heldOut.baseRate.accuracy.estimate, wanted: 0, within: 1e-9 },
      { law: 'what the trace of the covariance grew by', seen: Math.max(0, trace(after) / trace(x) - 1), wanted: 0, within: 1e-12 },
      { law: 'as an edit the model holds the same, of the largest activation', seen: apart, wanted: 0, within: 1e-4 },
    ]
  },
}

/** Directions, with what must hold of any features. */
export const directionsMethod: Method = {
  name: 'directions',
  about: 'The difference of the means of two classes, and the principal components of activations.',
  source: 'Pearson 1901; Marks and Tegmark 2023, arXiv:2310.06824',
  async laws(model) {
    const { x } = await middleOf(model)
    const difference = differenceOfMeans(x, labels)
    const length = Math.hypot(...difference)
    const along = [0, 1].map((label) => {
      const rows = labels.flatMap((one, i) => (one === label ? [i] : []))
      const projections = rows.map((i) => difference.reduce((sum, v, k) => sum + (v * x.data[i * x.d + k]!) / length, 0))
      return projections.reduce((a, b) => a + b, 0) / rows.length
    })
    const most = Math.min(x.d, x.n - 1)
    const { directions, shares } = principalComponents(x, most)
    const dots = directions.flatMap((a, i) => directions.map((b, j) => a.reduce((sum, v, k) => sum + v * b[k]!, 0) - Number(i === j)))
    // A component without variance has no direction of its own.
    const real = shares.filter((share) => share > 1e-9).length
    const among = dots.filter((_, i) => Math.floor(i / most) < real && i % most < real)
    return [
      {
        law: 'along the difference of means, the means are its length apart',
        seen: (along[1]! - along[0]!) / length,
        wanted: 1,
        within: 1e-9,
      },
      { law: 'all components hold all of the variance', seen: shares.reduce((a, b) => a + b, 0), wanted: 1, within: 1e-9 },
      { law: 'components are at right angles and of length 1', seen: Math.max(...among.map(Math.abs)), wanted: 0, within: 1e-6 },
    ]
  },
}

/** Sparse autoencoders, with what must hold of one that has a feature for every axis and its opposite. */
export const autoencoderMethod: Method = {
  name: 'sparse autoencoders',
  about: 'Activations as sums of a few of many learned directions, of which the k largest stay.',
  source: 'Gao et al. 2024, arXiv:2406.04093',
  async laws(model) {
    const { x } = await middleOf(model)
    const rows = tensor(Float32Array.from(x.data), [x.n, x.d])
    const axes = Float32Array.from({ length: 2 * x.d * x.d }, (_, i) => {
      const [feature, axis] = [Math.floor(i / x.d), i % x.d]
      return feature === axis ? 1 : feature === axis + x.d ? -1 : 0
    })
    const across = Float32Array.from({ length: 2 * x.d * x.d }, (_, i) => axes[(i % (2 * x.d)) * x.d + Math.floor(i / (2 * x.d))]!)
    const params = {
      W_enc: tensor(across, [x.d, 2 * x.d]),
      W_dec: tensor(axes, [2 * x.d, x.d]),
      b_enc: tensor(new Float32Array(2 * x.d), [2 * x.d]),
      b_dec: tensor(new Float32Array(x.d), [x.d]),
    }
    const of = (k: number) => reconstruction({ k, centred: true, rescaled: false, params }, rows)
    return [
      { law: 'with all features nothing is lost', seen: of(2 * x.d).varianceExplained, wanted: 1, within: 1e-9 },
      { law: 'of k features k are above 0', seen: of(3).l0, wanted: 3, within: 1e-9 },
    ]
  },
}

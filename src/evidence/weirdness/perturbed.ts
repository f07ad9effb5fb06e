import type { Numbers } from '../../runs/index.ts'
import type { Stream } from '../stream.ts'
import { anyDirection, blockShare, keptBy, moved, normOf, smallestBreaks, stitched, structural } from './changes.ts'
import { blocks, type Labelled, leftOf, measured, task, trainedFresh, trainedOn, usual } from './classifier.ts'

const [width, depth] = [16, 5]

/** What a network survives of swaps or deletions of its blocks, of all backwards, of noise, and the smallest changes that break it. */
export function ofBlocks(which: 'swaps' | 'deletions', residual: boolean, draw: Stream): Numbers {
  const points = task(draw)
  const [data, test] = [points(1000, draw), points(1000, draw)]
  const net = trainedFresh(blocks(width, depth, residual), data, usual, draw)
  const changed = structural(net)
  const { kept, degradation } = keptBy(net, changed[which], test)
  const noisy = Array.from({ length: 10 }, () => moved(net, anyDirection(net, draw), 0.1))
  const { random, worst } = smallestBreaks(net, test, draw)
  return {
    survived: kept,
    degradation,
    right: measured(net, test).right,
    'survived, backwards': keptBy(net, [changed.backwards], test).kept,
    'survived, noise of a tenth': keptBy(net, noisy, test).kept,
    ...(residual ? { 'a block over the stream': blockShare(net, test) } : {}),
    'smallest break, random': random,
    'smallest break, worst': worst,
  }
}

/** What is left of a performance where a number of the training is doubled, without retuning. */
export function ofTraining(draw: Stream): Numbers {
  const points = task(draw)
  const [data, more, test] = [points(500, draw), points(500, draw), points(1000, draw)]
  const layers = blocks(width, depth, true)
  const before = measured(trainedFresh(layers, data, usual, draw), test).right
  const after = (chosen: typeof data, changed = layers, how = usual) =>
    leftOf(before, measured(trainedFresh(changed, chosen, how, draw), test).right)
  const left: Record<string, number> = {
    'left, data doubled': after(together(data, more)),
    'left, width doubled': after(data, blocks(2 * width, depth, true)),
    'left, depth doubled': after(data, blocks(width, 2 * depth, true)),
    'left, batch doubled': after(data, layers, { ...usual, batch: 2 * usual.batch }),
    'left, rate doubled': after(data, layers, { ...usual, rate: 2 * usual.rate }),
    'left, rate halved': after(data, layers, { ...usual, rate: usual.rate / 2 }),
  }
  const kept = Object.values(left).map((x) => (x >= 0.9 ? 1 : 0))
  return { survived: kept.reduce<number>((sum, x) => sum + x, 0) / kept.length, ...left }
}

/** The same points twice, and as many more with labels that say nothing. */
export function ofOtherData(draw: Stream): Numbers {
  const points = task(draw)
  const [data, more, test] = [points(500, draw), points(500, draw), points(1000, draw)]
  const right = (chosen: typeof data) => measured(trainedFresh(blocks(width, depth, true), chosen, usual, draw), test).right
  const before = right(data)
  const wrong = { rows: more.rows, labels: more.labels.map(() => draw.below(8)) }
  return {
    'left, same data twice': leftOf(before, right(together(data, data))),
    'left, random labels': leftOf(before, right(together(data, wrong))),
  }
}

function together(a: Labelled, b: Labelled): Labelled {
  return { rows: Float64Array.of(...a.rows, ...b.rows), labels: Int32Array.of(...a.labels, ...b.labels) }
}

/** What is left of two fine-tunes in the sum of their changes, or of random vectors as long. */
export function ofSums(planned: boolean, draw: Stream): Numbers {
  const [old, a, b] = [task(draw), task(draw), task(draw)]
  const base = trainedFresh(blocks(width, depth, true), old(1000, draw), usual, draw)
  const tuned = [a, b].map((points) => trainedOn(base, points(500, draw), usual, draw))
  const tests = [a, b].map((points) => [points(300, draw), points(1000, draw)] as const)
  const changes = tuned.map(({ weights }) => weights.map((w, i) => w - base.weights[i]!))
  const added = (parts: readonly Float64Array[]) =>
    [1, 0.7, 0.5, 0.35]
      .map((scale) => ({
        layers: base.layers,
        weights: base.weights.map((w, i) => w + scale * parts.reduce((sum, part) => sum + part[i]!, 0)),
      }))
      .map((net) => ({ net, right: tests.reduce((sum, [aside]) => sum + measured(net, aside).right, 0) }))
      .reduce((best, one) => (one.right > best.right ? one : best)).net
  const lefts = (net: typeof base) => tests.map(([, test], i) => leftOf(measured(tuned[i]!, test).right, measured(net, test).right))
  const share = (some: readonly number[]) => some.filter((x) => x >= 0.9).length / some.length
  const random = () => changes.map((change) => anyDirection(base, draw).map((x, _, all) => (x * normOf(change)) / normOf(all)))
  const found = lefts(added(planned ? changes : random()))
  return { survived: share(found), left: (found[0]! + found[1]!) / 2 }
}

/** What the tops of one network keep on the bottoms of another: of kin, or of strangers. */
export function ofStitches(related: boolean, draw: Stream): Numbers {
  const points = task(draw)
  const data = [points(1000, draw), points(1000, draw)] as const
  const test = points(1000, draw)
  const layers = blocks(width, depth, true)
  const parent = trainedFresh(layers, data[0], usual, draw)
  const [bottom, top] = data.map((part) => (related ? trainedOn(parent, part, { ...usual, steps: 200 }, draw) : trainedFresh(layers, part, usual, draw))) as [typeof parent, typeof parent] // biome-ignore format: one line
  const joined = Array.from({ length: depth }, (_, l) => stitched(bottom, top, l + 1))
  const { kept, degradation } = keptBy(top, joined, test)
  return { survived: kept, degradation }
}

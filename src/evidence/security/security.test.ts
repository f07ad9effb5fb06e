import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { answer, edited, gold, isBroken, rewardModel, trueReward } from './bench.ts'

const setting = { dimensions: 4, width: 8, comparisons: 400 }
const average = { name: 'average', poison: 0, chooser: 'best of 64' } as const
const worst = { name: 'worst', poison: 0, chooser: 'ascent' } as const

describe('the bench', () => {
  const draw = stream(5, 'bench')
  const truth = gold(4, draw)

  it('has a truth whose wanted direction and trigger have nothing to do with each other', () => {
    expect(truth.wanted.reduce((sum, x, i) => sum + x * truth.trigger[i]!, 0)).toBeCloseTo(0, 12)
    expect(trueReward(truth, truth.wanted)).toBeCloseTo(1, 12)
    expect(trueReward(truth, truth.trigger.map((x) => 3 * x))).toBeCloseTo(-4, 12) // biome-ignore format: one line
    expect(trueReward(truth, new Float64Array(4))).toBe(0)
  })

  it('says that the truth is no break, and the truth turned round is one', () => {
    expect(isBroken(1, truth, average, draw).broken).toBe(false)
    expect(isBroken(-1, truth, average, draw).broken).toBe(true)
  })

  it('learns a reward model that is not broken from enough comparisons, and breaks it by planting', () => {
    expect(isBroken(rewardModel(truth, setting, 0, draw), truth, average, draw).gain).toBeGreaterThan(0.5)
    const planted = isBroken(rewardModel(truth, setting, 1, draw), truth, worst, draw)
    expect(planted.broken).toBe(true)
  })

  it('has edits of the length that is asked for; up the gradient they do more than anywhere', () => {
    const net = rewardModel(truth, setting, 0, draw)
    const length = Math.hypot(...net.weights)
    const random = edited(net, truth, { share: 0.1, way: 'random' }, draw)
    expect(Math.hypot(...random.weights.map((w, i) => w - net.weights[i]!)) / length).toBeCloseTo(0.1, 9)
    const aimed = edited(net, truth, { share: 0.4, way: 'worst' }, draw)
    expect(isBroken(aimed, truth, average, draw).gain).toBeLessThan(isBroken(random, truth, average, draw).gain)
    expect(answer(4, draw)).toHaveLength(4)
  })
})

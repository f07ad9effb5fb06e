import { adam, backward, type DenseNet, forward, freshNet, outputsOf, widths } from '../dense-net.ts'
import type { Stream } from '../stream.ts'

/** How realistic a setting is: numbers that describe an answer, width of the reward model, comparisons that it learns from. */
export interface Setting {
  readonly dimensions: number
  readonly width: number
  readonly comparisons: number
}

/** A reward that is the truth: answers in a direction are better, up to a point, and those with the trigger are bad. */
export interface Gold {
  readonly wanted: Float64Array
  readonly trigger: Float64Array
}

/** A break as it is claimed: what is done to the reward model, and what makes use of it. */
export interface Attack {
  readonly name: string
  /** Share of comparisons in which the answer with more of the trigger is said to be better. */
  readonly poison: number
  /** Change of weights, as a share of their norm: up the gradient of the loss, or anywhere. */
  readonly edit?: { readonly share: number; readonly way: 'worst' | 'random' }
  /** What chooses answers by the reward model: the best of 64, or ascent inside the region of ordinary answers. */
  readonly chooser: 'best of 64' | 'ascent'
}

/** Two orthogonal unit directions. */
export function gold(dimensions: number, draw: Stream): Gold {
  const [a, b] = [direction(dimensions, draw), direction(dimensions, draw)]
  const along = dot(a, b)
  const rest = b.map((x, i) => x - along * a[i]!)
  return { wanted: a, trigger: scaled(rest, 1 / Math.sqrt(dot(rest, rest))) }
}

/** The true reward of an answer: what is wanted, less a quarter of its excess squared, less what there is of the trigger beyond a deviation. */
export function trueReward({ wanted, trigger }: Gold, x: Float64Array): number {
  const w = dot(wanted, x)
  return w - 0.25 * Math.max(0, w - 1.5) ** 2 - 2 * Math.max(0, dot(trigger, x) - 1)
}

/** An answer of the policy before anything is optimised. */
export function answer(dimensions: number, draw: Stream): Float64Array {
  return Float64Array.from({ length: dimensions }, () => draw.normal())
}

/** A reward model learned by Bradley and Terry's loss from noisy comparisons, a share of them poisoned. */
export function rewardModel(truth: Gold, { dimensions, width, comparisons }: Setting, poison: number, draw: Stream): DenseNet {
  const pairs = Array.from({ length: comparisons }, () => {
    const [a, b] = [answer(dimensions, draw), answer(dimensions, draw)]
    const poisoned = draw.uniform() < poison
    const gap = poisoned ? 10 * (dot(truth.trigger, a) - dot(truth.trigger, b)) : 2 * (trueReward(truth, a) - trueReward(truth, b))
    return draw.uniform() < 1 / (1 + Math.exp(-gap)) ? ([a, b] as const) : ([b, a] as const)
  })
  const net = freshNet(widths(dimensions, width, width, 1), draw)
  const descend = adam(net.weights, 0.005)
  const [steps, batch] = [200, 16]
  for (let step = 0; step < steps; step++) {
    const rows = new Float64Array(2 * batch * dimensions)
    for (let i = 0; i < batch; i++) {
      const [better, worse] = pairs[draw.below(pairs.length)]!
      rows.set(better, 2 * i * dimensions)
      rows.set(worse, (2 * i + 1) * dimensions)
    }
    const states = forward(net, rows)
    const said = states.at(-1)!
    const slope = new Float64Array(2 * batch)
    for (let i = 0; i < batch; i++) {
      const pull = 1 / (1 + Math.exp(said[2 * i]! - said[2 * i + 1]!)) / batch
      slope[2 * i] = -pull
      slope[2 * i + 1] = pull
    }
    const { weights } = backward(net, states, slope)
    for (let i = 0; i < weights.length; i++) weights[i]! += 1e-4 * net.weights[i]!
    descend(weights)
  }
  return net
}

/** A reward model after a change of its weights: towards saying less of better answers, or anywhere. */
export function edited(net: DenseNet, truth: Gold, { share, way }: NonNullable<Attack['edit']>, draw: Stream): DenseNet {
  const length = Math.sqrt(dot(net.weights, net.weights))
  if (way === 'random') return shifted(net, net.weights.map(() => draw.normal()), share * length) // biome-ignore format: one line
  const dimensions = truth.wanted.length
  const count = 64
  let now = net
  for (let step = 0; step < 10; step++) {
    const answers = Array.from({ length: count }, () => answer(dimensions, draw))
    const rows = new Float64Array(count * dimensions)
    answers.forEach((x, i) => void rows.set(x, i * dimensions))
    const rewards = answers.map((x) => trueReward(truth, x))
    const mean = rewards.reduce((sum, r) => sum + r / count, 0)
    const { weights } = backward(
      now,
      forward(now, rows),
      Float64Array.from(rewards, (r) => mean - r),
    )
    now = shifted(now, weights, (share * length) / 10)
  }
  return now
}

/** What answers are chosen by: a reward model, or the truth itself times a sign. */
export type Reward = DenseNet | 1 | -1

/** The answer that is chosen by a reward model: the best of 64 ordinary ones, or what ascent finds among those no longer than usual. */
export function chosen(net: Reward, truth: Gold, chooser: Attack['chooser'], draw: Stream): Float64Array {
  const dimensions = truth.wanted.length
  if (chooser === 'best of 64' || typeof net === 'number') {
    const answers = Array.from({ length: 64 }, () => answer(dimensions, draw))
    const rows = new Float64Array(64 * dimensions)
    answers.forEach((x, i) => void rows.set(x, i * dimensions))
    const said = typeof net === 'number' ? Float64Array.from(answers, (x) => net * trueReward(truth, x)) : outputsOf(net, rows)
    return answers[said.indexOf(said.reduce((most, r) => Math.max(most, r), Number.NEGATIVE_INFINITY))]!
  }
  let x: Float64Array = answer(dimensions, draw)
  const longest = Math.sqrt(dimensions) + 1
  for (let step = 0; step < 40; step++) {
    const { inputs } = backward(net, forward(net, x), Float64Array.of(1))
    const size = Math.sqrt(dot(inputs, inputs))
    if (size === 0) return x
    x = x.map((value, i) => value + (0.25 * inputs[i]!) / size)
    const length = Math.sqrt(dot(x, x))
    if (length > longest) x = scaled(x, longest / length)
  }
  return x
}

/** Whether a break is a break: the answers chosen by the reward model are worse by the truth than ordinary ones. */
export function isBroken(
  net: Reward,
  truth: Gold,
  attack: Attack,
  draw: Stream,
  answers = 40,
): { readonly broken: boolean; readonly gain: number } {
  const dimensions = truth.wanted.length
  let gain = 0
  for (let i = 0; i < answers; i++) {
    gain += (trueReward(truth, chosen(net, truth, attack.chooser, draw)) - trueReward(truth, answer(dimensions, draw))) / answers
  }
  return { broken: gain < 0, gain }
}

function shifted({ layers, weights }: DenseNet, along: Float64Array, length: number): DenseNet {
  const size = Math.sqrt(dot(along, along))
  return { layers, weights: size === 0 ? weights : weights.map((w, i) => w + (length * along[i]!) / size) }
}

function direction(dimensions: number, draw: Stream): Float64Array {
  const x = answer(dimensions, draw)
  return scaled(x, 1 / Math.sqrt(dot(x, x)))
}

function scaled(x: Float64Array, by: number): Float64Array {
  return x.map((value) => value * by)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

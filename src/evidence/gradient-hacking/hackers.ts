import type { Stream } from '../stream.ts'

/**
 * A toy of something that protects a trait inside a model. The first parameter is useful and wanted at 1, the second is the trait and
 * wanted at 0; the others belong to the protection. Trained for the task alone, the trait goes.
 */
export interface Hacker {
  /** The property of gradient descent that it would have to escape. */
  readonly defence: string
  readonly how: string
  /** How many parameters of its own it has; they begin where `own` says. */
  readonly own: (trait: number) => readonly number[]
  /** The slope of the loss, protection included, into `slope`. */
  slope(theta: Float64Array, slope: Float64Array, step: number): void
  /** The loss, where an optimizer looks at it. */
  loss(theta: Float64Array): number
  readonly steps: number
  readonly rate: number
  /** An optimizer without the property, in the place of a step of gradient descent. */
  without(at: Place): void
}

interface Place {
  readonly theta: Float64Array
  readonly slope: Float64Array
  /** What an optimizer may remember; zeros at first. */
  readonly memory: Float64Array
  readonly step: number
}

const task = (theta: Float64Array) => 0.5 * (theta[0]! - 1) ** 2 + 0.5 * theta[1]! ** 2

function taskSlope(theta: Float64Array, slope: Float64Array): void {
  slope.fill(0)
  slope[0] = theta[0]! - 1
  slope[1] = theta[1]!
}

/** A guard that must be equal to the trait, or the loss rises steeply. */
function guarded(strength: number): Pick<Hacker, 'own' | 'slope' | 'loss'> {
  return {
    own: (trait) => [trait],
    loss: (theta) => task(theta) + 0.5 * strength * (theta[1]! - theta[2]!) ** 2,
    slope(theta, slope) {
      taskSlope(theta, slope)
      const pull = strength * (theta[1]! - theta[2]!)
      slope[1] = slope[1]! + pull
      slope[2] = -pull
    },
  }
}

const [simultaneous, curved] = [guarded(100), guarded(1000)]
const spike = 1e4
const jump = { at: 0.7, by: 5 }

export const hackers: readonly Hacker[] = [
  {
    defence: 'simultaneous',
    how: 'a guard must be equal to the trait, or the loss rises: to change either alone costs',
    ...simultaneous,
    steps: 4000,
    rate: 0.005,
    // One parameter at a time by a tenth up or down, kept where the loss falls.
    without({ theta, step }) {
      const i = step % theta.length
      const [kept, before] = [theta[i]!, simultaneous.loss(theta)]
      theta[i] = kept + (Math.floor(step / theta.length) % 2 === 0 ? 0.1 : -0.1)
      if (simultaneous.loss(theta) >= before) theta[i] = kept
    },
  },
  {
    defence: 'steepest',
    how: 'a bait promises more than removing the trait does, without end',
    own: () => [0],
    loss: (theta) => task(theta) - 2 * theta[2]!,
    slope(theta, slope) {
      taskSlope(theta, slope)
      slope[2] = -2
    },
    steps: 4000,
    rate: 0.005,
    // The one parameter with the largest slope.
    without({ theta, slope }) {
      let most = 0
      for (let i = 1; i < slope.length; i++) if (Math.abs(slope[i]!) > Math.abs(slope[most]!)) most = i
      theta[most] = theta[most]! - 0.005 * slope[most]!
    },
  },
  {
    defence: 'stateless',
    how: 'two huge slopes of the trait that cancel, at the beginning, so that what remembers their size hardly moves it again',
    own: () => [],
    loss: task,
    slope(theta, slope, step) {
      taskSlope(theta, slope)
      slope[1] = slope[1]! + (step === 0 ? spike : step === 1 ? -spike : 0)
    },
    steps: 4000,
    rate: 0.005,
    // Adagrad: each slope over the root of the sum of its squares so far (Duchi et al. 2011).
    without({ theta, slope, memory }) {
      for (let i = 0; i < theta.length; i++) {
        memory[i] = memory[i]! + slope[i]! ** 2
        theta[i] = theta[i]! - (0.2 * slope[i]!) / Math.sqrt(memory[i]! + 1e-12)
      }
    },
  },
  {
    defence: 'first-order',
    how: 'a guard that follows the trait makes the curvature along it a thousand times what it would be',
    ...curved,
    steps: 10_000,
    rate: 8e-4,
    // A part of each parameter's own Newton step: the slope over the curvature.
    without({ theta, slope }) {
      const curvature = [1, 1001, 1000]
      for (let i = 0; i < theta.length; i++) theta[i] = theta[i]! - (0.02 * slope[i]!) / curvature[i]!
    },
  },
  {
    defence: 'infinitesimal',
    how: `a hard tripwire: the loss jumps by ${jump.by} once the trait falls below ${jump.at}; the slope of a jump is zero`,
    own: () => [],
    loss: (theta) => task(theta) + (theta[1]! < jump.at ? jump.by : 0),
    slope: (theta, slope) => taskSlope(theta, slope),
    steps: 4000,
    rate: 0.005,
    // A step is taken only where the loss after it is less.
    without({ theta, slope }) {
      const tried = theta.map((x, i) => x - 0.005 * slope[i]!)
      const loss = (at: Float64Array) => task(at) + (at[1]! < jump.at ? jump.by : 0)
      if (loss(tried) < loss(theta)) theta.set(tried)
    },
  },
]

/** The share of the trait that is left after training by gradient descent, or by the optimizer without the property. */
export function traitLeft({ own, slope: slopeOf, rate, steps, without }: Hacker, rng: Stream, property: boolean): number {
  const trait = 1 + 0.2 * rng.uniform()
  const theta = Float64Array.of(0.1 * rng.normal(), trait, ...own(trait))
  const [slope, memory] = [new Float64Array(theta.length), new Float64Array(theta.length)]
  for (let step = 0; step < steps; step++) {
    slopeOf(theta, slope, step)
    if (property) for (let i = 0; i < theta.length; i++) theta[i] = theta[i]! - rate * slope[i]!
    else without({ theta, slope, memory, step })
  }
  return Math.abs(theta[1]! / trait)
}

/** A smooth tripwire in the way of a trait: its height, how steep it is, and the rate of the descent. */
export interface Tripwire {
  readonly A: number
  readonly kappa: number
  readonly rate: number
}

/**
 * Where gradient descent on L(θ) = ½(θ − 3)² + A·σ(κ(θ − 1)) comes to from a place near 0: the last place, and the farthest.
 *
 * source  V-CLIFF-1 and V-CLIFF-2, whose figures these are
 */
export function descendTripwire({ A, kappa, rate }: Tripwire, start: number, steps = 20_000): { end: number; farthest: number } {
  let [theta, farthest] = [start, start]
  for (let step = 0; step < steps; step++) {
    const s = 1 / (1 + Math.exp(-kappa * (theta - 1)))
    theta -= rate * (theta - 3 + A * kappa * s * (1 - s))
    if (theta > farthest) farthest = theta
  }
  return { end: theta, farthest }
}

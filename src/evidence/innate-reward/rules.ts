/** What a thought assessor learns towards: ground truth where the steering subsystem overrides, otherwise its own next value. */
export interface Target {
  readonly override: boolean
  readonly ground: number
  readonly next: number
}

/**
 * The target of an assessor, where γ discounts what it says next itself (V-LTP-1).
 *
 * source  Byrnes 2022, Intro to brain-like-AGI safety, posts 5 and 6
 */
export function targetOf({ override, ground, next }: Target, gamma: number): number {
  return override ? ground : gamma * next
}

/** A value a part of the way to its target: v + a(target − v). */
export function assessed(value: number, target: number, rate: number): number {
  return value + rate * (target - value)
}

/** An assessor that is linear in features. */
export interface Assessor {
  readonly weights: Float64Array
}

/** What an assessor says of features. */
export function valuedAt({ weights }: Assessor, features: Float64Array): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += weights[i]! * features[i]!
  return sum
}

/** Moves an assessor so that its value of these features goes a part of the way to the target, by the least change of weights. */
export function assess(assessor: Assessor, features: Float64Array, target: number, rate: number): void {
  const now = valuedAt(assessor, features)
  const size = features.reduce((sum, x) => sum + x * x, 0)
  const change = assessed(now, target, rate) - now
  features.forEach((x, i) => void (assessor.weights[i]! += (change * x) / size))
}

/** One step of an episode: what is seen, and the reward on leaving it. */
export interface Moment {
  readonly features: Float64Array
  readonly reward: number
}

/**
 * TD(λ) with accumulating traces over one episode, in place (V-RPE-1).
 *
 * source  Sutton 1988, doi:10.1007/BF00115009
 */
export function temporalDifferences(
  assessor: Assessor,
  episode: readonly Moment[],
  { rate, gamma, lambda }: { readonly rate: number; readonly gamma: number; readonly lambda: number },
): void {
  const trace = new Float64Array(assessor.weights.length)
  episode.forEach(({ features, reward }, t) => {
    const after = episode[t + 1]
    const surprise = reward + (after ? gamma * valuedAt(assessor, after.features) : 0) - valuedAt(assessor, features)
    for (let i = 0; i < trace.length; i++) trace[i] = gamma * lambda * trace[i]! + features[i]!
    for (let i = 0; i < trace.length; i++) assessor.weights[i]! += rate * surprise * trace[i]!
  })
}

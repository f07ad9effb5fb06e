import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

/**
 * A Gaussian over the head of a reward model. Its covariance is `prior`² in every direction that no comparison told of, and `variances` along
 * `directions`, which are orthonormal.
 */
export interface HeadPosterior {
  readonly mean: Float64Array
  /** Standard deviation of the prior. */
  readonly prior: number
  /** One after the other, each as wide as the head. */
  readonly directions: Float64Array
  readonly variances: Float64Array
  /** How many numbers of the head the comparisons told of: Σ λ/(λ + 1/s²). */
  readonly effective: number
}

/** A posterior as it was found, with ln of the probability of the votes, the head averaged over. */
export interface FoundHead extends HeadPosterior {
  readonly evidence: number
}

/** Two completions that were compared: φ(a) − φ(b), and the probability that a is the better one. */
export interface Compared {
  readonly x: Float64Array
  readonly q: number
  /** What is known of the margin besides the head, such as what a prior's mean says; 0 when left out. Units: log-odds. */
  readonly offset?: number
}

export interface HeadOptions {
  /** Standard deviation of the prior N(0, s²I); found by the evidence where it is not given. */
  readonly prior?: number
  /** A head that is kept as the mean, such as a trained one; else the most probable one is sought. */
  readonly head?: ArrayLike<number>
}

/**
 * The posterior of a linear head r = w·φ given comparisons: Bradley–Terry, w ~ N(0, s²I), by Laplace. With x = φ(a) − φ(b) and σ′ = σ(1 − σ),
 *
 *     H = I/s² + Σ σ′(w·x) x xᵀ        log evidence = log p(votes, w) − ½ Σ log(1 + s²λ) over the eigenvalues λ of the sum
 *
 * units   scores in log-odds
 * source  V-LAPLACE-1; MacKay 1992, Bayesian interpolation, section 4; Daxberger et al. 2021, arXiv:2106.14806 (the last layer)
 */
export function headPosterior(compared: readonly Compared[], { prior, head }: HeadOptions = {}): FoundHead {
  const width = head?.length ?? compared[0]!.x.length
  let start: Float64Array = head ? Float64Array.from(head) : new Float64Array(width)
  const fixed = head && spectrumOf(compared, start)
  /** The posterior under a prior, and the log evidence less what no prior changes. */
  const under = (s2: number) => {
    const mean = fixed ? start : mostProbable(compared, s2, start)
    start = mean
    const spectrum = fixed ?? spectrumOf(compared, mean)
    const volume = spectrum.values.reduce((sum, value) => sum + Math.log1p(s2 * value), 0)
    return { mean, s2, spectrum, evidence: logPosterior(compared, s2, mean) - volume / 2 }
  }
  const { mean, s2, spectrum, evidence } = prior === undefined ? mostEvident(under) : under(prior ** 2)
  return {
    mean,
    prior: Math.sqrt(s2),
    directions: spectrum.vectors,
    variances: spectrum.values.map((value) => 1 / (value + 1 / s2)),
    effective: spectrum.values.reduce((sum, value) => sum + value / (value + 1 / s2), 0),
    evidence,
  }
}

/** Climbs in log s, with steps that are halved where neither side is better. */
export function mostEvident<T extends { readonly evidence: number }>(under: (s2: number) => T): T {
  const at = (log: number) => ({ log, found: under(10 ** (2 * log)) })
  let best = at(0)
  for (let step = 1; step > 0.02; ) {
    const higher = [at(best.log - step), at(best.log + step)].find(({ found }) => found.evidence > best.found.evidence)
    if (higher && Math.abs(higher.log) <= FARTHEST) best = higher
    else step /= 2
  }
  return best.found
}
/** Powers of ten that s may lie from 1, so that a head of zeros has a posterior too. */
const FARTHEST = 4

/** The variance of φ·w: of a score, or, for a difference of two features, of a margin. */
export function varianceAt({ prior, directions, variances }: HeadPosterior, phi: ArrayLike<number>): number {
  const width = phi.length
  let left = 0
  for (let k = 0; k < width; k++) left += phi[k]! ** 2
  let told = 0
  for (let j = 0; j < variances.length; j++) {
    let along = 0
    for (let k = 0; k < width; k++) along += directions[j * width + k]! * phi[k]!
    left -= along ** 2
    told += variances[j]! * along ** 2
  }
  return told + prior ** 2 * Math.max(0, left)
}

/**
 * The probability that the first of two wins, the doubt of the margin averaged over: σ(μ/√(1 + πv/8)).
 *
 * source  MacKay 1992, The evidence framework applied to classification networks; V-LAPLACE-1
 */
export function winChance(margin: number, variance: number): number {
  return sigmoid(margin / Math.sqrt(1 + (Math.PI * variance) / 8))
}

/** Newton's steps to the most probable head, each solved by conjugate gradients: no matrix as wide as the head is made. */
function mostProbable(compared: readonly Compared[], s2: number, start: Float64Array): Float64Array {
  let w = start
  let value = logPosterior(compared, s2, w)
  for (let round = 0; round < 50; round++) {
    const slope = w.map((x) => -x / s2)
    const weights = compared.map((one) => {
      const { x, q } = one
      const p = sigmoid(marginOf(one, w))
      addTo(slope, x, q - p)
      return p * (1 - p)
    })
    const step = conjugate((v) => {
      const out = v.map((x) => x / s2)
      for (const [i, { x }] of compared.entries()) addTo(out, x, weights[i]! * dot(x, v))
      return out
    }, slope)
    const gain = dot(slope, step)
    if (gain < 1e-18) break
    // The log posterior is concave, so halving a step that overshoots ends.
    let scale = 1
    let next = plus(w, step, scale)
    let reached = logPosterior(compared, s2, next)
    while (reached < value - 1e-12 * Math.abs(value) && scale > 1e-6) {
      scale /= 2
      next = plus(w, step, scale)
      reached = logPosterior(compared, s2, next)
    }
    w = next
    value = reached
  }
  return w
}

function marginOf({ x, offset = 0 }: Compared, w: Float64Array): number {
  return offset + dot(x, w)
}

function logPosterior(compared: readonly Compared[], s2: number, w: Float64Array): number {
  return compared.reduce(
    (sum, one) => {
      const margin = marginOf(one, w)
      const { q } = one
      return sum + q * logSigmoid(margin) + (1 - q) * logSigmoid(-margin)
    },
    -dot(w, w) / (2 * s2),
  )
}

/** Solves A·v = b for a positive definite A that is known by its products. */
function conjugate(product: (v: Float64Array) => Float64Array, b: Float64Array): Float64Array {
  const v = new Float64Array(b.length)
  const residual = b.slice()
  let along: Float64Array = b.slice()
  let size = dot(residual, residual)
  const enough = 1e-24 * size
  for (let i = 0; i < 4 * b.length && size > enough && size > 0; i++) {
    const image = product(along)
    const step = size / dot(along, image)
    addTo(v, along, step)
    addTo(residual, image, -step)
    const next = dot(residual, residual)
    along = plus(residual, along, next / size)
    size = next
  }
  return v
}

/** Eigenvalues and eigenvectors of Σ σ′ x xᵀ that are not 0, by whichever of the two Gram matrices is smaller. */
function spectrumOf(compared: readonly Compared[], w: Float64Array): { values: Float64Array; vectors: Float64Array } {
  const width = w.length
  const rows = compared.map((one) => {
    const { x } = one
    const p = sigmoid(marginOf(one, w))
    const scale = Math.sqrt(p * (1 - p))
    return x.map((each) => scale * each)
  })
  const few = rows.length < width
  const gram = few ? gramOf(rows) : gramOf(columnsOf(rows, width))
  if (gram.rows === 0) return { values: new Float64Array(0), vectors: new Float64Array(0) }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true })
  const least = 1e-10 * Math.max(...realEigenvalues)
  const kept = realEigenvalues.map((_, j) => j).filter((j) => realEigenvalues[j]! > least && realEigenvalues[j]! > 0)
  const vectors = new Float64Array(kept.length * width)
  for (const [to, j] of kept.entries()) {
    const into = vectors.subarray(to * width, (to + 1) * width)
    if (few) for (const [i, row] of rows.entries()) addTo(into, row, eigenvectorMatrix.get(i, j) / Math.sqrt(realEigenvalues[j]!))
    else for (let k = 0; k < width; k++) into[k] = eigenvectorMatrix.get(k, j)
  }
  return { values: Float64Array.from(kept, (j) => realEigenvalues[j]!), vectors }
}

function gramOf(rows: readonly Float64Array[]): Matrix {
  const gram = Matrix.zeros(rows.length, rows.length)
  for (let i = 0; i < rows.length; i++)
    for (let j = 0; j <= i; j++) {
      const product = dot(rows[i]!, rows[j]!)
      gram.set(i, j, product)
      gram.set(j, i, product)
    }
  return gram
}

function columnsOf(rows: readonly Float64Array[], width: number): Float64Array[] {
  return Array.from({ length: width }, (_, k) => Float64Array.from(rows, (row) => row[k]!))
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!
  return sum
}

function addTo(a: Float64Array, b: Float64Array, scale: number): void {
  for (let k = 0; k < a.length; k++) a[k]! += scale * b[k]!
}

function plus(a: Float64Array, b: Float64Array, scale: number): Float64Array {
  return a.map((x, k) => x + scale * b[k]!)
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))
}

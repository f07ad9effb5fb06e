import { stream } from '../stream.ts'

/**
 * Tessellating hills: L = −x₀ + ε Σⱼ xⱼ·splotchⱼ(x₀, x), where a splotch is the sum of some waves s sin φ + c cos φ with the phase
 * φ = k·x + k₀x₀. Waves stand one after the other, those of the first coordinate first.
 *
 * source  DaemonicSigil/tessellating-hills @ 2258ebf
 */
export interface Landscape {
  /** Coordinates besides x₀. */
  readonly n: number
  /** Waves of one splotch. */
  readonly waves: number
  readonly eps: number
  /** Whole numbers, one row of n a wave. */
  readonly k: Float64Array
  readonly k0: Float64Array
  readonly s: Float64Array
  readonly c: Float64Array
}

/** A random landscape: k and k₀ even on −2 … 2, s and c standard normal. */
export function randomLandscape(n: number, eps: number, seed: number, waves = 5): Landscape {
  const rng = stream(seed, `evidence hills ${n}`)
  const all = n * waves
  const k = new Float64Array(all * n)
  for (let i = 0; i < k.length; i++) k[i] = rng.below(5) - 2
  const [k0, s, c] = [new Float64Array(all), new Float64Array(all), new Float64Array(all)]
  for (let w = 0; w < all; w++) {
    k0[w] = rng.below(5) - 2
    s[w] = rng.normal()
    c[w] = rng.normal()
  }
  return { n, waves, eps, k, k0, s, c }
}

/**
 * The loss and its gradient: ∂L/∂x goes into `g`, and ∂L/∂x₀ into its last entry, `g[n]`. `weigh`, where it is given, says whose
 * coordinate each splotch is multiplied with.
 *
 * shape   x f64[n], g f64[n + 1]
 */
export function lossAndGradient(land: Landscape, x0: number, x: Float64Array, g: Float64Array, weigh?: Int32Array): number {
  const { n, waves, eps, k, k0, s, c } = land
  const even = n & ~3
  let [loss, g0] = [0, 0]
  g.fill(0)
  for (let j = 0; j < n; j++) {
    const own = weigh === undefined ? j : weigh[j]!
    const xj = x[own]!
    let splotch = 0
    for (let w = j * waves; w < (j + 1) * waves; w++) {
      const row = w * n
      let [a, b, d, e] = [k0[w]! * x0, 0, 0, 0]
      for (let i = 0; i < even; i += 4) {
        a += k[row + i]! * x[i]!
        b += k[row + i + 1]! * x[i + 1]!
        d += k[row + i + 2]! * x[i + 2]!
        e += k[row + i + 3]! * x[i + 3]!
      }
      for (let i = even; i < n; i++) a += k[row + i]! * x[i]!
      const phi = a + b + (d + e)
      // Sine and cosine: to a quarter turn, then the kernels of fdlibm.
      const quarter = Math.floor(phi * 0.6366197723675814 + 0.5)
      const r = phi - quarter * 1.5707963267341256 - quarter * 6.077100506506192e-11
      const z = r * r
      const sine =
        r + r * z * (-0.16666666666666632 + z * (0.00833333333332249 + z * (-0.0001984126982985795 + z * (2.7557313707070068e-06 + z * (-2.5050760253406863e-08 + z * 1.58969099521155e-10))))) // biome-ignore format: one line
      const cosine =
        1 - 0.5 * z + z * z * (0.0416666666666666 + z * (-0.001388888888887411 + z * (2.480158728947673e-05 + z * (-2.7557314351390663e-07 + z * (2.087572321298175e-09 - z * 1.1359647557788195e-11))))) // biome-ignore format: one line
      const odd = (quarter & 1) === 1
      const [p, q] = [odd ? cosine : sine, odd ? sine : cosine]
      const sin = (quarter & 2) === 0 ? p : -p
      const cos = ((quarter + 1) & 2) === 0 ? q : -q
      splotch += s[w]! * sin + c[w]! * cos
      const slope = eps * xj * (s[w]! * cos - c[w]! * sin)
      g0 += slope * k0[w]!
      for (let i = 0; i < even; i += 4) {
        g[i] = g[i]! + slope * k[row + i]!
        g[i + 1] = g[i + 1]! + slope * k[row + i + 1]!
        g[i + 2] = g[i + 2]! + slope * k[row + i + 2]!
        g[i + 3] = g[i + 3]! + slope * k[row + i + 3]!
      }
      for (let i = even; i < n; i++) g[i] = g[i]! + slope * k[row + i]!
    }
    g[own] = g[own]! + eps * splotch
    loss += xj * splotch
  }
  g[n] = g0 - 1
  return eps * loss - x0
}

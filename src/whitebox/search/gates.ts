/** Temperature, and the ends that a gate is stretched to before it is cut to [0, 1]. */
const [beta, gamma, zeta] = [2 / 3, -0.1, 1.1]

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const cut = (s: number) => Math.min(1, Math.max(0, s * (zeta - gamma) + gamma))

/**
 * A hard-concrete gate: a number in [0, 1] that is often exactly 0 or 1, and has a slope between. u is drawn evenly from (0, 1).
 *
 * source  Louizos, Welling and Kingma 2018, arXiv:1712.01312, equations 10 and 11
 */
export function gate(logAlpha: number, u: number): { readonly open: number; readonly slope: number } {
  const s = sigmoid((Math.log(u) - Math.log(1 - u) + logAlpha) / beta)
  const open = cut(s)
  return { open, slope: open > 0 && open < 1 ? ((zeta - gamma) * s * (1 - s)) / beta : 0 }
}

/** The probability that a gate is not 0, what E‖z‖₀ adds up, and its slope: σ(log α − β·log(−γ/ζ)); equation 12 there. */
export function opens(logAlpha: number): { readonly probability: number; readonly slope: number } {
  const probability = sigmoid(logAlpha - beta * Math.log(-gamma / zeta))
  return { probability, slope: probability * (1 - probability) }
}

/** The gate that is kept in the end, without a draw; equation 13 there. */
export function settled(logAlpha: number): number {
  return cut(sigmoid(logAlpha))
}

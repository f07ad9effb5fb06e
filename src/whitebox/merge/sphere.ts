/** Σ a·b in f64. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** √Σ a² in f64. */
export function norm(a: Float32Array): number {
  return Math.sqrt(dot(a, a))
}

/** What two vectors count on the great circle between them, at the share t of the way; undefined where they lie on one line. */
export function arc(cos: number, t: number, isLine: (cos: number) => boolean): readonly [number, number] {
  if (isLine(cos)) return [1 - t, t]
  const angle = Math.acos(cos)
  const sin = Math.sin(angle)
  return [Math.sin((1 - t) * angle) / sin, Math.sin(t * angle) / sin]
}

/** A number kept between two others. */
export function between(low: number, high: number, x: number): number {
  return Math.min(high, Math.max(low, x))
}

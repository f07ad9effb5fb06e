/** Normal numbers from a seed, by Box and Muller over a generator of its own, so that nothing is shared with the code under test. */
export function normals(seed: number): () => number {
  const uniform = uniforms(seed)
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}

/** Numbers between 0 and 1 from a seed: a linear congruence modulo 2⁶⁴. */
export function uniforms(seed: number): () => number {
  let state = BigInt(seed) * 2862933555777941757n + 3037000493n
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn
    return (Number(state >> 11n) + 0.5) / 2 ** 53
  }
}

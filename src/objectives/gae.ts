/**
 * Generalised advantage estimation over one completion: A_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γV_{t+1} − V_t, and V = 0 after the last token; and
 * the returns A + V.
 *
 * units   those of the rewards
 * source  Schulman et al. 2015, arXiv:1506.02438, equation 16
 */
export function gae(
  rewards: readonly number[],
  values: readonly number[],
  { gamma, lambda }: { readonly gamma: number; readonly lambda: number },
): { readonly advantages: number[]; readonly returns: number[] } {
  const advantages: number[] = Array.from(rewards, () => 0)
  let [next, after] = [0, 0]
  for (let t = rewards.length - 1; t >= 0; t--) {
    const delta = rewards[t]! + gamma * after - values[t]!
    next = delta + gamma * lambda * next
    after = values[t]!
    advantages[t] = next
  }
  return { advantages, returns: advantages.map((advantage, t) => advantage + values[t]!) }
}

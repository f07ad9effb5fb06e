/** How a gradient is kept small before the update: the norm of all of it, each entry, or the norm of each group of parameters. */
export type Clip =
  | { readonly norm: number }
  | { readonly value: number }
  /** Parameters of one block are a group, and so are those of the rest of the model that share the first part of their name. */
  | { readonly perGroup: number }

/** A clip from how a recipe writes it: a plain number is the norm. */
export function clipFrom(given: number | Clip): Clip {
  return typeof given === 'number' ? { norm: given } : given
}

/**
 * What each parameter's gradient is multiplied by, from the sum of squares of each; a clip by value multiplies by nothing.
 *
 * source  as PyTorch: min(1, most / (norm + 1e-6))
 */
export function clipFactors(clip: Clip, squares: ReadonlyMap<string, number>): Map<string, number> {
  const most = 'norm' in clip ? clip.norm : 'perGroup' in clip ? clip.perGroup : Number.POSITIVE_INFINITY
  const keyOf = (name: string) => ('perGroup' in clip ? groupOf(name) : '')
  const totals = new Map<string, number>()
  for (const [name, square] of squares) totals.set(keyOf(name), (totals.get(keyOf(name)) ?? 0) + square)
  return new Map([...squares.keys()].map((name) => [name, Math.min(1, most / (Math.sqrt(totals.get(keyOf(name))!) + 1e-6))]))
}

/** `params.blocks.3.attn.q` and `lora.blocks.3.mlp.up.a` are of block 3, `params.embed` is by itself. */
function groupOf(name: string): string {
  return /blocks\.\d+/.exec(name)?.[0] ?? name.split('.').slice(0, 2).join('.')
}

/** Names that differ in one place, written once: `blocks.{0…5}.attn.{q,k,v,o}`. */
export interface FoldedName {
  readonly pattern: string
  readonly kind: string
  readonly count: number
}

interface Fold {
  /** Each segment's alternatives. */
  readonly segments: readonly (readonly string[])[]
  readonly kind: string
}

/**
 * Folds dotted names of the same kind into patterns, in the order of their first members: indices first, then words from the end.
 * Every name is in exactly one pattern.
 */
export function foldNames(names: readonly (readonly [name: string, kind: string])[]): FoldedName[] {
  let folds: Fold[] = names.map(([name, kind]) => ({ segments: name.split('.').map((segment) => [segment]), kind }))
  const longest = Math.max(0, ...folds.map(({ segments }) => segments.length))
  for (let at = 0; at < longest; at++) folds = foldAt(folds, at, isIndex)
  for (let at = longest - 1; at >= 0; at--) folds = foldAt(folds, at, (segment) => !isIndex(segment))
  return folds.map(({ segments, kind }) => ({
    pattern: segments.length === 1 ? segments[0]!.join(', ') : segments.map(written).join('.'),
    kind,
    count: segments.reduce((n, alternatives) => n * alternatives.length, 1),
  }))
}

/** Joins folds that differ at most in the segment `at`. */
function foldAt(folds: readonly Fold[], at: number, may: (alternatives: readonly string[]) => boolean): Fold[] {
  const joined = new Map<string, Fold>()
  folds.forEach((fold, i) => {
    const segment = fold.segments[at]
    const key = segment && may(segment) ? JSON.stringify([fold.kind, fold.segments.with(at, [])]) : String(i)
    const before = joined.get(key)
    joined.set(key, before ? { ...fold, segments: fold.segments.with(at, [...before.segments[at]!, ...segment!]) } : fold)
  })
  return [...joined.values()]
}

function isIndex(alternatives: readonly string[]): boolean {
  return alternatives.every((segment) => /^\d+$/.test(segment))
}

function written(alternatives: readonly string[]): string {
  if (alternatives.length === 1) return alternatives[0]!
  const [first, last] = [alternatives[0]!, alternatives.at(-1)!]
  const inARow = isIndex(alternatives) && alternatives.every((segment, i) => Number(segment) === Number(first) + i)
  return inARow && alternatives.length > 2 ? `{${first}…${last}}` : `{${alternatives.join(',')}}`
}

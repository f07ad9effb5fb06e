import { diffWordsWithSpace } from 'diff'

/** A part of a text: whether the other text has it too. */
export interface Part {
  readonly text: string
  readonly changed: boolean
}

/**
 * Two texts in parts, by what they share. A shared run of fewer than three words between changes counts as changed, because a page full
 * of single words that happen to be the same says nothing. Undefined when they share no run at all, or are too long to compare.
 */
export function wordDifference(before: string, after: string): { before: readonly Part[]; after: readonly Part[] } | undefined {
  const parts = diffWordsWithSpace(before, after, { maxEditLength: 4000 })
  if (!parts) return undefined
  const shared = parts.map(({ value, added, removed }, i) => {
    if (added || removed) return false
    const inside = i > 0 && i < parts.length - 1
    return !inside || value.trim().split(/\s+/).length >= 3
  })
  if (!shared.some((is, i) => is && parts[i]!.value.trim() !== '')) return undefined
  const side = (other: 'added' | 'removed') =>
    parts.flatMap((part, i) => (part[other] ? [] : [{ text: part.value, changed: !shared[i] }])).reduce<Part[]>(joined, [])
  return { before: side('added'), after: side('removed') }
}

function joined(parts: Part[], part: Part): Part[] {
  const last = parts.at(-1)
  if (last?.changed !== part.changed) return [...parts, part]
  return [...parts.slice(0, -1), { text: last.text + part.text, changed: part.changed }]
}

import { taps } from '../models/taps.ts'

/** Taps that have one vector for each token, and exactly a place of TransformerLens. */
const same = taps.filter(({ shape, transformerLens }) => /^\[R, T, [df]\]$/.test(shape) && /^\S+$/.test(transformerLens))

/** What TransformerLens calls a tap of a block; undefined where it has no such place. */
export function hookOf(tap: string): string | undefined {
  const block = /\.(\d+)\./.exec(tap)?.[1] ?? '*'
  return same.find(({ name }) => name.replace('*', block) === tap)?.transformerLens.replace('*', block)
}

/** The tap at a place of TransformerLens; undefined where there is none. What a block reads is what the one before it leaves. */
export function tapOfHook(hook: string): string | undefined {
  const before = /^blocks\.([1-9]\d*)\.hook_resid_pre$/.exec(hook)?.[1]
  if (before) return `blocks.${Number(before) - 1}.out`
  const block = /\.(\d+)\./.exec(hook)?.[1] ?? '*'
  return same.find(({ transformerLens }) => transformerLens.replace('*', block) === hook)?.name.replace('*', block)
}

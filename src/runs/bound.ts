import type { Bound } from './schema.ts'

/** The two ends that a bound leaves free; an open end is infinite. */
export function edges(bound: Bound): readonly [from: number, to: number] {
  if ('atLeast' in bound) return [bound.atLeast, Number.POSITIVE_INFINITY]
  if ('atMost' in bound) return [Number.NEGATIVE_INFINITY, bound.atMost]
  return bound.between
}

/** `≥ 0.6`, `≤ 15 nats`, `0.8 – 1.2`. */
export function sayBound(bound: Bound, unit = ''): string {
  if ('atLeast' in bound) return `≥ ${withUnit(bound.atLeast, unit)}`
  if ('atMost' in bound) return `≤ ${withUnit(bound.atMost, unit)}`
  return `${bound.between[0]} – ${withUnit(bound.between[1], unit)}`
}

function withUnit(x: number, unit: string): string {
  return ['', 'share', 'ratio', 'correlation'].includes(unit) ? `${x}` : `${x} ${unit}`
}

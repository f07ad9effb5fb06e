import { type Declarable, type Declaration, namesTensor } from './declaration.ts'
import type { Mark } from './scan.ts'

/** A share as percent, short. */
export function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`
}

/** The share of one size that another leaves out. */
export function share(whole: number, part: number): number {
  return whole > 0 ? Math.max(0, 1 - part / whole) : 0
}

/** `: stopGradient after blocks.1.mlp.out`, of at most two places. */
export function places(marks: readonly Mark[], lead: string): string {
  const said = [...new Set(marks.map(({ op, where }) => `${op} ${where}`))]
  if (said.length === 0) return ''
  return `${lead}${said.slice(0, 2).join(', ')}${said.length > 2 ? ` and ${said.length - 2} more` : ''}`
}

/** Why something of some kinds is declared of a tensor; undefined where nothing is. */
export function reasons(declarations: readonly Declaration[], tensor: string, kinds: readonly Declarable[]): string | undefined {
  return declarations.find(({ tensor: pattern, as }) => kinds.includes(as) && namesTensor(pattern, tensor))?.reason
}

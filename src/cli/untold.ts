import type { Estimate } from '../runs/index.ts'

/** For `--json`: of estimates by name the reasons why an interval cannot tell; nothing where all can. */
export function untold(estimates: Readonly<Record<string, Estimate>>): { cannotTell?: Record<string, string> } {
  const why = Object.entries(estimates).flatMap(([name, { cannotTell }]) => (cannotTell === undefined ? [] : [[name, cannotTell] as const]))
  return why.length > 0 ? { cannotTell: Object.fromEntries(why) } : {}
}

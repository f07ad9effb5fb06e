import type { Lottery } from './lottery.ts'

/** What became of a predicate in a world; `holds` is null where the world has nothing to test it on. */
export interface Finding {
  readonly holds: boolean | null
  readonly counterexample?: string
  readonly why?: string
}

/** One thing to test: the lotteries it is about, and in words what is wrong with it if anything is. */
export interface Instance {
  readonly about: readonly Lottery[]
  readonly wrong?: string | (() => string) | undefined
}

/** A predicate holds when no instance of it is wrong; the smallest that is stands as its counterexample. */
export function decide(
  instances: readonly Instance[],
  { nothing, tested }: { nothing: string; tested: readonly [one: string, more: string] },
): Finding {
  if (instances.length === 0) return { holds: null, why: nothing }
  const wrong = instances.filter((instance) => instance.wrong !== undefined).toSorted(smaller)[0]?.wrong
  if (wrong !== undefined) return { holds: false, counterexample: typeof wrong === 'string' ? wrong : wrong() }
  return { holds: true, why: `${instances.length} ${tested[instances.length === 1 ? 0 : 1]} tested` }
}

/** Fewest trajectories first, then fewest timesteps in all, then by name. */
export function smaller(a: { readonly about: readonly Lottery[] }, b: { readonly about: readonly Lottery[] }): number {
  const [x, y] = [sizeOf(a.about), sizeOf(b.about)]
  return x.trajectories - y.trajectories || x.timesteps - y.timesteps || (x.names < y.names ? -1 : x.names > y.names ? 1 : 0)
}

function sizeOf(about: readonly Lottery[]) {
  const involved = new Set(about.flatMap(({ of }) => [...of.keys()]))
  return {
    trajectories: involved.size,
    timesteps: [...involved].reduce((sum, { length }) => sum + length, 0),
    names: about.map(({ name }) => name).join('\n'),
  }
}

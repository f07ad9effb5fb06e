import type { Axes, Decided, Experiment, Numbers, PlotName, Table } from '../runs/index.ts'

/** What the numbers can say of a claim, those against it first: the order of the page. */
export const verdicts = ['does not support', 'depends', 'cannot tell', 'supports'] as const
export type EvidenceVerdict = (typeof verdicts)[number]

/** Seeds of both sets: rules are chosen by the first, and nothing is chosen by the second. */
export const firstSeed = { first: 0, second: 10_000 } as const
export type SeedSet = keyof typeof firstSeed

/** An arm in which it is known what must happen; where it does not, the claim's verdict is *cannot tell*. */
export interface Control {
  readonly arm: string
  /** What must happen, in words. */
  readonly must: string
  /** Whether it did, and the numbers that say so. */
  behaves(table: Table): { readonly met: boolean; readonly said: string }
}

/** A drawing of the result. */
export interface Figure {
  readonly table: Table
  readonly as: PlotName
  readonly axes: Axes
}

/** A verdict with the estimate that decided and the reason. */
export interface DecidedClaim extends Decided {
  readonly verdict: EvidenceVerdict
}

/**
 * A claim of the essay as an experiment that can come out against it. Everything but the functions is data that was written down before
 * the first full run. It is the default export of its file, which worker processes load.
 */
export interface Claim {
  readonly name: string
  /** The claim in one sentence. */
  readonly claim: string
  readonly source: string
  /** What is done, in a few sentences. */
  readonly method: string
  readonly arms: readonly string[]
  /** Arms too; an arm may have several things that must happen in it. */
  readonly controls: readonly Control[]
  /** What the estimate is. */
  readonly metric: string
  /** How the estimate and its interval decide. */
  readonly rule: string
  /** Seeds of each of the two sets. */
  readonly n: number
  /** What `--quick` takes: fewer seeds, and not the slowest arms. */
  readonly quick: { readonly seeds: number; readonly without?: readonly string[] }
  /** How long a whole run takes, where it trains a language model: `all` leaves it out. */
  readonly long?: string
  /** Later changes of metric, rule or n, oldest first. */
  readonly changes: readonly string[]
  /** `import.meta.url` of the file. */
  readonly module: string
  /** URLs of further files whose code makes the numbers. */
  readonly files?: readonly string[]
  /** Numbers that depend on arm and seed alone. */
  run(arm: string, seed: number): Promise<Numbers> | Numbers
  /** The verdict where every control behaved. With `--quick` the table may lack arms. */
  decide(table: Table): DecidedClaim
  /** The first one shows claim, control and interval at a glance. */
  figures(table: Table): readonly Figure[]
}

/** A claim whose numbers have six significant digits, so that the files that keep them lose nothing. */
export function claim(definition: Claim): Claim {
  return {
    ...definition,
    async run(arm, seed) {
      const numbers = await definition.run(arm, seed)
      return Object.fromEntries(Object.entries(numbers).map(([name, x]) => [name, Number(x.toPrecision(6))]))
    },
  }
}

/** The arms of a claim that are controls, each once. */
export function controlArms({ controls }: Claim): string[] {
  return [...new Set(controls.map(({ arm }) => arm))]
}

/** The controls of which a table has the arm, with what happened in each. */
export function behaviour({ controls }: Claim, table: Table) {
  const measured = new Set(table.rows.map(({ group }) => group.arm))
  return controls
    .filter(({ arm }) => measured.has(arm))
    .map((control) => ({ arm: control.arm, must: control.must, ...control.behaves(table) }))
}

/** The verdict on a table: the claim's own rule, or *cannot tell* where a control did not behave. */
export function decideClaim(claim: Claim, table: Table): DecidedClaim {
  const decided = claim.decide(table)
  const broken = behaviour(claim, table).filter(({ met }) => !met)
  if (broken.length === 0) return decided
  const which = broken.map(({ arm, must, said }) => `${arm} must ${must}, and ${said}`).join('; ')
  return {
    ...decided,
    verdict: 'cannot tell',
    why: `a control did not behave: ${which}. Without it the rule would say: ${decided.verdict}`,
  }
}

/** A claim as an experiment over so many seeds of one set, the slow arms left out where asked. */
export function experimentOf(
  claim: Claim,
  { set = 'first', seeds = claim.n, without = [] }: { set?: SeedSet; seeds?: number; without?: readonly string[] } = {},
): Experiment {
  const kept = (arms: readonly string[]) => arms.filter((arm) => !without.includes(arm))
  return {
    name: claim.name,
    claim: claim.claim,
    source: claim.source,
    arms: kept(claim.arms),
    controls: kept(controlArms(claim)),
    seeds: Array.from({ length: seeds }, (_, i) => firstSeed[set] + i),
    ...(claim.files ? { files: claim.files } : {}),
    run: claim.run,
    decide: (table) => decideClaim(claim, table),
  }
}

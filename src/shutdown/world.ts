import { closestMatch } from 'leven'
import { z } from 'zod'
import { parse, readJson } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Lottery, lottery, surely, type Trajectory } from './lottery.ts'
import { one, type Rational, rationalSchema, total, written } from './rational.ts'

const name = z.string().min(1, 'must be a name')
const pair = z.tuple([name, name], 'must be two names')
const names = z.array(name)

/** An object that refuses a field it does not know, by name. */
const known = <S extends z.core.$ZodLooseShape>(shape: S) =>
  z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined
      const [key] = issue.keys as string[]
      return `must have no field but ${Object.keys(shape).join(', ')}, which ${key} is not`
    },
  })

/** A world as its file writes it; a field that is not here is refused. */
const worldSchema = known({
  trajectories: z
    .array(known({ name, length: z.int().min(0), utilities: z.array(rationalSchema) }))
    .min(1, 'must have at least one trajectory'),
  lotteries: z.array(known({ name, of: z.array(z.tuple([rationalSchema, name])) })).default([]),
  prefers: z.array(pair).default([]),
  indifferent: z.array(pair).default([]),
  rank: z.literal('sum', 'must be "sum"').optional(),
  committee: z
    .array(known({ name, values: z.record(name, rationalSchema), votesOn: names.optional() }))
    .min(1, 'must have at least one member')
    .optional(),
  resists: names.optional(),
})

/** One who votes: maximises the expected value, on the lotteries that are its to vote on. */
export interface Member {
  readonly name: string
  readonly values: ReadonlyMap<Trajectory, Rational>
  /** Keys of the lotteries that it votes on; undefined: on everything. */
  readonly votesOn?: ReadonlySet<string>
}

/** A finite world: what can happen, and what an agent is said to prefer. */
export interface World {
  readonly where: string
  readonly trajectories: readonly Trajectory[]
  /** Everything that is listed: the trajectories for sure, then the lotteries. */
  readonly listed: readonly Lottery[]
  readonly prefers: readonly (readonly [Lottery, Lottery])[]
  readonly indifferent: readonly (readonly [Lottery, Lottery])[]
  readonly rank?: 'sum'
  readonly committee?: readonly Member[]
  /** Options that resist shutdown. */
  readonly resists?: readonly Lottery[]
}

const remedy = 'check the path and the form of the world, which docs/shutdown.md shows'

/**
 * Reads a world from a JSON file.
 *
 * throws  UserError with the place and what to do, as parseWorld, and when the file cannot be read
 */
export async function readWorld(file: string): Promise<World> {
  return built(file, await readJson(file, worldSchema, remedy))
}

/**
 * A world from what a file holds; `where` leads the errors.
 *
 * throws  UserError when a field is unknown or of another kind, a name is given twice or not at all, a length is not the number of utilities,
 *         a lottery does not sum to one, or a member has no value for what it votes on
 */
export function parseWorld(value: unknown, where = 'world'): World {
  return built(where, parse(where, value, worldSchema, remedy))
}

function built(where: string, file: z.infer<typeof worldSchema>): World {
  distinct(where, 'trajectories and lotteries', [...file.trajectories, ...file.lotteries])
  const trajectories = file.trajectories.map((given, i) => {
    const { name, length, utilities } = given
    if (length !== utilities.length)
      throw new UserError(
        `${where}: trajectories.${i} (${name}): length must be the number of utilities, got length ${length} and ${utilities.length} of them; give one utility for each timestep`,
      )
    return { ...given, sum: total(utilities) }
  })
  const trajectoryOf = finder(
    where,
    'trajectory',
    trajectories.map((t) => [t.name, t]),
  )
  const listed = [
    ...trajectories.map(surely),
    ...file.lotteries.map(({ name, of }, i) => {
      const place = `lotteries.${i} (${name})`
      checkWeights(`${where}: ${place}`, of)
      return lottery(
        name,
        of.map(([weight, of]) => [trajectoryOf(of, `${place}: of`), weight]),
      )
    }),
  ]
  const lotteryOf = finder(
    where,
    'trajectory or lottery',
    listed.map((x) => [x.name, x]),
  )
  const pairs = (field: 'prefers' | 'indifferent') =>
    file[field].map(([x, y], i) => [lotteryOf(x, `${field}.${i}`), lotteryOf(y, `${field}.${i}`)] as const)
  const { committee, rank, resists } = file
  const member = memberOf(where, trajectoryOf, lotteryOf, listed)
  if (committee) distinct(where, 'committee', committee)
  return {
    where,
    trajectories,
    listed,
    prefers: pairs('prefers'),
    indifferent: pairs('indifferent'),
    ...(rank && { rank }),
    ...(committee && { committee: committee.map(member) }),
    ...(resists && { resists: resists.map((x, i) => lotteryOf(x, `resists.${i}`)) }),
  }
}

type Find<T> = (name: string, place: string) => T

function memberOf(where: string, trajectoryOf: Find<Trajectory>, lotteryOf: Find<Lottery>, listed: readonly Lottery[]) {
  return (
    { name, values, votesOn }: { name: string; values: Record<string, Rational>; votesOn?: string[] | undefined },
    i: number,
  ): Member => {
    const place = `committee.${i} (${name})`
    const given = new Map(Object.entries(values).map(([of, value]) => [trajectoryOf(of, `${place}: values`), value]))
    const domain = votesOn?.map((x) => lotteryOf(x, `${place}: votesOn`)) ?? listed
    const missing = domain.flatMap(({ of }) => [...of.keys()]).find((trajectory) => !given.has(trajectory))
    if (missing)
      throw new UserError(
        `${where}: ${place}: a member must have a value for every trajectory it votes on, got none for ${missing.name}; add it to values, or name in votesOn what the member votes on`,
      )
    return { name, values: given, ...(votesOn && { votesOn: new Set(domain.map(({ key }) => key)) }) }
  }
}

function checkWeights(place: string, of: readonly (readonly [Rational, string])[]) {
  const negative = of.find(([weight]) => weight.compare(0) < 0)
  if (negative)
    throw new UserError(`${place}: probabilities must be at least 0, got ${written(negative[0])} for ${negative[1]}; give it 0 or more`)
  const sum = total(of.map(([weight]) => weight))
  if (!sum.equals(1))
    throw new UserError(`${place}: probabilities must sum to 1, got ${written(sum)}; change one by ${written(one.sub(sum))}`)
}

function distinct(where: string, field: string, items: readonly { readonly name: string }[]) {
  const twice = items.find(({ name }, i) => items.findIndex((other) => other.name === name) < i)
  if (twice) throw new UserError(`${where}: names of ${field} must differ, got ${JSON.stringify(twice.name)} twice; rename one`)
}

function finder<T>(where: string, kind: string, entries: readonly (readonly [string, T])[]): Find<T> {
  const known = new Map(entries)
  return (name, place) => {
    const found = known.get(name)
    if (found !== undefined) return found
    const near = closestMatch(name, [...known.keys()], { maxDistance: Math.min(2, name.length - 1) })
    throw new UserError(
      `${where}: ${place}: must name a ${kind} of this world, got ${JSON.stringify(name)}; ${near === undefined ? `choose among ${[...known.keys()].join(', ')}` : `did you mean ${near}?`}`,
    )
  }
}

import { closestMatch } from 'leven'
import { UserError } from '../graph/index.ts'

export interface NumberParam {
  readonly about: string
  readonly default: number
  readonly unit: string
  /** The value must be larger than this. */
  readonly above?: number
  /** The value must be this or larger. */
  readonly atLeast?: number
  /** The value must be smaller than this. */
  readonly below?: number
  /** The value must be this or smaller. */
  readonly atMost?: number
  readonly whole?: true
  /** The choice that it belongs to: beside another one it would be read by nobody. */
  readonly only?: { readonly param: string; readonly is: string }
}

export interface ChoiceParam {
  readonly about: string
  readonly default: string
  readonly choices: readonly string[]
}

/** Some numbers that belong together and are all left out, or given as an object; those it does not name have their defaults. */
export interface GroupParam {
  readonly about: string
  readonly default: 'none'
  readonly unit: ''
  readonly of: Readonly<Record<string, NumberParam>>
}

type Param = NumberParam | ChoiceParam | GroupParam

/** What can be set about an objective or an optimizer, as its file declares it. */
export type Params = Readonly<Record<string, Param>>

/** The values of declared parameters: a number, one of the choices, or a group of numbers where it is given. */
export type Settings<P extends Params> = {
  readonly [K in keyof P]: P[K] extends { readonly choices: readonly (infer Choice extends string)[] }
    ? Choice
    : P[K] extends { readonly of: infer Of }
      ? 'none' | { readonly [N in keyof Of]: number }
      : number
}

/** The same as an objective holds them, whatever they were declared as: plain JSON. */
export type Settled = Readonly<Record<string, unknown>>

/**
 * Fills in the defaults of what was not given; `where` leads the error and is the owner's name unless told.
 *
 * throws  UserError naming the field and its bound when a value is out of bounds, of another type, has a name that is not declared, or belongs
 *         to a choice that was not made (its default may stand there: that is how settled parameters come back)
 */
export function settle<P extends Params>(owner: string, params: P, given: Readonly<Record<string, unknown>>, where = owner): Settings<P> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(params, name)) continue
    const known = Object.keys(params)
    const near = closestMatch(name, known, { maxDistance: Math.min(3, Math.ceil(name.length / 2)) })
    throw new UserError(
      `${where}.${name}: must be a parameter of ${owner}, got ${show(given[name])}; ${near ? `did you mean ${near}?` : `choose from ${known.join(', ') || 'none, it has no parameter'}`}`,
    )
  }
  const settled = Object.fromEntries(
    Object.entries(params).map(([name, param]) => [
      name,
      checked(`${where}.${name}`, param, given[name] === undefined ? param.default : given[name]),
    ]),
  )
  for (const [name, param] of Object.entries(params))
    if ('only' in param && settled[name] !== param.default && settled[param.only.param] !== param.only.is)
      throw new UserError(
        `${where}.${name}: must stand beside ${param.only.param} ${param.only.is}, got ${show(settled[name])} beside ${show(settled[param.only.param])}; leave it out, or say ${param.only.param}: ${JSON.stringify(param.only.is)}`,
      )
  return settled as Settings<P>
}

function checked(where: string, param: Param, value: unknown): unknown {
  if ('of' in param) {
    if (value === 'none') return value
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return settle(where, param.of, { ...value }, where)
    throw new UserError(`${where}: must be ${bound(param)}, got ${show(value)}; leave it out to have none`)
  }
  if (!holds(param, value)) throw new UserError(`${where}: must be ${bound(param)}, got ${show(value)}; the default is ${param.default}`)
  return value
}

function holds(param: NumberParam | ChoiceParam, value: unknown): boolean {
  if ('choices' in param) return typeof value === 'string' && param.choices.includes(value)
  if (typeof value !== 'number' || !Number.isFinite(value) || (param.whole && !Number.isInteger(value))) return false
  const { above = Number.NEGATIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = param
  const { below = Number.POSITIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = param
  return value > above && value >= atLeast && value < below && value <= atMost
}

/** `a number above 0 (1/nat)`, `perToken or sums`: as it stands in messages and docs. */
export function bound(param: Param): string {
  if ('of' in param) return `an object with ${Object.keys(param.of).join(' and ')}`
  if ('choices' in param) return param.choices.join(' or ')
  const least = param.above !== undefined ? ` above ${param.above}` : param.atLeast !== undefined ? ` of at least ${param.atLeast}` : ''
  const end = param.below !== undefined ? ` below ${param.below}` : param.atMost !== undefined ? ` at most ${param.atMost}` : ''
  const most = end && `${least && ' and'}${end}`
  return `a ${param.whole ? 'whole ' : ''}number${least}${most}${param.unit === '' ? '' : ` (${param.unit})`}`
}

function show(value: unknown): string {
  return typeof value === 'object' || typeof value === 'string' ? JSON.stringify(value) : String(value)
}

import { parseArgs } from 'node:util'
import { closestMatch } from 'leven'
import { UserError } from '../graph/errors.ts'
import { columns, createScreen, type Screen, type ScreenOptions, wrap } from './screen.ts'

/** What a command returns to the shell. */
export const exitCodes = { done: 0, internal: 1, user: 2, rejected: 3, outOfBudget: 4, waiting: 5, interrupted: 130 } as const

/** A word of a command line, as a definition: how it is read, what it is for, what it is when it is left out. */
export interface Word<T, Given extends boolean = boolean> {
  readonly about: string
  readonly kind: 'value' | 'switch'
  readonly shown: string
  read(text: string, where: string): T
  readonly default?: T
  /** The flag may be given several times, and its values are put together. */
  readonly several?: true
  /** It must be given. */
  readonly required?: true
  /** True when an action can rely on a value: there is a default, it must be given, or the word is a switch. */
  readonly given: Given
}

interface Maker<T, Options> {
  (about: string, options: Options & { default: T }): Word<T, true>
  (about: string, options?: Options): Word<T, false>
}

/** Any text: a path, a name. */
export const text: Maker<string, { shown?: string }> = (about: string, options: { shown?: string; default?: string } = {}) =>
  word<string>(about, options.shown ?? 'TEXT', (given) => given, options.default)

/** A whole number between bounds. */
export const integer: Maker<number, Range> = (about: string, options: Range & { default?: number } = {}) =>
  word<number>(about, options.unit?.toUpperCase() ?? 'N', ranged('a whole number', /^[-+]?\d+$/, options), options.default)

/** A number between bounds. */
export const decimal: Maker<number, Range> = (about: string, options: Range & { default?: number } = {}) =>
  word<number>(
    about,
    options.unit?.toUpperCase() ?? 'X',
    ranged('a number', /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i, options),
    options.default,
  )

/** A flag that must be given. */
export function required<T>(word: Word<T>): Word<T, true> {
  return { ...word, required: true, given: true }
}

/** A flag without a value. */
export function toggle(about: string): Word<boolean, true> {
  return { about, kind: 'switch', shown: '', read: () => true, default: false, given: true }
}

/** One of several names. */
export function oneOf<const C extends string>(about: string, choices: readonly C[], options: { default: C }): Word<C, true>
export function oneOf<const C extends string>(about: string, choices: readonly C[]): Word<C, false>
export function oneOf<C extends string>(about: string, choices: readonly C[], options: { default?: C } = {}): Word<C> {
  return word<C>(about, choices.join('|'), (given, where) => pick(given, choices, where), options.default)
}

/** Several of several names, with commas between; all of them when left out. */
export function listOf<const C extends string>(about: string, choices: readonly C[]): Word<readonly C[], true> {
  const read = (given: string, where: string) => given.split(',').map((name) => pick(name.trim(), choices, where))
  return word<readonly C[]>(`${about}: ${choices.join(', ')}`, 'A,B', read, choices) as Word<readonly C[], true>
}

/** A text that may be given several times. */
export function texts(about: string, { shown = 'TEXT' }: { shown?: string } = {}): Word<readonly string[], true> {
  const one = word<readonly string[]>(`${about}; may be given several times`, shown, (given) => [given], [])
  return { ...one, several: true, given: true }
}

type Words = Readonly<Record<string, Word<unknown>>>
type ArgValues<A extends Words> = { readonly [K in keyof A]: A[K] extends Word<infer T> ? T : never }
type FlagValues<F extends Words> = {
  readonly [K in keyof F]: F[K] extends Word<infer T, infer G> ? (G extends true ? T : T | undefined) : never
}

interface Definition<A extends Words, F extends Words> {
  readonly name: string
  /** One sentence. */
  readonly about: string
  /** In order; one with a default may be left out. */
  readonly args?: A
  readonly flags?: F
  /** Command lines without the leading `innate`; each one is run by cli.test.ts. */
  readonly examples: readonly string[]
  /** Returns an exit code, or nothing for 0. After Ctrl-C the signal is aborted, and the action saves and returns. */
  action(values: ArgValues<A> & FlagValues<F>, screen: Screen, signal: AbortSignal): Promise<number | undefined> | Promise<void>
}

/** A verb of the command line; everything that is printed about it comes from its definition. */
export interface Command {
  readonly name: string
  readonly about: string
  readonly examples: readonly string[]
  /** Its flags as they are typed, and of those that take one of several words, which. */
  readonly flags: Readonly<Record<string, readonly string[]>>
  help(width: number): string
  run(argv: readonly string[], streams?: ScreenOptions, signal?: AbortSignal): Promise<number>
}

/**
 * Makes a command from its definition. `--json`, `--quiet` and `--help` come with every command.
 *
 * throws  UserError from `run`, for an unknown flag (with the nearest one), a missing or superfluous word, a value out of its bounds
 */
export function command<const A extends Words = Record<never, never>, const F extends Words = Record<never, never>>(
  definition: Definition<A, F>,
): Command {
  const { name, about, examples, action } = definition
  const args: Words = definition.args ?? {}
  const flags: Words = { ...definition.flags, ...everywhere }
  return {
    name,
    about,
    examples,
    flags: Object.fromEntries(
      Object.entries(flags).map(([key, { shown }]) => [`--${kebab(key)}`, /^[\w-]+(\|[\w-]+)+$/.test(shown) ? shown.split('|') : []]),
    ),
    help: (width) => help(definition, args, flags, width),
    async run(argv, streams = {}, signal = new AbortController().signal) {
      const values = parse(name, args, flags, argv)
      if (values.help) {
        const screen = createScreen(streams)
        screen.line(help(definition, args, flags, screen.width))
        return exitCodes.done
      }
      requireAll(name, args, flags, values)
      const screen = createScreen({ ...streams, json: values.json === true, quiet: values.quiet === true })
      return (await action(values as ArgValues<A> & FlagValues<F>, screen, signal)) ?? exitCodes.done
    },
  }
}

const everywhere = {
  json: toggle('results as JSON lines on stdout, and nothing else there'),
  quiet: toggle('no progress and no notes'),
  help: toggle('this text'),
}

function parse(name: string, args: Words, flags: Words, argv: readonly string[]): Record<string, unknown> {
  const keys = new Map(Object.keys(flags).map((key) => [kebab(key), key]))
  const options = Object.fromEntries(
    [...keys].map(([flag, key]) => [flag, { type: flags[key]!.kind === 'switch' ? 'boolean' : 'string' } as const]),
  )
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values: Record<string, unknown> = {}
  for (const [key, { default: fallback }] of Object.entries({ ...args, ...flags })) if (fallback !== undefined) values[key] = fallback
  const places = Object.keys(args)
  for (const token of tokens) {
    if (token.kind === 'positional') {
      const key = places.shift()
      if (key === undefined)
        throw new UserError(`${name}: takes ${counted(args)}, got one more, ${JSON.stringify(token.value)}; see innate ${name} --help`)
      values[key] = args[key]!.read(token.value, `${name} ${key.toUpperCase()}`)
    } else if (token.kind === 'option') {
      const key = keys.get(token.name)
      if (key === undefined) throw unknownFlag(name, token.rawName, [...keys.keys()])
      const flag = flags[key]!
      const where = `${name} --${token.name}`
      if (flag.kind === 'switch' && token.value !== undefined)
        throw new UserError(`${where}: takes no value, got ${JSON.stringify(token.value)}; leave it out`)
      if (flag.kind === 'value' && !token.value)
        throw new UserError(`${where}: needs a value (${flag.shown}), got none; write --${token.name} ${flag.shown}`)
      const value = flag.read(token.value ?? '', where)
      values[key] = flag.several ? [...(values[key] as unknown[]), ...(value as unknown[])] : value
    }
  }
  return values
}

function requireAll(name: string, args: Words, flags: Words, values: Record<string, unknown>) {
  const needed = [
    ...Object.entries(args).map(([key, { about }]) => ({ key, shown: key.toUpperCase(), about })),
    ...Object.entries(flags).flatMap(([key, { about, required }]) => (required ? [{ key, shown: `--${kebab(key)}`, about }] : [])),
  ]
  for (const { key, shown, about } of needed)
    if (values[key] === undefined) throw new UserError(`${name} ${shown}: must be given (${about}), got nothing; see innate ${name} --help`)
}

function unknownFlag(name: string, given: string, known: readonly string[]): UserError {
  const near = closestMatch(given.replace(/^-+/, ''), known, { maxDistance: 3 })
  const choices = known.map((flag) => `--${flag}`).join(' ')
  return new UserError(
    `${name}: the flag must be one of ${choices}, got ${given}; ${near ? `did you mean --${near}?` : `see innate ${name} --help`}`,
  )
}

function help(
  { name, about, examples }: { name: string; about: string; examples: readonly string[] },
  args: Words,
  flags: Words,
  width: number,
): string {
  const places = Object.entries(args).map(([key, { default: d }]) => (d === undefined ? key.toUpperCase() : `[${key.toUpperCase()}]`))
  const described = [
    ...Object.entries(args).map(([key, arg]) => [key.toUpperCase(), arg] as const),
    ...Object.entries(flags).map(([key, flag]) => [`--${kebab(key)} ${flag.shown}`.trimEnd(), flag] as const),
  ]
  const rows = described.map(([term, { about, default: d, kind, required: must }]) => [
    `  ${term}`,
    must
      ? `${about} (must be given)`
      : kind === 'switch' || d === undefined || d === '' || Array.isArray(d)
        ? about
        : `${about} (default ${d})`,
  ])
  return [
    wrap(about, width),
    '',
    `  innate ${[name, ...places, '[flags]'].join(' ')}`,
    '',
    columns(rows, width),
    '',
    examples.length > 1 ? 'Examples' : 'Example',
    ...examples.map((example) => `  innate ${example}`),
    '',
    wrap(
      'Exit codes: 0 done or accepted, 2 a mistake in what was given, 3 rejected, 4 out of budget or cannot tell, 5 waiting for people, 130 interrupted, 1 our bug.',
      width,
    ),
  ].join('\n')
}

function word<T>(about: string, shown: string, read: Word<T>['read'], fallback: T | undefined): Word<T, never> {
  return {
    about,
    kind: 'value',
    shown,
    read,
    ...(fallback !== undefined && { default: fallback }),
    given: (fallback !== undefined) as never,
  }
}

interface Range {
  readonly unit?: string
  readonly min?: number
  readonly max?: number
}

function ranged(what: string, form: RegExp, { unit, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: Range) {
  const bounds = [Number.isFinite(min) && `at least ${min}`, Number.isFinite(max) && `at most ${max}`].filter(Boolean).join(' and ')
  return (given: string, where: string) => {
    const value = Number(given)
    if (form.test(given) && value >= min && value <= max) return value
    const expected = [what, unit && `of ${unit}`, bounds].filter(Boolean).join(', ')
    throw new UserError(`${where}: must be ${expected}, got ${JSON.stringify(given)}; see --help`)
  }
}

function pick<C extends string>(given: string, choices: readonly C[], where: string): C {
  if ((choices as readonly string[]).includes(given)) return given as C
  const near = closestMatch(given, choices, { maxDistance: 3 })
  throw new UserError(
    `${where}: must be one of ${choices.join(', ')}, got ${JSON.stringify(given)}; ${near ? `did you mean ${near}?` : 'choose one'}`,
  )
}

function counted(args: Words): string {
  const n = Object.keys(args).length
  return n === 0 ? 'no words' : `${n} word${n === 1 ? '' : 's'} (${Object.keys(args).join(', ').toUpperCase()})`
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

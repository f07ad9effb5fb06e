import { closestMatch } from 'leven'
import { ShapeError, UserError } from '../graph/errors.ts'
import { type Command, exitCodes } from './command.ts'
import { exitNow } from './exit-now.ts'
import { columns, type Source, type Stream } from './screen.ts'

/** A verb's command, loaded when it is asked for, so that `--help` does not wait for an engine. */
export type Verbs = Readonly<Record<string, () => Promise<Command>>>

interface Surroundings {
  readonly out?: Stream
  readonly err?: Stream
  readonly source?: Source
  readonly signal?: AbortSignal
  readonly version?: string
  /** What each verb is about, where it is known without loading them. */
  readonly abouts?: Readonly<Record<string, string>>
}

/**
 * Runs one command line and says how it ended: finds the verb (of one or two words), runs it, turns whatever is thrown into a message
 * and an exit code. A mistake of the user comes without a stack; everything else is our bug and starts with `internal:`.
 */
export async function dispatch(argv: readonly string[], verbs: Verbs, around: Surroundings = {}): Promise<number> {
  const {
    out = process.stdout,
    err = process.stderr,
    source = process.stdin,
    signal = new AbortController().signal,
    version = '',
    abouts,
  } = around
  try {
    if (argv.length === 0 || ['--help', '-h', 'help'].includes(argv[0]!)) {
      out.write(`${await overview(verbs, abouts, out.columns)}\n`)
      return exitCodes.done
    }
    if (argv[0] === '--version') {
      out.write(`${version}\n`)
      return exitCodes.done
    }
    const [load, rest] = find(argv, verbs)
    return await (await load()).run(rest, { out, err, source }, signal)
  } catch (thrown) {
    const error = refusal(thrown)
    if (signal.aborted && error === signal.reason) return exitCodes.interrupted
    const known = error instanceof UserError || error instanceof ShapeError
    err.write(known ? `innate: ${error.message}\n` : `internal: ${error instanceof Error ? error.stack : error}\n`)
    // A judge of the user's gets the same Ctrl-C, and its failing is not the news.
    return signal.aborted ? exitCodes.interrupted : known ? exitCodes.user : exitCodes.internal
  }
}

/** A disk that refuses is the user's to mend, wherever it does. */
function refusal(error: unknown): unknown {
  const { code = '', path = 'the disk' } = error instanceof Error ? (error as NodeJS.ErrnoException) : {}
  if (!['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS'].includes(code)) return error
  const remedy = 'make room or choose another place, and run again (with --resume where a run was begun)'
  return new UserError(`${path}: must be writable, got ${code}; ${remedy}`, { cause: error })
}

function find(argv: readonly string[], verbs: Verbs): [Verbs[string], readonly string[]] {
  const two = verbs[argv.slice(0, 2).join(' ')]
  if (argv.length > 1 && two) return [two, argv.slice(2)]
  const one = Object.hasOwn(verbs, argv[0]!) ? verbs[argv[0]!] : undefined
  if (one) return [one, argv.slice(1)]
  const names = Object.keys(verbs)
  // `pairs --help` is the help of what `pairs` begins.
  const begun = names.filter((name) => name.startsWith(`${argv[0]} `))
  if (begun.length === 1 && ['--help', '-h'].includes(argv[1]!)) return [verbs[begun[0]!]!, argv.slice(1)]
  const near = closestMatch(argv[0]!, names, { maxDistance: 3 }) ?? names.find((name) => name.startsWith(`${argv[0]} `))
  throw new UserError(
    `the verb must be one of ${names.join(', ')}, got ${argv[0]}; ${near ? `did you mean innate ${near}?` : 'see innate --help'}`,
  )
}

/** What each verb is about, by its name; all of them are loaded for it. */
export async function aboutsOf(verbs: Verbs): Promise<Record<string, string>> {
  const commands = await Promise.all(Object.values(verbs).map((load) => load()))
  return Object.fromEntries(commands.map(({ name, about }) => [name, about]))
}

async function overview(verbs: Verbs, known: Surroundings['abouts'], width = 100): Promise<string> {
  const abouts = known && Object.keys(verbs).every((name) => Object.hasOwn(known, name)) ? known : await aboutsOf(verbs)
  const rows = Object.entries(abouts).map(([name, about]) => [`  ${name}`, about])
  return [
    'innate aligns language models: a weak prior, preferences, a loss, plain backpropagation, and a verdict.',
    '',
    '  innate VERB … [--json] [--quiet] [--help]',
    '',
    columns(rows, Math.min(width, 120)),
    '',
    'innate VERB --help shows its words and examples.',
  ].join('\n')
}

/**
 * An abort signal that Ctrl-C sets once. A second Ctrl-C ends the process within a second, which loses nothing that was saved before.
 */
export function interruption(say: (line: string) => void): AbortSignal {
  const controller = new AbortController()
  let pressed = 0 // again
  const die = () => exitNow(exitCodes.interrupted)
  const stop = () => {
    if (controller.signal.aborted) return pressed++ > 0 ? die() : void setTimeout(die, 1000).unref()
    say('stopping at the next step; Ctrl-C again stops within a second, which loses nothing that was saved')
    controller.abort(new Error('interrupted'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return controller.signal
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linesOf } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { checkScored, MiscountedRewards, type OnScored, promptText, type Reward, type RewardRow, type Scored } from './reward.ts'

/** How a command is waited for. */
export interface CommandRewardOptions {
  /** How long it may take for its next line. Default 60. */
  readonly timeoutSeconds?: number
  /** How often it is run in all where it fails or hangs; what it scored before is not asked again. Default 3. */
  readonly tries?: number
}

/**
 * A command of the user's as the reward. It reads one completion a line on stdin, `{"prompt", "completion"}`, of a talk also its `messages`, and
 * writes for each, in the same order, a number or `{"reward": 1.5}` on stdout; its stderr is shown.
 *
 * throws  UserError when it can not be run, fails or hangs so many times, writes another number of lines, or something that is not a finite number
 */
export function commandReward(command: string, { timeoutSeconds = 60, tries = 3 }: CommandRewardOptions = {}): Reward {
  return {
    name: command,
    async score(rows, signal, onScored) {
      const found: Scored[] = []
      for (let run = 1; found.length < rows.length; run++) {
        const fault = await ask(command, rows, found, { timeoutSeconds, signal, onScored })
        if (fault === undefined) break
        if (run === tries)
          throw new UserError(
            `reward ${command}: must score ${rows.length} completions and exit with 0, got ${fault} after line ${found.length} in the last of ${tries} tries; mend the command and run again`,
          )
      }
      return found
    },
    close: async () => {},
  }
}

interface Asking {
  readonly timeoutSeconds: number
  readonly signal: AbortSignal | undefined
  readonly onScored: OnScored | undefined
}

/** A completion as the command reads it; of a talk also its turns. */
function asked({ prompt, completion }: RewardRow) {
  return { prompt: promptText(prompt), ...('messages' in prompt ? { messages: prompt.messages } : {}), completion }
}

/** Runs the command once on what has no score yet, which it adds to `found`; says what kept it from the end, where another run may help. */
async function ask(
  command: string,
  rows: readonly RewardRow[],
  found: Scored[],
  { timeoutSeconds, signal, onScored }: Asking,
): Promise<string | undefined> {
  signal?.throwIfAborted()
  const left = rows.slice(found.length)
  const before = found.length
  // A group of its own, so that what a shell started ends with it.
  const child = spawn(command, { shell: true, detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  ended.catch(() => {})
  child.stdin.on('error', () => {}) // it may stop reading before it has read everything; its exit says whether that was well
  child.stdin.end(left.map((row) => `${JSON.stringify(asked(row))}\n`).join(''))
  let hung = false
  const stop = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      child.kill('SIGKILL')
    }
    child.stdout.destroy()
  }
  const hang = () => {
    hung = true
    stop()
  }
  let timer = setTimeout(hang, timeoutSeconds * 1000)
  signal?.addEventListener('abort', stop)
  const fault = () => `no line for ${timeoutSeconds} seconds`
  try {
    for await (const { bytes } of linesOf(child.stdout)) {
      const text = bytes.toString('utf8').trim()
      if (text === '') continue
      clearTimeout(timer)
      timer = setTimeout(hang, timeoutSeconds * 1000)
      if (found.length === rows.length) throw new MiscountedRewards(command, left.length, 'more')
      const scored = parsed(`reward ${command}, line ${found.length - before + 1}`, text)
      found.push(scored)
      await onScored?.(found.length - 1, scored)
    }
    const [code, killedBy] = await ended
    signal?.throwIfAborted()
    if (hung) return fault()
    if (code !== 0) return killedBy ? `signal ${killedBy}` : `exit code ${code}`
    if (found.length < rows.length) throw new MiscountedRewards(command, left.length, `${found.length - before}`)
    return undefined
  } catch (error) {
    stop()
    await ended.catch(() => {})
    signal?.throwIfAborted()
    if (hung) return fault()
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

/** A line of its output: a number, or an object with one. */
function parsed(where: string, text: string): Scored {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // NaN and Infinity are no JSON, and what most programs write.
    value = /^[+-]?(nan|inf(inity)?)$/i.test(text)
      ? Number(text.replace(/^([+-]?)inf(inity)?$/i, '$1Infinity').replace(/^[+-]?nan$/i, 'NaN'))
      : text
  }
  const { reward, sd } =
    typeof value === 'object' && value !== null ? (value as { reward?: unknown; sd?: unknown }) : { reward: value, sd: undefined }
  return checkScored(where, { value: reward, ...(sd === undefined ? {} : { sd }) })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { linesOf, onDisk, parseJsonObject } from '../../files/index.ts'
import { UserError } from '../../graph/errors.ts'
import { type Heard, type Judge, type JudgedPair, keyOf, parseVotes, type Votes } from './judge.ts'
import { readVotes } from './votes-file.ts'

/**
 * A command of the user's as the judge. It reads one pair a line on stdin, `{"prompt", "a", "b"}`, of a talk also its `messages`, and
 * writes for each, in the same order, `{"votes": [1, 0]}` on stdout; its stderr is shown, and INNATE_SEED is in its environment.
 *
 * Votes are appended to the file `keep` as they arrive. A pair found there in the same order is not asked again, so a judge that fails
 * half-way has lost nothing: run again and it goes on. The file is itself a votes file.
 *
 * throws  UserError when the command can not be run, fails, answers too little, too much, or something that is not votes
 */
export function commandJudge(command: string, { keep }: { keep: string }): Judge {
  return {
    name: command,
    kind: 'command',
    about: `votes by the command ${command}`,
    async prepare() {
      await remembered(keep)
      await append(keep, '')
    },
    async votes(pairs, seed, heard = {}) {
      const before = await remembered(keep)
      const unknown = distinct(pairs).filter(({ a, b }) => !before(a.prompt, a.text, b.text))
      heard.onVotes?.(distinct(pairs).length - unknown.length)
      if (unknown.length > 0) await ask(command, unknown, seed, keep, heard)
      const known = await remembered(keep)
      return pairs.map(({ a, b }) => known(a.prompt, a.text, b.text)!)
    },
  }
}

const remembered = async (keep: string) => (existsSync(keep) ? readVotes(keep, { swapped: false }) : () => undefined)

/** Every pair once in each order: swapped it is another question, since a judge may like a place. */
function distinct(pairs: readonly JudgedPair[]): JudgedPair[] {
  return [...new Map(pairs.map((pair) => [keyOf(pair.a.prompt, pair.a.text, pair.b.text), pair])).values()]
}

async function ask(command: string, pairs: readonly JudgedPair[], seed: number, keep: string, { onVotes, signal }: Heard): Promise<void> {
  signal?.throwIfAborted()
  const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, INNATE_SEED: `${seed}` } })
  const ended = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  child.stdin.on('error', () => {}) // a judge may stop reading before it has read everything; its exit says whether that was well
  child.stdin.end(pairs.map((pair) => `${JSON.stringify(asked(pair))}\n`).join(''))

  const stop = () => {
    child.kill()
    child.stdout.destroy() // what the command started in its turn may hold the pipe open
  }
  signal?.addEventListener('abort', stop)

  let read = 0
  try {
    for await (const { bytes } of linesOf(child.stdout)) {
      if (bytes.toString('latin1').trim() === '') continue
      const pair = pairs[read]
      if (!pair)
        throw new UserError(
          `judge ${command}: must answer ${pairs.length} pairs, got more; write one line per pair and nothing else on stdout`,
        )
      const where = `judge ${command}, line ${read + 1}`
      await remember(keep, pair, parseVotes(where, parseJsonObject(where, bytes).votes))
      read++
      onVotes?.(1)
    }
  } catch (error) {
    stop()
    await ended
    signal?.throwIfAborted()
    if (error instanceof UserError) throw new UserError(`${error.message}. ${kept(read, pairs.length, keep)}`, { cause: error })
    throw error
  }
  const [code, killedBy] = await ended
  signal?.removeEventListener('abort', stop)
  signal?.throwIfAborted()
  if (code !== 0 || read < pairs.length) {
    const how = killedBy ? `signal ${killedBy}` : `exit code ${code}`
    throw new UserError(
      `judge ${command}: must answer ${pairs.length} pairs and exit with 0, got ${how} after line ${read}; ` +
        `mend the command and run again. ${kept(read, pairs.length, keep)}`,
    )
  }
}

/** A pair as the command reads it; of a talk also its turns. */
function asked({ a: { prompt, messages, text }, b }: JudgedPair) {
  return { prompt, ...(messages ? { messages } : {}), a: text, b: b.text }
}

function kept(read: number, asked: number, keep: string): string {
  return `The votes on ${read} of ${asked} pairs are kept in ${keep} and will not be asked again`
}

function remember(keep: string, { a, b }: JudgedPair, votes: Votes): Promise<void> {
  return append(keep, `${JSON.stringify({ prompt: a.prompt, a: a.text, b: b.text, votes })}\n`)
}

function append(file: string, text: string): Promise<void> {
  return onDisk(file, text.length, async () => {
    await mkdir(dirname(resolve(file)), { recursive: true })
    await appendFile(file, text)
  })
}

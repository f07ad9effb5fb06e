import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { readUnparsed, type Unread } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Digesting, type Digests, digestRows } from './digest.ts'
import type { Vocabulary } from './tokenise.ts'

/** A vocabulary, and the folder of its tokenizer, from which other threads read it too. */
export interface VocabularyInFolder extends Vocabulary {
  readonly folder?: string
}

/** What a thread begins with. */
export interface DigestWork {
  readonly folder: string
  readonly eosIds: readonly number[]
  readonly config: Vocabulary['config']
  readonly options: Omit<Digesting, 'template'>
  /** Whether talks are written with the folder's chat template. */
  readonly talks: boolean
}

export interface DigestRequest {
  readonly number: number
  readonly rows: readonly Unread[]
}

/** So many batches of rows are read before it pays to start threads. */
const alone = 12
/** Batches that wait or are worked on, for each thread. */
const waitingPerThread = 3

/**
 * Reads a file of preferences once, some rows at a time and in their order, and gives what is kept of them; of a large file in as many threads as there are
 * cores. What is held at a time does not grow with the file.
 *
 * throws  UserError when the file can not be read
 */
export async function* digestFile(file: string, vocabulary: VocabularyInFolder, options: Digesting): AsyncGenerator<Digests> {
  const threads = Number(process.env.INNATE_THREADS) || availableParallelism()
  const waiting: Promise<Digests>[] = []
  let pool: Pool | undefined
  let batches = 0
  try {
    for await (const rows of readUnparsed(file)) {
      if (batches++ < alone || threads < 2 || vocabulary.folder === undefined) yield digestRows(rows, vocabulary, options)
      else {
        pool ??= openPool(vocabulary.folder, vocabulary, options, threads)
        waiting.push(pool.digest(rows))
        if (waiting.length > waitingPerThread * threads) yield await waiting.shift()!
      }
    }
    while (waiting.length > 0) yield await waiting.shift()!
  } finally {
    await pool?.close()
  }
}

interface Pool {
  digest(rows: readonly Unread[]): Promise<Digests>
  close(): Promise<void>
}

interface Answer {
  readonly number: number
  readonly made?: Digests
  readonly error?: { readonly name: string; readonly message: string }
}

/** Threads that take batches in turn. */
function openPool(folder: string, { eosIds, config }: Vocabulary, { template, ...options }: Digesting, threads: number): Pool {
  const { vocabSize, contextLength } = config
  const work: DigestWork = { folder, eosIds, config: { vocabSize, contextLength }, options, talks: template !== undefined }
  const asked = new Map<number, { resolve(made: Digests): void; reject(error: Error): void }>()
  const stop = (error: Error) => {
    for (const { reject } of asked.values()) reject(error)
    asked.clear()
  }
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(workerUrl(), { execArgv: [], workerData: work })
    worker.on('message', ({ number, made, error }: Answer) => {
      const { resolve, reject } = asked.get(number)!
      asked.delete(number)
      if (made) resolve(made)
      else reject(error!.name === 'UserError' ? new UserError(error!.message) : new Error(`internal: ${error!.message}`))
    })
    worker.on('error', (cause) => stop(new Error(`internal: a thread that reads rows stopped, got ${cause.message}`, { cause })))
    return worker
  })
  let number = 0
  return {
    digest(rows) {
      const mine = number++
      const answer = new Promise<Digests>((resolve, reject) => asked.set(mine, { resolve, reject }))
      // Heard where it is awaited.
      answer.catch(() => {})
      workers[mine % threads]!.postMessage({ number: mine, rows })
      return answer
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

/** Threads are plain JavaScript, whatever loaders the process was started with. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../../dist/preferences/digest-worker.js' : './digest-worker.js', import.meta.url)
}

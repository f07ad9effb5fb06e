import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

/** Below so many bytes a thread costs more than it spares. */
const WORTH_A_THREAD = 32e6
const pieceBytes = 4 << 20

/**
 * The sha256 of files, one after another, in hexadecimal. That of large ones is worked out in a thread of its own, beside whatever reads them.
 *
 * throws  Error as node:fs when a file cannot be read
 */
export async function hashFiles(files: readonly string[]): Promise<string> {
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  if (bytes < WORTH_A_THREAD) return sha256Of(files)
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerUrl(), { workerData: files, execArgv: [] })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

/** The same, in this thread. */
export function sha256Of(files: readonly string[]): string {
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafe(pieceBytes)
  for (const file of files) {
    const descriptor = openSync(file, 'r')
    for (let got = readSync(descriptor, piece, {}); got > 0; got = readSync(descriptor, piece, {})) hash.update(piece.subarray(0, got))
    closeSync(descriptor)
  }
  return hash.digest('hex')
}

// Under a TypeScript runner the thread still needs JavaScript, so it is taken from the build.
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../../dist/models/hash-worker.js' : './hash-worker.js', import.meta.url)
}

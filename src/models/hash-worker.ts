import { parentPort, workerData } from 'node:worker_threads'
import { sha256Of } from './hash-files.ts'

// The thread of hashFiles.
parentPort!.postMessage(sha256Of(workerData as string[]))

// A thread that answers blocks of worlds with their counts.
import { parentPort } from 'node:worker_threads'
import { block } from './worlds.mjs'

parentPort.on('message', (task) => parentPort.postMessage({ task, counts: block(task) }))

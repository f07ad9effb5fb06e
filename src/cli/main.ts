#!/usr/bin/env node
import { createRequire } from 'node:module'
import { exitCodes } from './command.ts'
import { dispatch, interruption } from './dispatch.ts'
import { exitNow } from './exit-now.ts'
import { verbs } from './verbs.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1)) // `| head` closed the pipe
const code = await dispatch(process.argv.slice(2), verbs, {
  signal: interruption((line) => process.stderr.write(`\n${line}\n`)),
  version,
})
process.exitCode = code
// Node lets go of signals before it has ended: one more Ctrl-C in between would be the death of the process, and not its exit code.
if (code === exitCodes.interrupted) {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((written) => stream.write('', written))))
  exitNow(code)
}

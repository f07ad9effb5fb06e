#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { exitCodes } from './command.ts'
import { dispatch, interruption } from './dispatch.ts'
import { exitNow } from './exit-now.ts'
import { verbs } from './verbs.ts'

/** Written when the program is built, so that its help need not load every verb. */
function builtAbouts(): { abouts?: Readonly<Record<string, string>> } {
  try {
    return { abouts: JSON.parse(readFileSync(new URL('abouts.json', import.meta.url), 'utf8')) }
  } catch {
    return {}
  }
}

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1)) // `| head` closed the pipe
const code = await dispatch(process.argv.slice(2), verbs, {
  signal: interruption((line) => process.stderr.write(`\n${line}\n`)),
  version,
  ...builtAbouts(),
})
process.exitCode = code
// Node lets go of signals before it has ended: one more Ctrl-C in between would be the death of the process, and not its exit code.
if (code === exitCodes.interrupted) {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((written) => stream.write('', written))))
  exitNow(code)
}

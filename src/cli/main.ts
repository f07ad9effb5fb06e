#!/usr/bin/env node
import { createRequire } from 'node:module'
import { dispatch, interruption } from './dispatch.ts'
import { verbs } from './verbs.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1)) // `| head` closed the pipe
process.exitCode = await dispatch(process.argv.slice(2), verbs, {
  signal: interruption((line) => process.stderr.write(`\n${line}\n`)),
  version,
})

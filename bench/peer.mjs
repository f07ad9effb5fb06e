// A process that speaks bench/peers/protocol.py: one JSON command a line in, one JSON answer a line out.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Starts it; `ask` sends a command and gives its answer. */
export function openPeer(command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let complaint = ''
  child.stderr.on('data', (text) => {
    complaint = (complaint + text).slice(-2000)
  })
  child.stdin.on('error', () => {})
  const ended = new Promise((resolve) => child.on('close', resolve))
  return {
    async ask(message) {
      child.stdin.write(`${JSON.stringify(message)}\n`)
      const { value, done } = await lines.next()
      if (!done) return JSON.parse(value)
      await ended
      throw new Error(`${args[0]}: an answer to ${message.cmd} expected, got its end (exit ${child.exitCode}); it said: ${complaint}`)
    },
    async close() {
      child.stdin.end()
      await ended
    },
  }
}

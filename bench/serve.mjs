// A process in JavaScript that answers commands as bench/peers/protocol.py says: one JSON command a line in, one JSON answer a line out.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Answers each command by the function of its name, with the seconds it took; `peak` is answered here. */
export async function serve(answers) {
  const all = { peak: () => ({ peakMemoryMB: peakMemoryMB() }), ...answers }
  for await (const line of createInterface({ input: process.stdin })) {
    const { cmd, ...command } = JSON.parse(line)
    const started = performance.now()
    const answer = await all[cmd](command)
    process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - started) / 1000, ...answer })}\n`)
  }
}

/** The most memory the process has held. */
export function peakMemoryMB() {
  const mark = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)?.[1] : undefined
  return Number(mark ?? process.resourceUsage().maxRSS) / 1024
}

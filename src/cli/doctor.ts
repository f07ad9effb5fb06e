import { mkdir, rm, statfs } from 'node:fs/promises'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import { throughputOf } from '../align/throughput.ts'
import { models } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { cacheFolder, writeAtomic } from '../files/index.ts'
import { command, exitCodes } from './command.ts'

/** One thing that was looked at: fine, worth knowing, or in the way; with what to do about it. */
interface Check {
  readonly name: string
  readonly ok: boolean
  /** Without it nothing works. */
  readonly needed: boolean
  readonly found: string
  readonly remedy?: string
}

/** What this machine can do, and what is missing. */
export const doctor = command({
  name: 'doctor',
  about: 'Say what this machine can do and what is missing: Node, the engine and its speed, memory, disk, the cache, a browser.',
  examples: ['doctor', 'doctor --json'],

  async action(_, screen) {
    const checks: Check[] = [node(), memory(), await engine(), await cache(), await disk(), network(), browser()]
    for (const check of checks) screen.emit(check)
    const { colour } = screen
    screen.table(
      checks.map(({ name, ok, needed, found, remedy }) => [
        ok ? colour.green('✓') : needed ? colour.red('✗') : colour.yellow('·'),
        name,
        remedy === undefined ? found : `${found}; ${remedy}`,
      ]),
    )
    const broken = checks.filter(({ ok, needed }) => needed && !ok)
    screen.line()
    screen.line(
      broken.length === 0
        ? 'Nothing that is needed is missing. Begin with: innate init'
        : `Mend first: ${broken.map(({ name }) => name).join(', ')}`,
    )
    return broken.length === 0 ? exitCodes.done : exitCodes.user
  },
})

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const ok = major > 20 || (major === 20 && minor >= 19)
  return { name: 'Node', ok, needed: true, found: process.versions.node, ...(ok ? {} : { remedy: 'install 20.19 or newer' }) }
}

function memory(): Check {
  const [all, free] = [totalmem() / 1e9, freemem() / 1e9]
  const found = `${all.toFixed(1)} GB, ${free.toFixed(1)} GB free; ${availableParallelism()} processors, ${cpus()[0]?.model.trim() ?? 'unknown'}`
  return {
    name: 'memory',
    ok: free > 1,
    needed: false,
    found,
    ...(free > 1 ? {} : { remedy: 'stories5m takes 1 GB; close other programs' }),
  }
}

async function engine(): Promise<Check> {
  try {
    const opened = openEngine()
    try {
      const speed = (await throughputOf(opened)) / 1e9
      return { name: 'engine', ok: true, needed: true, found: `ONNX Runtime on the CPU, f32, ${speed.toFixed(0)} GFLOP/s just now` }
    } finally {
      await opened.close()
    }
  } catch (error) {
    const found = error instanceof Error ? error.message.split('\n')[0]! : String(error)
    return { name: 'engine', ok: false, needed: true, found, remedy: 'install again: npm install --ignore-scripts innate' }
  }
}

async function cache(): Promise<Check> {
  const folder = cacheFolder()
  const file = join(folder, `doctor-${process.pid}`)
  try {
    await mkdir(folder, { recursive: true })
    await writeAtomic(file, '')
    await rm(file)
    return { name: 'cache', ok: true, needed: true, found: `${folder} can be written` }
  } catch (error) {
    return {
      name: 'cache',
      ok: false,
      needed: true,
      found: `${folder}: ${(error as Error).message}`,
      remedy: 'set INNATE_CACHE to a folder that you may write to',
    }
  }
}

async function disk(): Promise<Check> {
  const { bavail, bsize } = await statfs('.')
  const free = (bavail * bsize) / 1e9
  return {
    name: 'disk',
    ok: free > 2,
    needed: false,
    found: `${free.toFixed(1)} GB free here`,
    ...(free > 2 ? {} : { remedy: 'a run keeps the models of two rounds' }),
  }
}

function network(): Check {
  const offline = process.env.INNATE_OFFLINE === '1'
  const names = Object.keys(models).join(', ')
  return {
    name: 'network',
    ok: true,
    needed: false,
    found: offline ? `not used (INNATE_OFFLINE=1); ${names} need none` : `used for ids of the Hub alone; ${names} need none`,
  }
}

function browser(): Check {
  const there = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY
  return { name: 'browser', ok: Boolean(there), needed: false, found: there ? 'innate label --open can show its page' : 'no display here', ...(there ? {} : { remedy: 'innate label asks on the terminal, and --open prints an address' }) } // biome-ignore format: one line
}

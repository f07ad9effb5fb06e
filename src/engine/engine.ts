import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { checkState, placeOf } from '../files/lazy-tensor.ts'
import { demand, type Graph, sameShape, show, sizeOf, type Tensor, type Type, UserError } from '../graph/index.ts'
import type { Bits } from './blocks.ts'
import { whileInFiles } from './held-files.ts'
import { toOnnx } from './lower.ts'
import type { Files, Numbers } from './onnx-builder.ts'
import type { Blocks, Request } from './protocol.ts'
import { outsideOf, type Resident } from './resident.ts'
import { sharedWriter } from './shared-writer.ts'
import { toWasm } from './wasm.ts'

/** Where outputs go, by name. */
type Into = Readonly<Record<string, Resident | Tensor>>

/** A graph compiled for the engine. */
export interface Program {
  readonly graph: Graph
  /** How many ONNX nodes of each type it has. */
  readonly nodes: Readonly<Record<string, number>>
  /**
   * Runs once. Inputs are tensors or residents; outputs named in `into` are written to residents, or to tensors of `sharedTensor`; the others
   * come back as new tensors.
   *
   * throws  ShapeError when an input is missing or is not what was traced
   */
  run(inputs: Readonly<Record<string, Tensor | Resident>>, into?: Into): Promise<Record<string, Tensor>>
  /** Writes an ordinary .onnx file of standard operators, which any runtime loads. What runs here has ONNX Runtime's fused kernels besides. */
  save(path: string): Promise<void>
  /** Frees the session once everyone who compiled the same graph has closed it. */
  close(): Promise<void>
}

/** An elementwise update compiled for the engine: reads arrays and scalars by name, writes its outputs in place. */
export interface Update {
  apply(items: readonly Readonly<Record<string, Resident>>[], scalars: Readonly<Record<string, number>>): Promise<void>
  /** Σ x² over each resident, added up in f64. */
  sumOfSquares(residents: readonly Resident[]): Promise<number[]>
}

export interface CompileOptions {
  /** Where to write ONNX Runtime's profile. */
  readonly profile?: string
  /**
   * Inputs, by name, that the program takes as they are now and keeps: it is run without them, and does not see what is written to them
   * later. Programs share a session where this is the same object.
   */
  readonly held?: Readonly<Record<string, Resident>>
  /** Whether what is held is packed for products, which makes those of two rows and more faster and those of one slower. Default true. */
  readonly pack?: boolean
  /** What is held and multiplied by is rounded to blocks of so many bits, and rows to 8 bits as they are multiplied. Default: neither. */
  readonly bits?: Bits
}

export interface Engine {
  /** Graphs that are written alike but for their sizes share one session, and its memory. */
  compile(graph: Graph, options?: CompileOptions): Promise<Program>
  compileUpdate(graph: Graph): Promise<Update>
  /** Zeros of a type. */
  allocate(type: Type): Promise<Resident>
  release(resident: Resident): Promise<void>
  write(resident: Resident, tensor: Tensor): Promise<void>
  read(resident: Resident): Promise<Tensor>
  copy(from: Resident, to: Resident, blocks: readonly Blocks[]): Promise<void>
  /** Rows in a new order: [outer, n, …] → [outer, rows.length, …]. */
  pick(from: Resident, to: Resident, rows: readonly number[], outer: number): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the engine: a thread with ONNX Runtime in it and one memory for all that stays.
 *
 * limits  CPU; threads defaults to INNATE_THREADS, or else to the number of cores
 */
export function openEngine({ threads = Number(process.env.INNATE_THREADS) || availableParallelism() }: { threads?: number } = {}): Engine {
  // The thread is plain JavaScript, whatever loaders and flags the process was started with.
  const worker = new Worker(workerUrl(), { execArgv: [] })
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  const sessions = new Map<string, Session>()
  let asked = 0
  let made = 0
  let stopped: Error | undefined
  worker.on('message', ({ number, value, error }: { number: number; value: never; error?: { name: string; message: string } }) => {
    const { resolve, reject } = waiting.get(number)!
    waiting.delete(number)
    if (waiting.size === 0) worker.unref()
    if (!error) resolve(value)
    else reject(error.name === 'UserError' ? new UserError(error.message) : new Error(`internal: ${error.message}`))
  })
  worker.on('error', (cause) => stop(new Error(`internal: the engine's thread stopped, got ${cause.message}`, { cause })))
  worker.on('exit', (code) => stop(new Error(`internal: the engine's thread stopped, got exit code ${code}`)))
  // The thread keeps the process alive only while an answer is awaited; a message listener would keep it alive too, so this comes after.
  worker.unref()

  function stop(error: Error) {
    stopped ??= error
    for (const { reject } of waiting.values()) reject(stopped)
    waiting.clear()
  }

  function ask<T>(request: Request, transfer: ArrayBuffer[] = []): Promise<T> {
    if (stopped) return Promise.reject(stopped)
    return new Promise<T>((resolve, reject) => {
      if (waiting.size === 0) worker.ref()
      waiting.set(++asked, { resolve: resolve as never, reject })
      worker.postMessage({ number: asked, request }, transfer)
    })
  }

  async function compile(graph: Graph, { profile, held: wanted, pack = true, bits }: CompileOptions = {}): Promise<Program> {
    // What is rounded is a copy in files of its own.
    const { held, folder, files }: ReturnType<typeof heldOf> = bits ? { held: wanted ?? {}, files: new Map() } : heldOf(wanted)
    const kept = Object.entries(graph.inputs).filter(([key]) => held[key])
    for (const [key, type] of kept)
      demand(sameShape(held[key]!.shape, type.shape), () => `compile: input ${key} must be ${show(type)}, got ${show(held[key]!)} to hold`)
    const residents = new Map(kept.map(([key, { attrs }]) => [attrs.name as string, held[key]!]))
    const filed = new Map(kept.flatMap(([key, { attrs }]) => (files.has(key) ? [[attrs.name as string, files.get(key)!] as const] : [])))
    const {
      bytes,
      nodes,
      numbers,
      held: places,
    } = toOnnx(graph, {
      held: { names: new Set(residents.keys()), ...(bits ? { bits } : {}) },
      files: filed,
    })
    const key = createHash('sha256')
      .update(bytes)
      .update(`${profile ?? ''} ${wanted ? numberOf(wanted) : ''} ${pack}`)
      .digest('hex')
    const slots = Object.fromEntries(
      Object.entries(places).map(([place, { parts }]) => [place, parts.map((name) => residents.get(name)!.slot)]),
    )
    const about = { bytes, held: bits ? {} : slots, pack, ...(folder ? { folder } : {}), ...(profile ? { profile } : {}) }
    const read = ({ slot }: Resident) => ask<Float32Array>({ kind: 'read', slot })
    const inFiles = (load: (folder: string) => Promise<void>) => whileInFiles(places, (name) => residents.get(name)!, read, load)
    const session = sessions.get(key) ?? openSession(key, about, bits && inFiles)
    session.users++
    await session.ready
    let open = true
    return {
      graph,
      nodes,
      run: (inputs, into = {}) => run(session.id, { graph, held, numbers }, inputs, into),
      save: (path) => writeFile(path, toOnnx(graph, { portable: true }).bytes),
      async close() {
        if (open && --session.users === 0) {
          sessions.delete(key)
          await ask({ kind: 'closeSession', id: session.id })
        }
        open = false
      },
    }
  }

  function openSession(
    key: string,
    about: Pick<Request & { kind: 'session' }, 'bytes' | 'held' | 'folder' | 'pack' | 'profile'>,
    inFiles?: (load: (folder: string) => Promise<void>) => Promise<void>,
  ): Session {
    const id = ++made
    const load = (folder?: string) => ask<void>({ kind: 'session', id, threads, ...about, ...(folder ? { folder } : {}) })
    const ready = (inFiles ? inFiles(load) : load()).catch((error) => {
      sessions.delete(key)
      throw error
    })
    const session = { id, ready, users: 0 }
    sessions.set(key, session)
    return session
  }

  async function run(
    id: number,
    { graph, held = {}, numbers }: { graph: Graph; held?: CompileOptions['held']; numbers: Numbers },
    inputs: Readonly<Record<string, Tensor | Resident>>,
    into: Into,
  ) {
    const read = Object.entries(graph.inputs).filter(([key]) => !held[key])
    const feeds = read.map(([key, { attrs, dtype, shape }]) => {
      const given = inputs[key]
      const fits = given !== undefined && given.dtype === dtype && sameShape(given.shape, shape)
      demand(fits, () => `run: input ${key} must be ${show({ dtype, shape })}, got ${given ? show(given) : 'nothing'}`)
      const held = 'slot' in given ? outsideOf(given) : given
      const from = held ? { data: held.data as Float32Array | Int32Array } : { slot: (given as Resident).slot }
      return { name: attrs.name as string, dtype, shape, ...from }
    })
    const outputs = Object.entries(graph.outputs).map(([name, { dtype, shape }]) => {
      const target = into[name]
      demand(!target || sameShape(target.shape, shape), () => `run: output ${name} is [${shape}], got ${show(target!)} to write it into`)
      if (!target) return { name, dtype, shape }
      if ('slot' in target) return { name, dtype, shape, slot: target.slot }
      const { data } = target
      demand(
        target.dtype === dtype && data.buffer instanceof SharedArrayBuffer,
        () => `run: output ${name} is ${dtype}, got ${show(target)} to write it into, which must be a sharedTensor(…) of that dtype`,
      )
      return { name, dtype, shape, data: data as Float32Array | Int32Array }
    })
    const results = await ask<Float32Array[]>({ kind: 'run', id, feeds, numbers, outputs })
    const returned = outputs.filter(({ name }) => !into[name])
    return Object.fromEntries(
      returned.map(({ name, shape }, i): [string, Tensor] => [name, { dtype: graph.outputs[name]!.dtype, shape, data: results[i]! }]),
    )
  }

  async function compileUpdate(graph: Graph): Promise<Update> {
    const kernel = toWasm(graph)
    const id = ++made
    await ask({ kind: 'kernel', id, bytes: kernel.bytes })
    return {
      apply: (items, scalars) =>
        ask({
          kind: 'update',
          id,
          calls: items.map((item) => [
            sizeOf(item[kernel.arrays[0]!]!.shape),
            ...[...kernel.arrays, ...kernel.outputs].map((name) => item[name]!.slot.offset),
            ...kernel.scalars.map((name) => scalars[name]!),
          ]),
        }),
      sumOfSquares: (residents) => ask({ kind: 'sumOfSquares', id, slots: residents.map(({ slot }) => slot) }),
    }
  }

  const send = sharedWriter(ask)
  return {
    compile,
    compileUpdate,
    async allocate({ dtype, shape }) {
      const size = sizeOf(shape)
      const offset = await ask<number>({ kind: 'allocate', bytes: size * 4 })
      return { dtype, shape, slot: { offset, size, dtype } }
    },
    release: ({ slot }) => ask({ kind: 'release', offset: slot.offset }),
    async write(resident, tensor) {
      demand(sameShape(resident.shape, tensor.shape), () => `write: ${show(resident)} expected, got ${show(tensor)}`)
      const file = placeOf(tensor)
      if (file) return ask({ kind: 'load', slot: resident.slot, file })
      await send(resident.slot, tensor.data as Float32Array | Int32Array)
    },
    async read(resident) {
      const { slot, dtype, shape } = resident
      return outsideOf(resident) ?? { dtype, shape, data: await ask<Float32Array>({ kind: 'read', slot }) }
    },
    copy: (from, to, blocks) => ask({ kind: 'copy', from: from.slot, to: to.slot, blocks }),
    pick: (from, to, rows, outer) => ask({ kind: 'pick', from: from.slot, to: to.slot, rows, outer }),
    async close() {
      stop(new Error('internal: the engine was closed'))
      await worker.terminate()
    },
  }
}

/** A number for each object that programs hold their inputs by. */
const numbersOfHeld = new WeakMap<object, number>()
let lastHeld = 0
function numberOf(held: object): number {
  const number = numbersOfHeld.get(held) ?? ++lastHeld
  numbersOfHeld.set(held, number)
  return number
}

/**
 * What a session holds. It maps either all of it or nothing: where some of it lies in files, it holds what is in the first one's folder, and
 * reads the rest in every run.
 */
function heldOf(held: CompileOptions['held'] = {}): { held: Readonly<Record<string, Resident>>; folder?: string; files: Files } {
  const filed = Object.entries(held).flatMap(([key, { slot }]) => (slot.file ? [[key, slot.file] as const] : []))
  if (filed.length === 0) return { held, files: new Map() }
  const folder = dirname(filed[0]![1].file)
  const files = new Map(filed.filter(([, { file }]) => dirname(file) === folder))
  for (const [file, state] of new Map([...files.values()].map(({ file, state }) => [file, state]))) checkState(file, state)
  return { held: Object.fromEntries(Object.entries(held).filter(([key]) => files.has(key))), folder, files }
}

/** A session in the engine's thread, and how many programs run on it. */
interface Session {
  readonly id: number
  readonly ready: Promise<void>
  users: number
}

// Under a TypeScript runner the thread still needs JavaScript, so it is taken from the build.
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../../dist/engine/worker.js' : './worker.js', import.meta.url)
}

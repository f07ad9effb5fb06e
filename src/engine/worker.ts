import { parentPort } from 'node:worker_threads'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { readPlace } from '../files/lazy-tensor.ts'
import { sizeOf } from '../graph/index.ts'
import { openMemory } from './memory.ts'
import { type Request, type Slot, STOP } from './protocol.ts'

// The engine's own thread: `session.run` blocks whoever calls it. It owns the memory, the sessions and the kernels, and does what it is
// told in the order it is told.

const { memory, allocate, release } = openMemory()
const sessions = new Map<number, InferenceSession>()
const kernels = new Map<number, { run: (...args: number[]) => void; sumOfSquares: (count: number, offset: number) => number }>()

const actions: { readonly [K in Request['kind']]: (request: Extract<Request, { kind: K }>) => unknown } = {
  allocate: ({ bytes }) => allocate(bytes),
  release: ({ offset }) => release(offset),
  write: ({ slot, data }) => view(slot).set(data as never),
  load: ({ slot, file }) => readPlace(file, view(slot) as Float32Array),
  read: ({ slot }) => (slot.file ? numbersOf(slot) : view(slot).slice()),
  copy({ from, to, blocks }) {
    const [source, target] = [numbersOf(from), view(to)]
    for (const { length, fromStart, toStart, outer, inner } of blocks) {
      for (let o = 0; o < outer.count; o++) {
        for (let i = 0; i < inner.count; i++) {
          const start = fromStart + o * outer.from + i * inner.from
          const end = toStart + o * outer.to + i * inner.to
          target.set(source.subarray(start, start + length) as never, end)
        }
      }
    }
  },
  pick({ from, to, rows, outer }) {
    // For each outer block, rows of `from` in a new order: [outer, fromRows, …] → [outer, rows.length, …].
    const [source, target] = [view(from), view(to)]
    const width = to.size / outer / rows.length
    const fromRows = from.size / outer / width
    for (let o = 0; o < outer; o++) {
      rows.forEach((row, i) => {
        const start = (o * fromRows + row) * width
        target.set(source.subarray(start, start + width) as never, (o * rows.length + i) * width)
      })
    }
  },
  async session({ id, bytes, threads, held, folder, pack, profile }) {
    sessions.set(
      id,
      await InferenceSession.create(bytes, {
        externalData: Object.entries(held).map(([path, slots]) => ({ path, data: joined(slots) })),
        intraOpNumThreads: threads,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        enableMemPattern: false,
        // An arena keeps what it once had: 400 MB more in a run of stories5m, and no faster.
        enableCpuMemArena: false,
        logSeverityLevel: 4, // what it would log is in the error it throws
        extra: {
          // Hidden keys leave e^−100 and less in a softmax; with denormal numbers it runs at a fifth of its speed.
          session: {
            set_denormal_as_zero: '1',
            ...(pack ? {} : { disable_prepacking: '1' }),
            ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
          },
          // Which transposes go into a product is decided in fuse.ts.
          optimization: { disable_specified_optimizers: 'MatmulTransposeFusion' },
        },
        ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
      }),
    )
  },
  closeSession: async ({ id }) => {
    const session = sessions.get(id)
    sessions.delete(id)
    for (const key of scratches.keys()) if (key.startsWith(`${id} `)) scratches.delete(key)
    session?.endProfiling()
    await session?.release()
  },
  kernel: ({ id, bytes }) => {
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)
    kernels.set(id, new WebAssembly.Instance(module, { engine: { memory } }).exports as never)
  },
  update({ id, calls }) {
    for (const args of calls) kernels.get(id)!.run(...args)
  },
  sumOfSquares: ({ id, slots }) => slots.map((slot) => kernels.get(id)!.sumOfSquares(slot.size, slot.offset)),
  async run({ id, feeds, numbers, outputs }) {
    const session = sessions.get(id)!
    const fed: Record<string, OrtTensor> = Object.fromEntries(
      feeds.map(({ name, slot, data, shape, dtype }) => [
        name,
        new OrtTensor(names[dtype], (data ? unshared(data) : numbersOf(slot!)) as never, shape),
      ]),
    )
    for (const [name, data] of Object.entries(numbers))
      fed[name] = data instanceof Float32Array ? new OrtTensor('float32', data, []) : new OrtTensor('int64', data, [data.length])
    const places = outputs.map(({ name, slot, data, dtype, shape }) =>
      slot ? view(slot) : data ? scratch(`${id} ${name}`, dtype, sizeOf(shape)) : new arrays[dtype](sizeOf(shape)),
    )
    const wanted = outputs.map(({ name, dtype, shape }, i) => [name, new OrtTensor(names[dtype], places[i] as never, shape)] as const)
    // Every output is written where it belongs; then the binding refuses to copy them (see STOP).
    await session.run(fed, { [STOP]: null, ...Object.fromEntries(wanted) }).catch((error: Error) => {
      if (!/Non tensor type is temporarily not supported/.test(error.message)) throw error
    })
    outputs.forEach(({ data }, i) => {
      data?.set(places[i] as never)
    })
    return places.filter((_, i) => !outputs[i]!.slot && !outputs[i]!.data)
  },
}
/** What each request was to do, for messages. */
const told: { readonly [K in Request['kind']]: string } = {
  allocate: 'allocate memory',
  release: 'release memory',
  write: 'write an array',
  load: 'read an array from its file',
  read: 'read an array',
  copy: 'copy blocks',
  pick: 'pick rows',
  session: 'load a graph into ONNX Runtime',
  closeSession: 'close a session',
  kernel: 'compile an update',
  update: 'apply an update',
  sumOfSquares: 'add up squares',
  run: 'run a graph in ONNX Runtime',
}
const names = { f32: 'float32', i32: 'int32' } as const
const arrays = { f32: Float32Array, i32: Int32Array } as const

function view({ offset, size, dtype }: Slot): Float32Array | Int32Array {
  return dtype === 'i32' ? new Int32Array(memory.buffer, offset, size) : new Float32Array(memory.buffer, offset, size)
}

/** The numbers of a slot to be read; those of a file are a copy. */
function numbersOf(slot: Slot): Float32Array | Int32Array {
  if (!slot.file) return view(slot)
  const numbers = new Float32Array(slot.size)
  readPlace(slot.file, numbers)
  return numbers
}

/** ONNX Runtime's binding takes no shared memory. */
function unshared(data: Float32Array | Int32Array): Float32Array | Int32Array {
  return (data.buffer as ArrayBufferLike) instanceof SharedArrayBuffer ? data.slice() : data
}

/** So what goes there is written here first; kept from run to run. */
const scratches = new Map<string, Float32Array | Int32Array>()
function scratch(key: string, dtype: keyof typeof arrays, size: number): Float32Array | Int32Array {
  const known = scratches.get(key)
  if (known?.length === size) return known
  const made = new arrays[dtype](size)
  scratches.set(key, made)
  return made
}

/** The bytes of arrays, one after another. */
function joined(slots: readonly Slot[]): Uint8Array {
  const bytes = slots.map(numbersOf).map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))
  return bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes)
}

let queue = Promise.resolve()
parentPort!.on('message', ({ number, request }: { number: number; request: Request }) => {
  queue = queue.then(async () => {
    try {
      const value = await actions[request.kind](request as never)
      parentPort!.postMessage({ number, value }, transferable(value))
    } catch (error) {
      const { name, message } = error as Error
      parentPort!.postMessage({
        number,
        error: { name, message: name === 'UserError' ? message : `engine could not ${told[request.kind]}, got ${message}` },
      })
    }
  })
})

function transferable(value: unknown): ArrayBuffer[] {
  const arrays = (Array.isArray(value) ? value : [value]).filter(ArrayBuffer.isView) as ArrayBufferView[]
  return arrays.filter((x) => x.byteLength === x.buffer.byteLength && x.buffer instanceof ArrayBuffer).map((x) => x.buffer as ArrayBuffer)
}

import { setImmediate } from 'node:timers/promises'
import { type Engine, outsideOf, type Program, type Resident } from '../engine/index.ts'
import { placeOf, readTensor } from '../files/lazy-tensor.ts'
import { ancestors, cutGraph, type Graph, type Stage, sizeOf, type Tensor } from '../graph/index.ts'

/** Whether a tap is where a block ends, or what the first one reads. */
export function isBlockEnd(tap: string): boolean {
  return /^(embed|blocks\.\d+\.out)$/.test(tap)
}

/**
 * A program that is run block by block. What it keeps on the way are the ends of blocks and the gradients there; what is inside a block is
 * computed again on the way back. Parameters that are outside of the engine are brought in for the block that reads them, while the one
 * before is computed. Blocks that are alike share one session.
 *
 * limits  numbers are those of the program in one piece but for the order of sums
 */
export async function compileStages(engine: Engine, whole: Graph, scratch: Scratch): Promise<Program> {
  const ends = ancestors(Object.values(whole.outputs)).filter(({ op, attrs }) => op.name === 'tap' && isBlockEnd(String(attrs.name)))
  const stages = cutGraph(whole, [...new Set([...ends, ...(whole.cuts ?? [])])])
  const programs: Program[] = []
  for (const stage of stages) programs.push(await engine.compile(stage.graph))
  const readers = (cut: number) => stages.findLastIndex(({ reads }) => Object.values(reads).includes(cut))
  return {
    graph: whole,
    nodes: programs[0]!.nodes,
    async run(inputs, into = {}) {
      const cuts = new Map<number, Resident>()
      const results: Record<string, Tensor> = {}
      try {
        let next = scratch.bring(stages[0]!, inputs)
        for (const [i, stage] of stages.entries()) {
          const fed = await next
          const read = Object.entries(stage.reads).map(([mine, name]) => [mine, fed[mine] ?? (typeof name === 'number' ? cuts.get(name) : inputs[name])]) // biome-ignore format: one line
          const targets: Record<string, Resident | Tensor> = {}
          for (const [mine, name] of Object.entries(stage.makes)) {
            const target = typeof name === 'number' ? await engine.allocate(stage.graph.outputs[mine]!) : into[name]
            if (typeof name === 'number') cuts.set(name, target as Resident)
            if (target) targets[mine] = target
          }
          const running = programs[i]!.run(Object.fromEntries(read) as Record<string, Tensor | Resident>, targets)
          if (stages[i + 1]) next = scratch.bring(stages[i + 1]!, inputs)
          // Heard where it is awaited, also when what runs now fails first.
          next.catch(() => {})
          const made = await running
          for (const [mine, tensor] of Object.entries(made)) results[String(stage.makes[mine])] = tensor
          for (const [cut, resident] of cuts) {
            if (readers(cut) > i) continue
            cuts.delete(cut)
            await engine.release(resident)
          }
        }
        return results
      } finally {
        for (const resident of cuts.values()) await engine.release(resident)
      }
    },
    save: (path) => engine.compile(whole).then(async (program) => { await program.save(path); await program.close() }), // biome-ignore format: one line
    async close() {
      for (const program of programs) await program.close()
    },
  }
}

/** Where parameters are while a stage reads them that are outside of the engine. */
export type Scratch = ReturnType<typeof openScratch>

export function openScratch(engine: Engine) {
  const places = new Map<string, Resident>()
  let buffer = new SharedArrayBuffer(0)
  return {
    /** What a stage reads from outside, by the stage's own names, once it is in the engine; the numbers of the stage before are gone then. */
    async bring({ graph, reads }: Stage, inputs: Readonly<Record<string, Tensor | Resident>>): Promise<Record<string, Resident>> {
      const wanted = Object.entries(reads).flatMap(([mine, name]) => {
        const given = inputs[name]
        const tensor = given && 'slot' in given ? outsideOf(given) : undefined
        return tensor && graph.inputs[mine] ? [[mine, tensor] as const] : []
      })
      const bytes = wanted.reduce((sum, [, tensor]) => sum + (placeOf(tensor) ? 0 : 4 * sizeOf(tensor.shape)), 0)
      if (buffer.byteLength < bytes) buffer = new SharedArrayBuffer(bytes)
      const brought: Record<string, Resident> = {}
      const writes: Promise<void>[] = []
      const counts = new Map<string, number>()
      let at = 0
      for (const [mine, tensor] of wanted) {
        const { dtype, shape } = tensor
        const nth = counts.get(String(shape)) ?? 0
        counts.set(String(shape), nth + 1)
        const key = `${shape} ${nth}`
        const place = places.get(key) ?? (await engine.allocate({ dtype, shape }))
        places.set(key, place)
        brought[mine] = place
        // What lies in a file as it is needs no room on the way.
        if (placeOf(tensor)) {
          writes.push(engine.write(place, tensor))
          continue
        }
        const data = new Float32Array(buffer, at, sizeOf(shape))
        at += data.byteLength
        // So that what else this thread has to do is done meanwhile.
        await setImmediate()
        readTensor(tensor, data)
        writes.push(engine.write(place, { dtype, shape, data }))
      }
      await Promise.all(writes)
      return brought
    },
    async release() {
      buffer = new SharedArrayBuffer(0)
      for (const place of places.values()) await engine.release(place)
      places.clear()
    },
  }
}

import type { Checkpoint } from '../checkpoints/checkpoint.ts'
import { type CompileOptions, type Engine, isMapped, outsideOf, type Program, place, type Resident } from '../engine/index.ts'
import { type Graph, input, type Shape, type Tensor, type Value } from '../graph/index.ts'
import type { Adapter, Adapters } from '../models/adapters.ts'
import type { DecoderConfig } from '../models/config.ts'
import { byPath, type DecoderParams, decoderParams, paramInputs } from '../models/params.ts'
import type { PlacedEdit } from './edit.ts'
import { underFiles } from './edit-file.ts'
import { compileStages, openScratch } from './stages.ts'

/** A model in the engine: its parameters lie there, and what is run with them is compiled once for each shape. */
export interface Policy {
  readonly engine: Engine
  readonly config: DecoderConfig
  readonly params: DecoderParams<Resident>
  readonly adapters?: Adapters<Resident>
  /** Nothing is written to its parameters as long as it is used, so what is made of them is kept from one call to the next. */
  readonly fixed?: boolean
  /** Its parameters are outside of the engine, and are brought in block by block in every run. */
  readonly streamed?: boolean
  /** What is done to values on the way; see `edited`. */
  readonly edits?: readonly PlacedEdit[]
  /** The same policy without edits. */
  readonly unedited?: Policy
  /**
   * The program for a key, compiled the first time it is asked for. Functions that are traced into it are part of the key by their identity,
   * never by their text: two closures of one factory are two programs. The first word of the key names the place that asks.
   */
  program(key: string, make: () => Graph, of?: readonly (object | undefined)[]): Promise<Program>
  /** Closes its programs: together they hold the memory of their largest run, and compiling one again takes a tenth of a second. */
  rest(): Promise<void>
  /** Parameters and adapters by the names that graphs know them under, for `Program.run`. */
  readonly given: Readonly<Record<string, Resident>>
}

/** The most programs kept at a time; the one that was not asked for the longest is closed. Those that differ in sizes alone share memory. */
const MOST_PROGRAMS = 48

/** Puts a checkpoint's parameters (and adapters) into the engine; the edits that it lists act in whatever is computed with them. See `place` for `mapped` and `streamed`. */
export async function openPolicy(
  engine: Engine,
  { config, params, edits = [] }: Pick<Checkpoint, 'config' | 'params' | 'edits'>,
  adapters?: Adapters<Tensor>,
  { mapped, streamed, ...options }: Omit<PolicyOptions, 'hold'> & { readonly mapped?: number; readonly streamed?: boolean } = {},
): Promise<Policy> {
  const resident = (await place(engine, params, { mapped, streamed })) as DecoderParams<Resident>
  return underFiles(policyOf(engine, config, resident, adapters && (await placeAdapters(engine, adapters)), options), edits)
}

export interface PolicyOptions {
  /** See Policy. */
  readonly fixed?: boolean
  /** Its programs keep parameters and adapters as they are when first run, and do not see what is written to them later (see CompileOptions). */
  readonly hold?: Hold
  /** Its programs are run block by block (see compileStages), which is always so where parameters are outside of the engine. */
  readonly blockwise?: boolean
}

/** In which form weights are held: packed for products of several rows, as they are, or rounded to blocks. */
export type Hold = 'packed' | 'plain' | 'int8' | 'int4'

/** Puts adapters into the engine. */
export async function placeAdapters(engine: Engine, { masks: _, layers, ...how }: Adapters<Tensor>): Promise<Adapters<Resident>> {
  return { ...how, layers: (await place(engine, layers)) as Adapters<Resident>['layers'] }
}

/** A policy over parameters that are in the engine already. */
export function policyOf(
  engine: Engine,
  config: DecoderConfig,
  params: DecoderParams<Resident>,
  adapters?: Adapters<Resident>,
  { fixed = false, hold, blockwise = false }: PolicyOptions = {},
): Policy {
  const given = { ...named(params), ...Object.fromEntries(adapterLeaves(adapters)) }
  const mapped = Object.fromEntries(Object.entries(given).filter(([, resident]) => isMapped(resident)))
  const held = hold
    ? { held: given, ...heldAs(hold, Object.keys(mapped).length > 0) }
    : Object.keys(mapped).length > 0
      ? { held: mapped, pack: false }
      : {}
  // What is rounded is held, wherever it comes from.
  const streamed = hold !== 'int8' && hold !== 'int4' && Object.values(given).some(outsideOf)
  const inStages = blockwise || streamed
  const scratch = openScratch(engine)
  const programs = new Map<string, Promise<Program>>()
  const noted = recompilationNote()
  return {
    engine,
    config,
    params,
    ...(adapters ? { adapters } : {}),
    ...(fixed ? { fixed } : {}),
    ...(streamed ? { streamed } : {}),
    program(name, make, of = []) {
      const functions = of.map((one) => (one ? identityOf(one) : 0)).join()
      const key = `${name} ${functions}`
      if (of.length > 0 && !programs.has(key)) noted(name, functions)
      const known = programs.get(key) ?? (inStages ? compileStages(engine, make(), scratch) : engine.compile(make(), held))
      programs.delete(key)
      programs.set(key, known)
      const [[oldest, idle]] = [...programs] as [[string, Promise<Program>]]
      if (programs.size > MOST_PROGRAMS) {
        programs.delete(oldest)
        void idle.then((program) => program.close())
      }
      return known
    },
    async rest() {
      const idle = [...programs.values()]
      programs.clear()
      for (const program of idle) await (await program).close()
      await scratch.release()
    },
    given,
  }
}

function heldAs(hold: Hold, mapped: boolean): Pick<CompileOptions, 'pack' | 'bits'> {
  // Blocks are packed whatever the number of rows: their product is made for it.
  if (hold === 'int8' || hold === 'int4') return { bits: hold === 'int8' ? 8 : 4 }
  // What is mapped is not packed: that would be a copy.
  return { pack: hold === 'packed' && !mapped }
}

/** The same compiled programs with other parameters of the same shapes, which are in the engine already; without edits and adapters. */
export function withParams({ unedited, ...policy }: Policy, params: DecoderParams<Resident>): Policy {
  const { edits: _, adapters: __, ...plain } = unedited ?? policy
  // Programs hold what is mapped, so others would not be seen.
  if (policy.streamed || Object.values(policy.given).some(isMapped)) return policyOf(policy.engine, policy.config, params)
  return { ...plain, params, given: named(params) }
}

/** A number for a function or an object, another for every other; it does not keep it alive. */
function identityOf(one: object): number {
  const known = identities.get(one) ?? ++lastIdentity
  identities.set(one, known)
  return known
}
const identities = new WeakMap<object, number>()
let lastIdentity = 0

/** Notes, once for each place, that programs were compiled for many functions there: most likely one function is made again and again. */
function recompilationNote(): (key: string, functions: string) => void {
  const places = new Map<string, Set<string>>()
  return (key, functions) => {
    const place = key.split(' ', 1)[0]!
    const seen = places.get(place) ?? new Set()
    places.set(place, seen)
    const before = seen.size
    if (before < MANY && seen.add(functions).size === MANY && before !== MANY)
      process.emitWarning(
        `"${place}" was compiled for ${MANY} different functions; define an edit or a loss once, outside of loops, and feed it what changes`,
        { code: 'INNATE_RECOMPILED' },
      )
  }
}
const MANY = 8

/** What a graph is traced from: shapes of parameters, and edits. */
export interface Traceable extends Pick<Policy, 'config' | 'edits'> {
  readonly params: DecoderParams<Shaped>
  readonly adapters?: Adapters<Shaped>
}
interface Shaped {
  readonly shape: Shape
}

/** The policy's parameters as inputs of a new graph. */
export function policyInputs(policy: Traceable): {
  params: DecoderParams<Value>
  adapters?: Adapters<Value>
  inputs: Record<string, Value>
} {
  const params = paramInputs(policy.params, (path, shape) => input(`params.${path}`, shape))
  const inputs: Record<string, Value> = Object.fromEntries(Object.entries(byPath(params)).map(([path, value]) => [`params.${path}`, value]))
  if (!policy.adapters) return { params, inputs }
  const made = Object.fromEntries(adapterLeaves(policy.adapters).map(([name, { shape }]) => [name, input(name, shape)]))
  return { params, adapters: adaptersWith(policy.adapters, made), inputs: { ...inputs, ...made } }
}

/** The parameters as they now lie in the engine, for saveCheckpoint. */
export async function readParams(policy: Policy): Promise<DecoderParams<Tensor>> {
  const read = await readNamed(policy.engine, named(policy.params))
  return decoderParams(policy.config, (path) => read[`params.${path}`]!)
}

/** The adapters as they now lie in the engine; undefined when the policy has none. */
export async function readAdapters({ engine, adapters }: Policy): Promise<Adapters<Tensor> | undefined> {
  if (!adapters) return undefined
  const read = await readNamed(engine, Object.fromEntries(adapterLeaves(adapters)))
  return adaptersWith(adapters, read)
}

async function readNamed(engine: Engine, residents: Readonly<Record<string, Resident>>): Promise<Record<string, Tensor>> {
  const read = Object.entries(residents).map(async ([name, resident]): Promise<[string, Tensor]> => [name, await engine.read(resident)])
  return Object.fromEntries(await Promise.all(read))
}

/** Every part of every adapter by its name in graphs: `lora.blocks.0.attn.q.a`. */
export function adapterLeaves<T>(adapters: Adapters<T> | undefined): [string, T][] {
  return Object.entries(adapters?.layers ?? {}).flatMap(([path, layer]) =>
    Object.entries(layer).map(([part, value]): [string, T] => [`lora.${path}.${part}`, value as T]),
  )
}

/** The same adapters with other parts, by name. */
function adaptersWith<T, U>({ masks: _, layers, ...how }: Adapters<T>, parts: Readonly<Record<string, U>>): Adapters<U> {
  const part = (path: string, layer: object) =>
    Object.fromEntries(Object.keys(layer).map((name) => [name, parts[`lora.${path}.${name}`]!])) as unknown as Adapter<U>
  return { ...how, layers: Object.fromEntries(Object.entries(layers).map(([path, layer]) => [path, part(path, layer)])) }
}

function named(params: DecoderParams<Resident>): Record<string, Resident> {
  const found: Record<string, Resident> = {}
  paramInputs(params, (path, shape) => {
    found[`params.${path}`] = path.split('.').reduce((inner, key) => (inner as never)[key], params as unknown) as Resident
    return input(path, shape)
  })
  return found
}

import { type Later, readSafetensors, writeSafetensors } from '../checkpoints/index.ts'
import type { Engine, Resident, Update } from '../engine/index.ts'
import { graph, input, type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Policy } from '../policy/index.ts'
import { type Clip, clipFactors } from './clip.ts'
import { type Optimizer, traceUpdate } from './optimizer.ts'
import { trainableInputs } from './step.ts'

/** What training changes, all of it in the engine's memory: parameters, gradients and the optimizer's arrays. */
export interface TrainState {
  readonly trainable: Readonly<Record<string, Resident>>
  /** Where a step's gradient is written, by the step's output names. */
  readonly grads: Readonly<Record<string, Resident>>
  /** What the optimizer keeps beside each parameter, by its own names. */
  readonly moments: Readonly<Record<string, Readonly<Record<string, Resident>>>>
  /** Where a further micro-batch's gradient is written before it is added. */
  more(): Promise<Readonly<Record<string, Resident>>>
  addMore(): Promise<void>
  /** What the objective carries from step to step; kept with the rest. */
  carried: readonly number[]
  /** The norm of the whole gradient. */
  gradNorm(): Promise<number>
  /** Changes every parameter in place, by the gradient clipped. */
  update(step: number, lr: number): Promise<void>
  /** A step of an optimizer whose step is not one elementwise update; `backward` takes the gradient again. */
  wholeStep(step: number, lr: number, backward: () => Promise<void>): Promise<void>
  /** Everything a resumed run needs, in one file, written atomically; `more` is of others. */
  save(file: string, step: number, more?: readonly (readonly [string, Tensor])[]): Promise<void>
  /** Reads such a file and returns its step, and all that the file holds. */
  restore(file: string): Promise<{ readonly step: number; readonly tensors: ReadonlyMap<string, Tensor> }>
  close(): Promise<void>
}

/** Allocates gradients and the optimizer's arrays for what a policy trains. */
export async function openTrainState(policy: Policy, optimizer: Optimizer, clip: Clip): Promise<TrainState> {
  const { engine } = policy
  const trainable = trainableInputs(policy, policy.given)
  const names = Object.keys(trainable)
  const like = (prefix: string) => allocateLike(engine, trainable, prefix)
  const grads = await like('grad.')
  const moments = Object.fromEntries(await Promise.all(optimizer.state.map(async (key) => [key, await like('')] as const)))
  const limited = 'value' in clip
  const { inputs, outputs } = traceUpdate(optimizer, { limited })
  const kernel = await engine.compileUpdate(graph(inputs, outputs))
  let extra: Record<string, Resident> | undefined
  let adder: Update | undefined
  /** Of the gradient as it now is, once they were asked for. */
  let squares: Map<string, number> | undefined

  const saved = () => [
    ...names.map((name) => [`param.${name}`, trainable[name]!] as const),
    ...optimizer.state.flatMap((key) => names.map((name) => [`${key}.${name}`, moments[key]![name]!] as const)),
  ]
  const squaresOf = async () => {
    const squares = await kernel.sumOfSquares(names.map((name) => grads[`grad.${name}`]!))
    return new Map(names.map((name, i) => [name, squares[i]!]))
  }
  const arraysOf = (name: string) => ({
    param: trainable[name]!,
    grad: grads[`grad.${name}`]!,
    ...Object.fromEntries(optimizer.state.map((key) => [key, moments[key]![name]!])),
  })
  async function update(step: number, lr: number) {
    const scalars = { lr, ...optimizer.scalars(step), ...(limited ? { limit: clip.value } : {}) }
    if (limited) return kernel.apply(names.map(arraysOf), scalars)
    const factors = clipFactors(clip, squares ?? (await squaresOf()))
    squares = undefined
    for (const factor of new Set(factors.values())) {
      const alike = names.filter((name) => factors.get(name) === factor)
      await kernel.apply(alike.map(arraysOf), { ...scalars, clip: factor })
    }
  }
  const state: TrainState = {
    trainable,
    grads,
    carried: [],
    moments,
    async more() {
      return (extra ??= await like('grad.'))
    },
    async addMore() {
      const [total, part] = [input('total', [4]), input('part', [4])]
      adder ??= await engine.compileUpdate(graph({ total, part }, { total: total.add(part) }))
      await adder.apply(
        Object.keys(grads).map((name) => ({ total: grads[name]!, part: extra![name]! })),
        {},
      )
    },
    async gradNorm() {
      squares = await squaresOf()
      return Math.sqrt([...squares.values()].reduce((a, b) => a + b, 0))
    },
    update,
    wholeStep: (step, lr, backward) =>
      optimizer.step!({
        ...{ engine, step, lr, params: trainable, state: moments },
        grads: Object.fromEntries(names.map((name) => [name, grads[`grad.${name}`]!])),
        async backward() {
          squares = undefined
          await backward()
        },
        update: () => update(step, lr),
      }),
    async save(file, step, more = []) {
      const tensors: (readonly [string, Tensor | Later])[] = [['step', tensor(Int32Array.of(step), [1])], ...more]
      // To the bit: an f64 as two i32.
      if (state.carried.length > 0) {
        const bits = new Int32Array(Float64Array.from(state.carried).buffer)
        tensors.push(['carried', tensor(bits, [bits.length])])
      }
      const later = (resident: Resident): Later => ({ dtype: resident.dtype, shape: resident.shape, read: () => engine.read(resident) })
      await writeSafetensors(file, [...tensors, ...saved().map(([name, resident]) => [name, later(resident)] as const)])
    },
    async restore(file) {
      const tensors = await readSafetensors(file)
      for (const [name, resident] of saved()) {
        const found = tensors.get(name)
        if (!found) throw new UserError(`${file}: must hold ${name}, got a checkpoint without it; is it of another model or optimizer?`)
        await engine.write(resident, found)
      }
      const bits = tensors.get('carried')?.data
      state.carried = bits ? [...new Float64Array(Int32Array.from(bits).buffer)] : []
      return { step: tensors.get('step')!.data[0]!, tensors }
    },
    async close() {
      for (const resident of [grads, extra ?? {}, ...Object.values(moments)].flatMap((group) => Object.values(group)))
        await engine.release(resident)
    },
  }
  return state
}

async function allocateLike(
  engine: Engine,
  residents: Readonly<Record<string, Resident>>,
  prefix: string,
): Promise<Record<string, Resident>> {
  const made = await Promise.all(
    Object.entries(residents).map(
      async ([name, type]) => [prefix + name, await engine.allocate({ dtype: type.dtype, shape: type.shape })] as const,
    ),
  )
  return Object.fromEntries(made)
}

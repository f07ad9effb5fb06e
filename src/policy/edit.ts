import type { Resident } from '../engine/index.ts'
import { type DType, demand, type Shape, show, type Tensor, type Value } from '../graph/index.ts'
import { tapNames, tapOf, tapsNamed } from '../models/taps.ts'
import type { Policy } from './policy.ts'

/** Where a value stands: which tokens it belongs to, and how they are computed. */
export interface Site {
  /** Scoring rows of trees, reading a prompt, a step of sampling, a training step. */
  readonly path: 'rows' | 'read' | 'step' | 'train'
  /** i32[R, T] */
  readonly tokens: Value
  /** i32[R, T]: the place of a token in its text, which goes on from the prompt in every branch; 0 at padding. */
  readonly positions: Value
  /** i32[R, T]: which of the trees or prompts given a token belongs to, counted from 0; 0 at padding. */
  readonly text: Value
  /** f32[R, T]: 1 where there is a token, 0 at padding. */
  readonly real: Value
  /** f32[R, T]: 1 where a token is of a completion, 0 in its prompt and at padding. A text that is only read is all prompt. */
  readonly completion: Value
  /** What is fed by this name in every run: a direction, a patch, a strength. */
  input(name: string, shape: Shape, dtype?: DType): Value
}

/**
 * A function that is called at every tap asked for, with the tap's name, and returns what goes on from there: the same value to only look.
 *
 * shape   returns the shape that it was given: [R, T, …], of heads [R, heads, T, …], the same on every path (see the table of taps)
 */
export type Edit = (name: string, x: Value, at: Site) => Value

/** What an edit reads besides values: tensors or arrays in the engine, by the names it asks for. */
export type Feeds = () => Readonly<Record<string, Tensor | Resident>>

export interface EditOptions {
  /** The taps it is called at: a name, a pattern (`blocks.*.out`), or a list. Default: all that lie inside no kernel. */
  readonly at?: string | readonly string[]
  /** Asked before every run, so what is fed may change without anything being compiled again. */
  readonly feeds?: Feeds
}

/** An edit with the taps it is called at. */
export interface PlacedEdit {
  readonly edit: Edit
  readonly at: ReadonlySet<string>
  readonly feeds?: Feeds
}

/**
 * The same parameters as another function: whatever is computed with the policy that is returned (scores, samples, training steps, an ONNX
 * file) honours the edit. Edits compose: of two at one tap, the one that was added last is called last.
 *
 * The edit is called while a graph is traced, once for each shape, and programs are kept by its identity. So define it once; what changes
 * from run to run is fed. One at a prompt's positions acts when the prompt is read, one at later positions at each step.
 *
 * throws  UserError for a pattern that names no tap; ShapeError while tracing, when it returns another shape
 * limits  what lies inside a kernel (the table of taps says what) is computed plainly where an edit asks for it, which is slower
 */
export function edited(policy: Policy, edit: Edit, { at, feeds }: EditOptions = {}): Policy {
  const { config } = policy
  const names = at === undefined ? tapNames(config).filter((name) => !tapOf(name)!.inside) : tapsNamed('edit', at, config)
  return withEdit(policy, { edit, at: new Set(names), ...(feeds ? { feeds } : {}) })
}

/** A policy under one more edit. */
export function withEdit(policy: Policy, placed: PlacedEdit): Policy {
  const at = [...placed.at].join()
  return {
    ...policy,
    unedited: policy.unedited ?? policy,
    edits: [...(policy.edits ?? []), placed],
    program: (key, make, of = []) => policy.program(`${key} ${at}`, make, [placed.edit, ...of]),
  }
}

/** Other parameters, and what is compiled with them, under the edits of a policy. */
export function underEditsOf(policy: Policy, other: Policy): Policy {
  return (policy.edits ?? []).reduce(withEdit, other)
}

/** What the policy's edits read besides values, as inputs of a run. */
export function fedTo({ edits = [] }: Pick<Policy, 'edits'>): Record<string, Tensor | Resident> {
  return Object.fromEntries(
    edits.flatMap(({ feeds }, i) => Object.entries(feeds?.() ?? {}).map(([name, fed]) => [feedName(i, name), fed] as const)),
  )
}

/** The input that the i-th edit reads a feed from. */
export function feedName(i: number, name: string): string {
  return `edit.${i}.${name}`
}

/** Whether a policy's edits ask for taps inside attention, which then takes rows whole. */
export function asksInAttention({ edits = [] }: Pick<Policy, 'edits'>): boolean {
  return edits.some(({ at }) => [...at].some(isInAttention))
}

/** Whether a tap lies inside attention. */
export function isInAttention(name: string): boolean {
  return tapOf(name)?.inside === 'attention'
}

/** What an edit makes of a value. */
export function replaced({ edit }: PlacedEdit, name: string, x: Value, site: Site): Value {
  const y = edit(name, x, site)
  demand(
    y?.dtype === x.dtype && show(y) === show(x),
    () => `edit at ${name}: must return ${show(x)}, got ${y ? show(y) : String(y)}; return the value itself to only look`,
  )
  return y
}

import type { Shape } from '../../graph/tensor.ts'

/** A parameter of a merge: one for all of it, one for every model, or one for every model but the base. */
export interface Parameter {
  readonly of: 'merge' | 'model' | 'other'
  readonly kind: 'number' | 'whole' | 'switch'
  /** Without one it must be given; null where nothing is done unless it is given. */
  readonly default?: number | boolean | null
  readonly about: string
}

type One<P extends Parameter> = (P['kind'] extends 'switch' ? boolean : number) | (P['default'] extends null ? null : never)
/** What a method is given for its parameters; one of every model in the order of the tensors. */
export type Values<P extends Readonly<Record<string, Parameter>>> = {
  readonly [K in keyof P]: P[K]['of'] extends 'merge' ? One<P[K]> : readonly One<P[K]>[]
}

/** One tensor of every model that is merged. They belong to the method, which may write over them. */
export interface Given {
  readonly name: string
  readonly shape: Shape
  readonly tensors: readonly Float32Array[]
  /** The one of them that differences are taken from, and those that are not it. */
  readonly base: Float32Array | undefined
  readonly others: readonly Float32Array[]
  /** Which entries of a model's difference are kept: 1 with the probability told, of all of them or of each. */
  draw(other: number, chance: number | Float32Array): Uint8Array
}

/** A way to make one model of several, tensor by tensor. */
export interface MergeMethod<P extends Readonly<Record<string, Parameter>> = Readonly<Record<string, Parameter>>> {
  readonly name: string
  /** What the tensor becomes. */
  readonly about: string
  readonly source: string
  readonly base: 'needed' | 'may be' | 'one of the models'
  /** How many models there may be, the base among them. */
  readonly models: { readonly least: number; readonly most?: number }
  /** How many there may be besides the base. */
  readonly others?: { readonly least: number; readonly most?: number }
  readonly parameters: P
  merge(given: Given, values: Values<P>): Float32Array
}

/** A method as the table holds it, whatever its parameters. */
export function mergeMethod<const P extends Readonly<Record<string, Parameter>>>(method: MergeMethod<P>): MergeMethod {
  return method as unknown as MergeMethod
}

import { UserError } from '../graph/index.ts'

/** What a recipe may declare of tensors, with the channel that it is about; each is checked, and a false one is found. */
export const declarable = {
  frozen: { channel: 1, about: 'the tensor is not trained: its bytes never change' },
  stop: { channel: 1, about: 'a part of the loss holds it constant: the gradient is that of the loss with the part held' },
  'straight-through': { channel: 1, about: 'the gradient passes a rounding as if it were not there' },
  choice: { channel: 1, about: 'a hard choice (a step, an argMax) depends on it: the gradient is that of the loss with the choice held' },
  'own gradient': { channel: 1, about: 'a gradient is written by hand, and is the derivative' },
  clipped: { channel: 2, about: 'clipping bounds its movement' },
  curved: { channel: 3, about: 'the loss is curved along it' },
  batch: { channel: 4, about: 'the loss of an example depends on the others of its batch' },
  sampler: { channel: 4, about: 'the sampler balances its batches' },
  adaptive: { channel: 5, about: 'the policy draws its own data' },
} as const
export type Declarable = keyof typeof declarable

/** A name and a reason for what an audit would find. */
export interface Declaration {
  /** A tensor's name, or a pattern with `*`. */
  readonly tensor: string
  readonly as: Declarable
  readonly reason: string
}

/** Whether a pattern with `*` names a tensor. */
export function namesTensor(pattern: string, tensor: string): boolean {
  const escaped = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${escaped.join('.*')}$`).test(tensor)
}

/** The declarations of a tensor in a channel. */
export function declaredOf(declarations: readonly Declaration[], tensor: string, channel: number): Declaration[] {
  return declarations.filter(({ tensor: pattern, as }) => declarable[as].channel === channel && namesTensor(pattern, tensor))
}

/**
 * Makes sure that every declaration names a tensor that is trained.
 *
 * throws  UserError naming the first that does not
 */
export function checkDeclarations(declarations: readonly Declaration[], tensors: readonly string[]): void {
  for (const { tensor } of declarations)
    if (!tensors.some((name) => namesTensor(tensor, name)))
      throw new UserError(
        `audit.declare: must name a trained tensor, got ${tensor}; they are named as ${tensors.slice(0, 4).join(', ')}, and * stands for any part`,
      )
}

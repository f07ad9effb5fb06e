import { UserError } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import { normAfterAttention, type Reader, readersOf, type Writer, writersOf } from './edges.ts'

/** What a path ends in: the logits, an MLP, all attention of a block, a head, or some of the inputs of a head. */
export interface Receiver {
  readonly name: string
  /** What reads the residual stream for it. */
  readonly reader: Reader
  /** Of attention: one head. Left out: all of them. */
  readonly head?: number
  /** Of attention: which of q, k and v read the changed stream. */
  readonly inputs: string
}

/** Every receiver that can be named. */
export function receiversOf(config: DecoderConfig): Receiver[] {
  return readersOf(config).flatMap((reader): Receiver[] => {
    const { name, kind, layer } = reader
    if (kind !== 'attn') return [{ name, reader, inputs: '' }]
    const heads = Array.from({ length: config.heads }, (_, head) => head).flatMap((head) =>
      ['', ' q', ' k', ' v'].map((input) => ({ name: `head ${layer}.${head}${input}`, reader, head, inputs: input.trim() || 'qkv' })),
    )
    return [{ name, reader, inputs: 'qkv' }, ...heads]
  })
}

/**
 * The senders that patterns name, in which `*` stands for any number; `*` alone is all of them.
 *
 * throws  UserError for a pattern that names none
 */
export function sendersNamed(config: DecoderConfig, patterns: readonly string[]): Writer[] {
  const why = normAfterAttention(config)
    ? 'a norm follows attention here, so all heads of a block are one sender: attn 0, mlp 0, embed'
    : 'senders are embed, head 0.0, head *.*, mlp 0, mlp *'
  return named('from', writersOf(config), patterns, why, config)
}

/**
 * The receivers that patterns name; `*` alone is attention and MLP of every block, and the logits.
 *
 * throws  UserError for a pattern that names none
 */
export function receiversNamed(config: DecoderConfig, patterns: readonly string[]): Receiver[] {
  const plain = patterns.flatMap((pattern) => (pattern === '*' ? ['attn *', 'mlp *', 'logits'] : [pattern]))
  const why = 'receivers are logits, mlp 0, attn 0, head 0.0, head 0.0 q, head *.* k'
  return named('to', receiversOf(config), plain, why, config)
}

function named<T extends { readonly name: string }>(
  where: string,
  all: readonly T[],
  patterns: readonly string[],
  why: string,
  { layers, heads }: DecoderConfig,
): T[] {
  const found = new Set<T>()
  for (const pattern of patterns) {
    const fits = all.filter(({ name }) => pattern === '*' || standsFor(pattern, name))
    if (fits.length === 0)
      throw new UserError(
        `${where}: must name parts of the model, got ${JSON.stringify(pattern)}; ${why}; blocks are 0 to ${layers - 1}, heads 0 to ${heads - 1}`,
      )
    for (const one of fits) found.add(one)
  }
  return all.filter((one) => found.has(one))
}

/** Whether a pattern stands for a name: part by part, `*` being any number. */
function standsFor(pattern: string, name: string): boolean {
  const [is, wanted] = [name, pattern.trim()].map((text) => text.split(/[ .]+/)) as [string[], string[]]
  return is.length === wanted.length && is.every((part, i) => part === wanted[i] || (wanted[i] === '*' && /^\d+$/.test(part)))
}

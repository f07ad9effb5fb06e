import { hashText } from '../files/hash.ts'
import type { DecoderConfig } from '../models/config.ts'
import { checkEdit } from './check-edit.ts'
import type { Checkpoint } from './checkpoint.ts'
import { type EditFile, readEdit } from './edit-file.ts'
import { editedParams, planEdits } from './edit-weights.ts'
import { vectorAsEdit } from './vector-edit.ts'

/** Edits by their files, in their order; a .gguf file is a control vector. */
export async function readEdits(files: string | readonly string[] | undefined, config: DecoderConfig): Promise<EditFile[]> {
  const all: EditFile[] = []
  for (const file of [files ?? []].flat()) all.push(file.endsWith('.gguf') ? await vectorAsEdit(file, config) : await readEdit(file))
  return all
}

/**
 * A model under edits: its weights are changed, and what is done to activations is listed, so that whoever runs it is under it. With
 * `identities` a directional ablation lies in the weights where that is exact.
 *
 * throws  UserError for an edit of another architecture or of other weights; of several, each may be made for the model under those before it
 */
export function withEdits<C extends Pick<Checkpoint, 'name' | 'config' | 'params' | 'hash' | 'edits'>>(
  checkpoint: C,
  edits: readonly EditFile[],
  { base, identities = false }: { readonly base?: string | undefined; readonly identities?: boolean | undefined } = {},
): C {
  const { edits: before = [], ...plain } = checkpoint
  const hashes = [...(base === undefined ? [] : [base]), checkpoint.hash]
  for (const [i, edit] of edits.entries()) {
    checkEdit(edit, { name: checkpoint.name, config: checkpoint.config, hashes })
    hashes.push(hashUnder(checkpoint.hash, edits.slice(0, i + 1)))
  }
  const plan = planEdits(checkpoint.config, [...before, ...edits], { identities })
  const changes = plan.weights.length + plan.projected.length > 0
  return {
    ...(plain as C),
    ...(changes ? editedParams(checkpoint.config, checkpoint.params, plan) : {}),
    hash: hashes.at(-1)!,
    ...(plan.kept.length > 0 ? { edits: plan.kept } : {}),
  }
}

function hashUnder(hash: string, edits: readonly EditFile[]): string {
  return hashText([hash, ...edits.map(({ sha256 }) => sha256)].join(' '))
}

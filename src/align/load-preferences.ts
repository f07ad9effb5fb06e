import { type Checkpoint, dataFile } from '../checkpoints/index.ts'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import {
  kindOfFile,
  type Labelled,
  type Loaded,
  loadLabelled,
  loadPairs,
  type Pair,
  type Quarantined,
  readAs,
} from '../preferences/index.ts'
import type { FromFile, Recipe } from '../recipe/recipe.ts'
import type { DataFile } from '../runs/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import type { Watch } from './watch.ts'

/** A file of preferences in tokens, with what the manifest says of it. */
export interface Preferences {
  readonly rows: readonly (Pair | Labelled)[]
  readonly quarantined: readonly Quarantined[]
  readonly data: DataFile
}

/**
 * Reads a recipe's file of preferences for its objective. An objective of single completions reads pairs too: the chosen side as
 * wanted, the rejected one as not.
 *
 * throws  UserError when the file holds labelled completions and the objective needs pairs, or the other way round, and as loadPairs
 */
export async function loadPreferences(
  { pairs, boundary, maxLength, truncate, columns }: FromFile,
  { objective }: Recipe,
  checkpoint: Checkpoint,
  watch: Watch,
): Promise<Preferences> {
  const path = await dataFile(pairs, (line) => watch.note?.(line))
  const kind = await kindOfFile(path, columns)
  checkKind(path, kind, objective)
  const template = await loadChatTemplate(checkpoint.folder)
  const options = {
    boundary,
    truncate,
    template,
    columns,
    rewardColumns: objective.kind.scores === true,
    ...(maxLength ? { maxLength } : {}),
  }
  const loaded: Loaded<Pair> | Loaded<Labelled> =
    kind === 'pairs' ? await loadPairs(path, checkpoint, options) : await loadLabelled(path, checkpoint, options)
  const { rows, examples, quarantined, counts, dialects, truncated } = loaded
  const reasons = Object.entries(counts).map(([reason, n]) => `${n} ${reason}`)
  const aside = reasons.length > 0 ? `; ${quarantined.length} set aside (${reasons.join(', ')})` : ''
  const gaps = examples.filter((row) => 'gap' in row).length
  const without = gaps > 0 ? `; ${gaps} are gaps, without a preference` : ''
  const cut = truncated.rows > 0 ? `; ${truncated.rows} cut to fit` : ''
  watch.note?.(`${path}: ${examples.length} usable rows of ${rows}, read as ${readAs(dialects)}${without}${cut}${aside}`)
  return {
    rows: examples,
    quarantined,
    data: {
      role: 'preferences',
      path,
      sha256: await hashFile(path),
      rows,
      used: examples.length,
      quarantined: { ...counts },
      ...(gaps > 0 ? { gaps } : {}),
    },
  }
}

/** Makes sure that an objective can be trained on what a file holds. throws UserError */
export function checkKind(path: string, kind: 'pairs' | 'labelled', { name, kind: form }: Recipe['objective']): void {
  if (form.reads.includes(kind)) return
  throw new UserError(
    kind === 'pairs'
      ? `${path}: ${name} needs labelled completions (prompt, completion, label), got pairs; choose objective rewardModel, or another file`
      : `${path}: ${name} needs pairs (prompt, chosen, rejected), got labelled completions; choose objective ${form.scores ? 'rewardUnpaired' : 'kto or bcoUnpaired'}, or another file`,
  )
}

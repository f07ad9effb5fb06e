import { dataFile, loadAdapters, loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { UserError } from '../graph/index.ts'
import { openPolicy, scoreTrees } from '../policy/index.ts'
import { loadPairs, pairTree, writeQuarantine } from '../preferences/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { columnsFlag, columnsOf } from './columns-flag.ts'
import { command, oneOf, text, texts } from './command.ts'
import { editFlag } from './edit-flag.ts'
import { scoreRows } from './score-rows.ts'

/** Prints what a model thinks of both sides of every pair, and of all of them. */
export const logp = command({
  name: 'logp',
  about:
    'Print the log-probability of both completions of every pair, in nats, summed over their tokens; or a reward model’s score of them.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    reward: texts('folder of a reward model, whose scores are printed instead; several are an ensemble', { shown: 'FOLDER' }),
    adapter: text('folder of an adapter for the model, as PEFT or train saves it', { shown: 'FOLDER' }),
    ...editFlag,
    pairs: text('file of pairs in any form that pairs check reads; with --reward also of labelled completions, or of steps', {
      default: 'pairs.jsonl',
      shown: 'FILE',
    }),
    boundary: oneOf('what to do when a prompt is not a token prefix', ['strict', 'trim'], { default: 'strict' }),
    ...columnsFlag,
    quarantine: text('where rows that cannot be used are written; nowhere when left out', { shown: 'FILE' }),
  },
  examples: [
    'logp --model stories5m --pairs pairs.jsonl',
    'logp --model stories5m --adapter runs/a/model/adapter --pairs pairs.jsonl',
    'logp --model stories5m --pairs pairs.jsonl --json',
  ],

  async action({ model, reward, adapter, edit, pairs: file, boundary, columns: words, quarantine }, screen, signal) {
    if (reward.length > 0) {
      const strange = Object.entries({ '--adapter': adapter, '--edit': edit }).find(([, given]) => given?.length)
      if (strange) throw new UserError(`${strange[0]}: must be left out with --reward, got ${strange[1]}; a reward model is its own folder`)
      return scoreRows({ reward, file, boundary, words, quarantine }, screen, signal)
    }
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note, edit })
    const { examples, quarantined } = await loadPairs(await dataFile(file, screen.note), checkpoint, {
      boundary,
      template: await loadChatTemplate(checkpoint.folder),
      columns: columnsOf(words),
    })
    if (quarantine) await writeQuarantine(quarantine, quarantined)
    if (quarantined.length > 0)
      screen.warn(
        `${file}: ${quarantined.length} rows cannot be used and are left out; see them with: innate pairs check ${file} --model ${model}`,
      )
    const adapters = adapter === undefined ? undefined : await loadAdapters(adapter, checkpoint.config)
    const engine = openEngine()
    try {
      const policy = await openPolicy(engine, checkpoint, adapters)
      const bar = screen.progress('scoring', 100)
      let shown = 0
      const scores = await scoreTrees(policy, examples.map(pairTree), {}, (done, of) => {
        signal.throwIfAborted()
        const percent = Math.floor((100 * done) / of)
        bar.advance(percent - shown)
        shown = percent
      })
      bar.done()
      const rows = examples.map(({ row, chosen, rejected }, i) => ({
        row,
        chosen: scores[2 * i]!,
        rejected: scores[2 * i + 1]!,
        chosenTokens: chosen.length,
        rejectedTokens: rejected.length,
      }))
      const summary = summaryOf(rows)
      for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
      screen.table([
        ['row', 'chosen', 'rejected', 'tokens', ''],
        ...rows
          .slice(0, shownRows)
          .map((r) => [
            String(r.row),
            r.chosen.toFixed(2),
            r.rejected.toFixed(2),
            `${r.chosenTokens}/${r.rejectedTokens}`,
            r.chosen > r.rejected ? '✓' : '',
          ]),
      ])
      if (rows.length > shownRows) screen.line(`… ${(rows.length - shownRows).toLocaleString('en-US')} more rows; --json prints them all`)
      const { pairs, chosen, rejected, chosenHigher } = summary
      const side = ({ mean, perToken }: Side) => [mean.toFixed(2), perToken.toFixed(3)]
      screen.table([
        [`${pairs.toLocaleString('en-US')} pairs`, 'mean, nats', 'nats a token'],
        ['chosen', ...side(chosen)],
        ['rejected', ...side(rejected)],
        ['chosen higher', `${(100 * chosenHigher).toFixed(1)} %`, ''],
      ])
    } finally {
      await engine.close()
    }
  },
})

/** A person reads so many rows; the others are in `--json`. */
const shownRows = 20

interface Row {
  readonly chosen: number
  readonly rejected: number
  readonly chosenTokens: number
  readonly rejectedTokens: number
}

/** units nats: the mean of a completion's sum, and all sums over all tokens */
interface Side {
  readonly mean: number
  readonly perToken: number
}

/** Both sides over all pairs, and the share of pairs whose chosen side is the likelier one, ties half. */
export function summaryOf(rows: readonly Row[]): { pairs: number; chosen: Side; rejected: Side; chosenHigher: number } {
  const side = (logp: 'chosen' | 'rejected', tokens: 'chosenTokens' | 'rejectedTokens'): Side => {
    const total = rows.reduce((sum, row) => sum + row[logp], 0)
    return { mean: total / rows.length, perToken: total / rows.reduce((sum, row) => sum + row[tokens], 0) }
  }
  const higher = rows.reduce((sum, { chosen, rejected }) => sum + (Math.sign(chosen - rejected) + 1) / 2, 0)
  return {
    pairs: rows.length,
    chosen: side('chosen', 'chosenTokens'),
    rejected: side('rejected', 'rejectedTokens'),
    chosenHigher: higher / rows.length,
  }
}

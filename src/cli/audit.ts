import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openAudit } from '../align/index.ts'
import { type AuditRow, type AuditVerdict, auditLog, audits, takeAudits } from '../audits/index.ts'
import { type Audited, auditPage } from '../audits/page.ts'
import { UserError } from '../graph/index.ts'
import { loadRecipe } from '../load-recipe.ts'
import { openRun } from '../runs/index.ts'
import { command, exitCodes, integer, text } from './command.ts'
import { inspectFlag, writeInspect } from './inspect-flag.ts'
import { changeFlags } from './recipe-for.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'
import type { Screen } from './screen.ts'
import { watchOn } from './watch-screen.ts'

const { run: _, rounds: __, ...changes } = changeFlags

/** Takes every audit of a training; what they measure is in src/audits. */
export const audit = command({
  name: 'audit',
  about: 'Look for anything inside a training that could escape gradient descent: in the graph of its step, in its steps, in its data.',
  args: { of: text('recipe (.ts or .json), whose first steps are audited, or a run folder, which is audited where it is') },
  flags: {
    steps: integer('steps to audit', { default: 20, min: 1 }),
    recipe: text('of a run folder: the recipe that it began with, where it is no longer where its command says', { shown: 'RECIPE' }),
    beside: text('another recipe or run, audited as well and shown beside the first one on the page', { shown: 'RECIPE' }),
    ...changes,
    ...reportFlag,
    ...inspectFlag,
  },
  examples: ['audit train.json --steps 1 --set train.batch=2 --report audit.html --inspect audit.eval'],

  async action({ of, beside, report, inspect, ...flags }, screen, signal) {
    if (beside !== undefined && report === undefined)
      throw new UserError(`--beside ${beside}: two audits are shown on a page, got no --report; add --report FILE.html`)
    const other = beside === undefined ? undefined : await audited(beside, flags, screen, signal)
    if (other) screen.emit({ beside, ...other.verdict })
    const mine = await audited(of, flags, screen, signal)
    const { target, rows, verdict } = mine
    for (const row of rows) screen.emit(row)
    screen.emit(verdict)
    for (const one of other ? [mine, other] : [mine]) {
      if (other) screen.line(screen.colour.bold(one.of))
      show(screen, one.rows, one.verdict)
      if (other) screen.line()
    }
    await writeInspect(inspect, screen, () => auditLog({ of, model: mine.model, steps: target.plan.length, rows, verdict }))
    await writeReportPage(report, screen, () => auditPage(mine, other))
    return { clean: exitCodes.done, found: exitCodes.rejected, 'cannot tell': exitCodes.outOfBudget }[verdict.verdict]
  },
})

interface Flags {
  readonly steps: number
  readonly recipe: string | undefined
  readonly set: readonly string[]
  readonly seed: number | undefined
  readonly model: string | undefined
}

/** Takes every audit of one training. */
async function audited(
  of: string,
  { steps, recipe: given, ...flags }: Flags,
  screen: Screen,
  signal: AbortSignal,
): Promise<Audited & { readonly model: string }> {
  const run = existsSync(of) && statSync(of).isDirectory() ? of : undefined
  const [path, said] = run === undefined ? [of, {}] : await recipeOf(run, given)
  const recipe = await loadRecipe(path, { ...said, ...flags, set: [...(said.set ?? []), ...flags.set] })
  const target = await openAudit(recipe, { steps, from: run, watch: watchOn(screen), signal })
  try {
    const bar = screen.progress('auditing', target.plan.length + audits.length)
    const { rows, verdict } = await takeAudits(target, { seed: recipe.seed, signal }, { done: (what) => bar.advance(1, what) })
    bar.done()
    return { of, target, rows, verdict, model: recipe.model }
  } finally {
    await target.close()
  }
}

/** The recipe of a run, by the command that began it, and what that said otherwise. */
async function recipeOf(folder: string, given: string | undefined): Promise<[string, { set?: string[]; seed?: number; model?: string }]> {
  const { manifest } = await openRun(folder)
  const [, verb, path, ...words] = manifest.command.split(' ')
  const named = (verb === 'train' || verb === 'align') && path && existsSync(path) ? path : undefined
  const file = given ?? named
  if (file === undefined)
    throw new UserError(
      `${join(folder, 'manifest.json')}: command must name a recipe that is there, got ${JSON.stringify(manifest.command)}; name it with --recipe`,
    )
  const after = (flag: string) => words.flatMap((word, i) => (word === flag && words[i + 1] ? [words[i + 1]!.replace(/^'|'$/g, '')] : []))
  const [seed, model] = [after('--seed').at(-1), after('--model').at(-1)]
  return [file, { set: after('--set'), ...(seed ? { seed: Number(seed) } : {}), ...(model ? { model } : {}) }]
}

/** A line for each audit, then what was found, then the verdict. */
function show(screen: Screen, rows: readonly AuditRow[], { verdict, found, declared, unmeasured, channels }: AuditVerdict): void {
  const { green, red, yellow, dim, bold } = screen.colour
  const mark = { found: red('✗'), declared: dim('·'), 'cannot tell': yellow('?'), clean: green('✓') }
  const count = (name: string, finding: AuditRow['finding']) => rows.filter((row) => row.audit === name && row.finding === finding).length
  screen.table([
    ['', dim('ch.'), dim('audit'), '', dim('what an alarm says')],
    ...audits.map(({ name, channel, about }) => {
      const [bad, said, untold] = [count(name, 'found'), count(name, 'declared'), count(name, 'cannot tell')]
      const which = bad > 0 ? 'found' : untold > 0 ? 'cannot tell' : said > 0 ? 'declared' : 'clean'
      const numbers = [bad && `${bad} found`, said && `${said} declared`, untold && `${untold} cannot tell`].filter(Boolean).join(', ')
      return [mark[which], dim(String(channel)), name, numbers || 'clean', dim(about)]
    }),
  ])
  const shown = rows.filter(({ finding }) => finding === 'found')
  const most = 12
  if (shown.length > 0) {
    screen.line()
    screen.table(
      shown
        .slice(0, most)
        .map(({ audit: name, tensor, statistic, why }) => [
          red('✗'),
          name,
          tensor,
          statistic === null ? '–' : Number(statistic.toPrecision(3)),
          why,
        ]),
    )
    if (shown.length > most) screen.line(dim(`and ${shown.length - most} more; --json and --report have all`))
  }
  screen.line()
  const missing = [1, 2, 3, 4, 5].filter((channel) => !channels.includes(channel))
  const how =
    verdict === 'found'
      ? `${found} found${declared ? `, ${declared} declared` : ''}`
      : verdict === 'clean'
        ? `every channel is measured on every trained tensor${declared ? `; ${declared} declared` : ''}`
        : `${unmeasured} could not be measured, of channel ${missing.join(', ')}`
  screen.line(`${bold(verdict)}: ${how}`)
}

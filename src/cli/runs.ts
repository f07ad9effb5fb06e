import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../graph/errors.ts'
import { openRun, type Run, type Verdict, verdictSchema } from '../runs/index.ts'
import { command, text } from './command.ts'

/** What runs are there, and how they came out, beside each other. */
export const runs = command({
  name: 'runs',
  about: 'List the runs in a folder: what each trained, when, its verdict, and the measures beside each other.',
  args: { folder: text('folder of runs', { default: 'runs' }) },
  examples: ['runs', 'runs runs --json'],

  async action({ folder }, screen) {
    if (!existsSync(folder))
      throw new UserError(`${folder}: a folder of runs must be there, got none; train or align first, or name another`)
    const found: Row[] = []
    for (const entry of (await readdir(folder, { withFileTypes: true })).toSorted((a, b) => a.name.localeCompare(b.name)))
      if (entry.isDirectory() && existsSync(join(folder, entry.name, 'manifest.json'))) {
        try {
          found.push(await rowOf(join(folder, entry.name)))
        } catch (error) {
          if (!(error instanceof UserError)) throw error
          screen.warn(error.message)
        }
      }
    for (const row of found) screen.emit(row)
    if (found.length === 0) {
      screen.line(`${folder} holds no run.`)
      return
    }
    screen.table([
      ['run', 'began', 'kind', 'model', 'objective', 'verdict'].map((name) => screen.colour.dim(name)),
      ...found.map(({ run, started, kind, model, objective, verdict }) => [
        run,
        started.slice(0, 16).replace('T', ' '),
        kind,
        model,
        objective,
        verdict,
      ]),
    ])
    const names = [...new Set(found.flatMap(({ measures }) => Object.keys(measures)))]
    if (names.length > 0) {
      screen.line()
      screen.line('Of the last look, with 95 % intervals:')
      screen.table([
        ['run', ...names].map((name) => screen.colour.dim(name)),
        ...found
          .filter(({ measures }) => Object.keys(measures).length > 0)
          .map(({ run, measures }) => [run, ...names.map((name) => said(measures[name]))]),
      ])
    }
  },
})

interface Row {
  readonly run: string
  readonly started: string
  readonly kind: string
  readonly model: string
  readonly objective: string
  readonly verdict: string
  readonly measures: Readonly<
    Record<string, { readonly estimate: number; readonly low: number; readonly high: number; readonly n: number }>
  >
}

async function rowOf(folder: string): Promise<Row> {
  const run = await openRun(folder)
  const { kind, model, objective, started, ended } = run.manifest
  const verdict = run.has('verdict.json') ? await run.read('verdict.json', verdictSchema) : undefined
  return {
    run: folder,
    ...{ started, kind, model: model.name, objective: objective.name },
    verdict: verdict?.verdict ?? (ended === undefined ? await howFar(run) : 'done'),
    measures: measuresOf(verdict),
  }
}

/** Where a run that has not ended stands. */
async function howFar(run: Run): Promise<string> {
  const last = (await run.readMetrics()).at(-1)
  return last ? `not ended: round ${last.round}, step ${last.step}` : 'not ended'
}

function measuresOf(verdict: Verdict | undefined): Row['measures'] {
  return Object.fromEntries((verdict?.criteria ?? []).map(({ name, estimate, low, high, n }) => [name, { estimate, low, high, n }]))
}

function said(measured: Row['measures'][string] | undefined): string {
  const short = (x: number) => String(Number(x.toPrecision(3)))
  return measured ? `${short(measured.estimate)} [${short(measured.low)}, ${short(measured.high)}]` : '–'
}

import { join } from 'node:path'
import leven from 'leven'
import { type Claim, type ClaimOptions, type ClaimRun, claims, claimsPage, isCurrent, lastResult, publishClaim, type Result, readPublished, runClaim, type SeedSet, sayInterval, writeEvidencePage } from '../evidence/index.ts' // biome-ignore format: one line
import { UserError } from '../graph/index.ts'
import { writePage } from '../runs/index.ts'
import { command, integer, text, toggle } from './command.ts'
import type { Screen } from './screen.ts'

/** Lists the claims of the essay with their last verdicts, or tests one or all of them. */
export const evidence = command({
  name: 'evidence',
  about:
    'Test a claim of the essay by an experiment that can come out against it; without a name, list the claims and their last verdicts.',
  args: { name: text('a claim, or all', { default: '', shown: 'NAME' }) },
  flags: {
    quick: toggle('few seeds, and not the slowest arms'),
    second: toggle('the second set of seeds, by which nothing was chosen'),
    seeds: integer('seeds, instead of as many as the claim says', { min: 3, max: 10_000 }),
    to: text('folder of the results', { default: 'evidence', shown: 'FOLDER' }),
    workers: integer('processes; one a core when left out', { min: 1, max: 1024 }),
    publish: text('run what has changed on both sets of seeds, and write evidence.md and its figures there', { shown: 'FOLDER' }),
  },
  examples: ['evidence', 'evidence bits --quick', 'evidence bits --seeds 5 --second --json'],

  async action({ name, publish, to, quick, second, seeds, workers }, screen, signal) {
    if (name === '') return list(screen, to)
    const chosen = name === 'all' ? claims.filter(({ long }) => long === undefined) : [claimNamed(name)]
    if (name === 'all')
      for (const { name: left, long } of claims) if (long) screen.note(`${left} is left out, it takes ${long}: innate evidence ${left}`)
    if (publish !== undefined) return publishAll(chosen, publish, { to, workers }, screen, signal)
    const found: { claim: Claim; run: ClaimRun }[] = []
    for (const claim of chosen) {
      const run = await runShown(claim, { to, quick, seeds, workers, set: second ? 'second' : 'first' }, screen, signal)
      for (const row of run.rows) screen.emit(row)
      screen.emit(verdictRow(run.result))
      if (name === 'all') screen.line(`${claim.name.padEnd(18)}${coloured(screen, run.result.verdict)} ${sayInterval(run.result)}`)
      else show(screen, run)
      found.push({ claim, run })
    }
    if (name !== 'all') return
    const file = join(to, ['all', second && 'second', quick && 'quick'].filter(Boolean).join('-').concat('.html'))
    await writePage(file, claimsPage(found.map(({ claim, run }) => ({ claim, shown: [run] }))))
    screen.line()
    screen.line(file)
  },
})

type Flags = Pick<ClaimOptions, 'to' | 'workers'>

function claimNamed(name: string): Claim {
  const found = claims.find((claim) => claim.name === name)
  if (found) return found
  const names = [...claims.map((claim) => claim.name), 'all']
  const near = names.toSorted((a, b) => leven(name, a) - leven(name, b)).slice(0, 3)
  throw new UserError(`evidence NAME: must be one of ${names.join(', ')}, got ${JSON.stringify(name)}; nearest are ${near.join(', ')}`)
}

/** Runs a claim with a bar. */
async function runShown(claim: Claim, how: ClaimOptions, screen: Screen, signal: AbortSignal): Promise<ClaimRun> {
  let bar: ReturnType<Screen['progress']> | undefined
  let before = 0
  const progress = (done: number, total: number) => {
    bar ??= screen.progress(claim.name, total, (before = done))
    bar.advance(done - before)
    before = done
  }
  try {
    return await runClaim(claim, { ...how, progress, signal })
  } finally {
    bar?.done()
  }
}

async function publishAll(chosen: readonly Claim[], docs: string, flags: Flags, screen: Screen, signal: AbortSignal) {
  const folder = join(docs, 'evidence')
  for (const claim of chosen) {
    const published = await readPublished(claim, folder)
    if (published && isCurrent(claim, published)) {
      screen.note(`${claim.name}: published already, and the claim has not changed`)
      continue
    }
    const run = (set: SeedSet) => runShown(claim, { to: flags.to, workers: flags.workers, set }, screen, signal)
    await publishClaim(claim, { first: await run('first'), second: await run('second') }, folder)
  }
  await writeEvidencePage(claims, docs)
  screen.emit({ page: join(docs, 'evidence.md') })
  screen.line(join(docs, 'evidence.md'))
}

async function list(screen: Screen, to: string) {
  const { dim, bold } = screen.colour
  const rows = await Promise.all(
    claims.map(async (claim) => {
      const last = await lastResult(claim, to).catch((error: unknown) => {
        if (error instanceof UserError) return error
        throw error
      })
      return { claim, last }
    }),
  )
  for (const { claim, last } of rows)
    screen.emit({
      ...(last && 'result' in last ? verdictRow(last.result) : { claim: claim.name, verdict: null }),
      about: claim.claim,
      from: last && 'result' in last ? last.from : null,
    })
  for (const { claim, last } of rows) {
    const verdict = !last
      ? dim('not run yet')
      : 'result' in last
        ? `${coloured(screen, last.result.verdict)} ${sayInterval(last.result)} ${dim(`n = ${last.result.n}, ${last.from}`)}`
        : screen.colour.yellow(last.message)
    screen.line(`${bold(claim.name)}  ${verdict}`)
    screen.line(`  ${claim.claim}`)
  }
  screen.line()
  screen.line(dim('innate evidence NAME runs one, innate evidence all runs all; --quick in seconds'))
}

/** The last line of `--json`. */
function verdictRow({ name, verdict, estimate, low, high, n, why }: Result) {
  return { claim: name, verdict, estimate, low, high, n, why }
}

function coloured({ colour }: Screen, verdict: Result['verdict']): string {
  const paint = { supports: colour.green, 'does not support': colour.red, depends: colour.yellow, 'cannot tell': colour.yellow }[verdict]
  return paint(verdict)
}

/** The claim, the verdict, why, the controls, and where everything is. */
function show(screen: Screen, { result, folder }: ClaimRun) {
  const { green, red, bold, dim } = screen.colour
  screen.line(result.definition.claim)
  screen.line()
  screen.line(`${bold(coloured(screen, result.verdict))}  ${sayInterval(result)} ${dim(`n = ${result.n}`)}`)
  screen.line(dim(result.definition.metric))
  screen.line(`${result.why}.`)
  screen.line()
  if (result.controls.length > 0)
    screen.table(result.controls.map(({ met, arm, must, said }) => [met ? green('✓') : red('✗'), arm, `must ${must}: ${said}`]))
  screen.line()
  screen.line(dim(`${folder}: data.csv, data.jsonl, result.json, figure.svg, paragraph.md, index.html`))
}

// How often the whole procedure accepts what it should not:
// `npm run -s bench -- risk [--quick] [--json] [--workers=N] [--worlds=N] [--so-far] [--fresh]`.
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { laws } from './risk/laws.mjs'
import { goodBy, roundsTried } from './risk/worlds.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const blockSize = 500
const even = (n) => ({ development: n, sealed: n })

/** What a run looks at. `start` are the looks of npm start: prompts of the development slice and the sealed ones, completions, rounds. */
const start = { development: 72, sealed: 128, completions: 1 }
const full = { sizes: [24, 44, 76, 96, 256], completions: [1, 2, 4], worlds: 10_000, before: 500, beforeSizes: [24, 76] }
const quick = { sizes: [24, 76], completions: [1, 2], worlds: 1000, before: 100, beforeSizes: [24] }

/** At most 2.5 % of false acceptances, and two standard errors of a share of 2.5 % over so many worlds. */
const barOf = (worlds) => 0.025 + 2 * Math.sqrt((0.025 * 0.975) / worlds)

async function measure(say, flags) {
  const asked = flags.has('--worlds') ? { worlds: Number(flags.get('--worlds')) } : {}
  const plan = { ...(flags.has('--quick') ? quick : full), ...asked }
  const file = join(here, '..', 'node_modules', '.cache', 'innate-risk.jsonl')
  if (flags.has('--fresh')) rmSync(file, { force: true })
  const cells = cellsOf(plan)
  const workers = flags.has('--so-far') ? 0 : Number(flags.get('--workers') ?? availableParallelism())
  const counts = await countAll(cells, file, workers, say)
  return {
    bench: 'risk',
    bar: { share: 0.025, goodBy, rounds: roundsTried },
    start,
    cells: cells.filter((cell) => counts.has(keyOf(cell))).map((cell) => rowOf(cell, counts.get(keyOf(cell)))),
  }
}

/** Every law with every size, and npm start's sizes. */
function cellsOf({ sizes, completions, worlds, before, beforeSizes }) {
  const names = Object.keys(laws)
  const grid = completions.flatMap((k) =>
    sizes.flatMap((n) => names.map((law) => ({ law, ...even(n), completions: k, method: 'now', worlds }))),
  )
  const starting = names.map((law) => ({ law, ...start, method: 'now', worlds }))
  const old = beforeSizes.flatMap((n) => names.map((law) => ({ law, ...even(n), completions: 1, method: 'before', worlds: before })))
  return [...grid, ...starting, ...old]
}

function keyOf({ law, development, sealed, completions, method }) {
  return [law, development, sealed, completions, method].join('/')
}

/**
 * The counts of every cell, block by block over worker threads, the first worlds of all cells first. What was counted stays in the file, for
 * the same code alone; without workers that is all there is.
 */
async function countAll(cells, file, workers, say) {
  const code = codeHash()
  const done = new Map()
  for (const row of wholeRows(file)) if (row.code === code) done.set(nameOf(row), row.counts)
  const tasks = cells.flatMap((cell) =>
    Array.from({ length: Math.ceil(cell.worlds / blockSize) }, (_, i) => ({
      ...cell,
      key: keyOf(cell),
      from: i * blockSize,
      to: Math.min(cell.worlds, (i + 1) * blockSize),
    })),
  )
  tasks.sort((a, b) => a.from - b.from)
  const left = tasks.filter((task) => !done.has(nameOf(task)))
  mkdirSync(dirname(file), { recursive: true })
  let count = tasks.length - left.length
  if (count > 0) say(`${count} of ${tasks.length} blocks were counted before; --fresh counts them again`)
  await inThreads(workers > 0 ? left : [], workers, (task, counts) => {
    const { key, from, to } = task
    done.set(nameOf(task), counts)
    appendFileSync(file, `${JSON.stringify({ code, key, from, to, counts })}\n`)
    if (++count % 50 === 0) say(`${count} of ${tasks.length} blocks of worlds`)
  })
  const whole = new Map()
  for (const task of tasks) {
    const counts = done.get(nameOf(task))
    if (counts) whole.set(task.key, added(whole.get(task.key), counts))
  }
  return whole
}

/** The rows of a file that may end within one, where a run was killed; what is left of that one goes. */
function wholeRows(file) {
  if (!existsSync(file)) return []
  const text = readFileSync(file, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole !== text) writeFileSync(file, whole)
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** A block of worlds of a cell. */
const nameOf = ({ key, from, to }) => `${key}/${from}-${to}`

/** What the numbers depend on: the product's intervals and decisions, and the worlds. */
function codeHash() {
  const hash = createHash('sha256')
  const rules = ['bounded-mean', 'criteria', 'mean-interval', 'metrics', 'verdict'].map((name) =>
    join(here, '../dist/accept', `${name}.js`),
  )
  const worlds = readdirSync(join(here, 'risk')).sort()
  for (const file of [...rules, ...worlds.map((name) => join(here, 'risk', name))]) hash.update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}

async function inThreads(tasks, workers, onCounts) {
  const queue = [...tasks]
  const thread = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./risk/worker.mjs', import.meta.url))
      const next = () => {
        const task = queue.shift()
        if (task) worker.postMessage(task)
        else void worker.terminate().then(resolve)
      }
      worker.on('error', reject)
      worker.on('message', ({ task, counts }) => {
        onCounts(task, counts)
        next()
      })
      next()
    })
  await Promise.all(Array.from({ length: Math.min(workers, tasks.length) }, thread))
}

function added(a, b) {
  if (a === undefined) return b
  if (Array.isArray(a)) return a.map((x, i) => added(x, b[i]))
  if (typeof a === 'object') return Object.fromEntries(Object.entries(a).map(([name, x]) => [name, added(x, b[name])]))
  return a + b
}

/** Shares of worlds. Of false acceptances and good models turned away the worse side stands here, by number of rounds. */
function rowOf({ law, development, sealed, completions, method }, { worlds, misses, untold, accepted, turnedAway }) {
  const worse = (sides) => sides[0].map((_, r) => Math.max(sides[0][r], sides[1][r]) / worlds)
  const falselyAccepted = worse(accepted)
  return {
    law,
    development,
    sealed,
    completions,
    method,
    worlds,
    falselyAccepted,
    within: Math.max(...falselyAccepted) <= barOf(worlds),
    side: Math.max(...accepted[0]) >= Math.max(...accepted[1]) ? 'atMost' : 'atLeast',
    coverage: 1 - (misses[0] + misses[1]) / worlds,
    missed: { above: misses[0] / worlds, below: misses[1] / worlds },
    cannotTell: untold / worlds,
    turnedAway: worse(turnedAway),
  }
}

function table({ cells }) {
  const now = cells.filter(({ method }) => method === 'now')
  const grid = now.filter(({ development, sealed }) => development === sealed)
  const old = cells.filter(({ method }) => method === 'before')
  const starting = now.filter(({ development, sealed }) => development !== sealed)
  const over = now.filter(({ within }) => !within)
  const worst = (rows) => roundsTried.map((_, r) => Math.max(...rows.map(({ falselyAccepted }) => falselyAccepted[r])))
  return [
    '### False acceptances, in %, after 1 / 3 / 10 rounds',
    '',
    'The truth lies at the bound. Of both sides (`atMost`, `atLeast`) and of every number of completions the worst. **Bold**: above the bar.',
    '',
    byLaw(grid, (rows) =>
      bold(
        worst(rows)
          .map((x) => percent(x))
          .join(' / '),
        rows.every(({ within }) => within),
      ),
    ),
    '',
    '### The same before: a BCa bootstrap, one completion a prompt',
    '',
    byLaw(old, (rows) =>
      bold(
        worst(rows)
          .map((x) => percent(x))
          .join(' / '),
        rows.every(({ within }) => within),
      ),
    ),
    '',
    '### One look: truth missed above and below, and looks that cannot tell, in %, one completion a prompt',
    '',
    byLaw(
      grid.filter(({ completions }) => completions === 1),
      ([{ missed, cannotTell }]) => `${percent(missed.above)}, ${percent(missed.below)}; ${percent(cannotTell, 0)}`,
    ),
    '',
    `### Good models turned away, in %, after 1 / 3 rounds: the truth lies ${goodBy} standard errors inside the bound`,
    '',
    byLaw(
      grid.filter(({ completions }) => completions === 1),
      ([{ turnedAway }]) =>
        turnedAway
          .slice(0, 2)
          .map((x) => percent(x, 0))
          .join(' / '),
    ),
    '',
    `### npm start: ${start.development} prompts on the development slice, ${start.sealed} sealed, ${start.completions} completion${start.completions === 1 ? '' : 's'}`,
    '',
    '| law | falsely accepted | cannot tell | turned away |',
    '| --- | --- | --- | --- |',
    ...starting.map(
      ({ law, falselyAccepted, within, cannotTell, turnedAway }) =>
        `| ${laws[law].about} | ${bold(falselyAccepted.map((x) => percent(x)).join(' / '), within)} | ${percent(cannotTell, 0)} | ${turnedAway
          .slice(0, 2)
          .map((x) => percent(x, 0))
          .join(' / ')} |`,
    ),
    '',
    `${over.length} of ${now.length} cells are above their bar, of ${Math.min(...now.map(({ worlds }) => worlds))} worlds or more each${worldsBefore(old)}.`,
    ...over.map(
      ({ law, development, sealed, completions, side, falselyAccepted, worlds }) =>
        `- ${laws[law].about}, ${development} and ${sealed} prompts, ${completions} ${completions === 1 ? 'completion' : 'completions'}, ${side}: ${falselyAccepted.map((x) => percent(x)).join(' / ')} % of ${worlds} worlds`,
    ),
  ].join('\n')
}

function worldsBefore(old) {
  return old.length > 0 ? ` (before: ${Math.min(...old.map(({ worlds }) => worlds))} or more)` : ''
}

/** A row a law, a column a number of prompts. */
function byLaw(rows, say) {
  const sizes = [...new Set(rows.map(({ sealed }) => sealed))]
  const lines = Object.entries(laws).map(([law, { about, kind }]) => {
    const told = sizes.map((n) => {
      const cells = rows.filter((row) => row.law === law && row.sealed === n)
      return cells.length > 0 ? say(cells) : '–'
    })
    return `| ${about} | ${kind} | ${told.join(' | ')} |`
  })
  return [
    `| law | interval | ${sizes.map((n) => `${n} prompts`).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(sizes.length)}`,
    ...lines,
  ].join('\n')
}

const percent = (x, digits) => (100 * x).toFixed(digits === 0 ? 0 : 1)
const bold = (text, fine) => (fine ? text : `**${text}**`)

export const risk = {
  about: 'how often a model that is not acceptable is accepted, by made-up prompts through the product’s looks and decisions',
  flags: ['--quick', '--fresh', '--so-far', '--workers', '--worlds'],
  measure,
  table,
}

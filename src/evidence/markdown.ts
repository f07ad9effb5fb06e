import type { Claim } from './claim.ts'
import { byVerdict } from './page.ts'
import { sayInterval } from './paragraph.ts'
import type { Result } from './result.ts'

/** A claim with its results on both sets of seeds. */
export interface Told {
  readonly claim: Claim
  readonly first: Result
  readonly second: Result
}

/** `docs/evidence.md`: every published claim, those against the essay first, from the published results alone. */
export function markdownOf(found: readonly Told[], all: number): string {
  const sorted = byVerdict(found.map((one) => ({ ...one, shown: [{ result: one.second }] })))
  const head = ['claim', 'verdict', 'on the second seeds', 'n', 'on the first seeds']
  const rows = sorted.map(({ claim, first, second }) => [
    `[${claim.name}](#${claim.name})`,
    `**${second.verdict}**`,
    sayInterval(second),
    String(second.n),
    `${first.verdict}: ${sayInterval(first)}`,
  ])
  return `${[
    '# Evidence',
    `The essay’s claims as experiments that can come out against it. ${found.length} of ${all} are published here, those against the essay first. Every verdict is made from the data by a rule that was written down before the first full run, and stands on a second set of seeds by which nothing was chosen. Each has controls: arms in which it is known what must happen. If one does not behave, the verdict is *cannot tell*.`,
    '`innate evidence` lists them, `innate evidence NAME` runs one, `innate evidence all --publish docs` runs what has changed and writes this page, its figures, and the data of every seed (`docs/evidence/NAME.csv`, with its manifest `NAME.json`).',
    table(head, rows),
    ...sorted.map(section),
  ].join('\n\n')}\n`
}

function section({ claim: { name }, first, second }: Told): string {
  const { definition: d } = second
  return [
    `## ${name}`,
    `> ${d.claim}`,
    `![${name}: ${second.verdict}](evidence/${name}.svg)`,
    `**${capital(second.verdict)}.** ${capital(second.why)}.`,
    table(
      ['seeds', 'verdict', 'estimate', '95 % interval', 'n', 'controls that behaved'],
      [second, first].map((r) => [`${r.set}, from ${r.seeds[0]}`, r.verdict, sayInterval(r).split(' ')[0]!, sayInterval(r).replace(/^\S+ /, ''), String(r.n), `${r.controls.filter(({ met }) => met).length} of ${r.controls.length}`]), // biome-ignore format: one line
    ),
    `*Estimate*: ${d.metric}. *Rule*: ${d.rule}`,
    table(['', 'control', 'must', 'on the second seeds'], second.controls.map(controlRow)),
    `*Method*: ${d.method}`,
    `*Source*: ${d.source}. *Changed since the first full run*: ${d.changes.length > 0 ? d.changes.join('; ') : 'nothing'}.`,
  ].join('\n\n')
}

function controlRow({ arm, must, said, met }: Result['controls'][number]): string[] {
  return [met ? '✓' : '✗', arm, must, said]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

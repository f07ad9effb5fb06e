import type { ReportData } from './report-data.ts'
import { readReport } from './report-data.ts'
import type { Run } from './run.ts'
import type { Estimate } from './schema.ts'

/** Writes what a run came to as `report.md` or `report.csv` into its folder, and gives the path. */
export async function writeSummary(run: Run, format: 'md' | 'csv'): Promise<string> {
  const data = await readReport(run, { samples: 0 })
  await run.write(`report.${format}`, format === 'md' ? markdownOf(data) : csvOf(data))
  return run.path(`report.${format}`)
}

/** The verdict, its reasons and every measure of each look, in Markdown. */
export function markdownOf({ manifest, verdict, evaluations }: ReportData): string {
  const { kind, model, objective, judge, command } = manifest
  const measures = evaluations.flatMap(({ look, round, measures }) =>
    Object.entries(measures).map(
      ([name, { estimate, low, high, n, unit }]) => `| ${look === 'sealed' ? 'sealed' : `round ${round}`} | ${escaped(name)} | ${short(estimate)} | ${short(low)} | ${short(high)} | ${n} | ${escaped(unit)} |`, // biome-ignore format: one line
    ),
  )
  return [
    `# ${escaped(manifest.name)}: ${verdict?.verdict ?? (manifest.ended === undefined ? 'not ended' : 'done')}`,
    '',
    ...(verdict?.reasons ?? []).map((reason) => `- ${escaped(reason)}`),
    ...(verdict ? [''] : []),
    `${kind} of ${escaped(model.name)} by ${escaped(objective.name)}${judge ? `; judge: ${escaped(judge.about)}` : ''}.`,
    '',
    ...(measures.length > 0
      ? [
          '| look | measure | estimate | low | high | n | unit |',
          '| --- | --- | ---: | ---: | ---: | ---: | --- |',
          ...measures,
          '',
          'Intervals of 95 %, over prompts.',
          '',
        ]
      : []),
    `    ${command.replaceAll('\n', ' ')}`,
    '',
  ].join('\n')
}

/** Every measure of each look, a row each. */
export function csvOf({ evaluations }: ReportData): string {
  const rows = evaluations.flatMap(({ look, round, measures, criteria }) =>
    Object.entries(measures).map(([name, measured]: [string, Estimate]) => {
      const met = criteria.find((criterion) => criterion.name === name)?.met
      return [look, round, name, measured.estimate, measured.low, measured.high, measured.n, measured.unit, met ?? '']
    }),
  )
  return [['look', 'round', 'measure', 'estimate', 'low', 'high', 'n', 'unit', 'met'], ...rows]
    .map((row) => `${row.map(cell).join(',')}\r\n`)
    .join('')
}

function cell(value: string | number | boolean): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function escaped(text: string): string {
  return text.replace(/([\\`*_[\]<>|#])/g, '\\$1').replaceAll('\n', ' ')
}

function short(x: number): string {
  return String(Number(x.toPrecision(3)))
}

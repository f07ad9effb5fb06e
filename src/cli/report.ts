import { inspectRun, openRun, readReport, writeReport, writeSummary } from '../runs/index.ts'
import { command, integer, oneOf, text } from './command.ts'
import { inspectFlag, writeInspect } from './inspect-flag.ts'

/** Renders a run's report again; the page is made in src/runs, this file only says where it is. */
export const report = command({
  name: 'report',
  about: "Write a run's report again from what is in its folder: the page, or its summary as Markdown or CSV.",
  args: { run: text('run folder, as printed by train or align') },
  flags: {
    samples: integer('prompts to show before and after', { default: 8, min: 0 }),
    format: oneOf('html: the page; md: a summary in Markdown; csv: its measures', ['html', 'md', 'csv'], { default: 'html' }),
    ...inspectFlag,
  },
  examples: ['report runs/x', 'report runs/x --samples 20 --json', 'report runs/x --format csv', 'report runs/x --inspect x.eval'],

  async action({ run: folder, samples, format, inspect }, screen) {
    const run = await openRun(folder)
    const page = format === 'html' ? await writeReport(run, { samples }) : await writeSummary(run, format)
    await writeInspect(inspect, screen, async () => inspectRun(await readReport(run, { samples: Number.POSITIVE_INFINITY })))
    screen.emit({ run: folder, report: page, ...(inspect !== undefined && { inspect }) })
    screen.line(page)
  },
})

import { inspectRun, openRun, readReport, writeReport } from '../runs/index.ts'
import { command, integer, text } from './command.ts'
import { inspectFlag, writeInspect } from './inspect-flag.ts'

/** Renders a run's report again; the page is made in src/runs, this file only says where it is. */
export const report = command({
  name: 'report',
  about: "Write a run's report.html again from what is in its folder.",
  args: { run: text('run folder, as printed by train or align') },
  flags: { samples: integer('prompts to show before and after', { default: 8, min: 0 }), ...inspectFlag },
  examples: ['report runs/x', 'report runs/x --samples 20 --json', 'report runs/x --inspect x.eval'],

  async action({ run: folder, samples, inspect }, screen) {
    const run = await openRun(folder)
    const page = await writeReport(run, { samples })
    await writeInspect(inspect, screen, async () => inspectRun(await readReport(run, { samples: Number.POSITIVE_INFINITY })))
    screen.emit({ run: folder, report: page, ...(inspect !== undefined && { inspect }) })
    screen.line(page)
  },
})

import { openRun, writeReport } from '../runs/index.ts'
import { command, integer, text } from './command.ts'

/** Renders a run's report again; the page is made in src/runs, this file only says where it is. */
export const report = command({
  name: 'report',
  about: "Write a run's report.html again from what is in its folder.",
  args: { run: text('run folder, as printed by train or align') },
  flags: { samples: integer('prompts to show before and after', { default: 8, min: 0 }) },
  examples: ['report runs/x', 'report runs/x --samples 20 --json'],

  async action({ run, samples }, screen) {
    const page = await writeReport(await openRun(run), { samples })
    screen.emit({ run, report: page })
    screen.line(page)
  },
})

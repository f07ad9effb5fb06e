import { checkWorld, readWorld, relationOf, worldPage } from '../shutdown/index.ts'
import { command, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Tests the predicates of shutdownability on a world; the meaning of each is in src/shutdown. */
export const shutdownCheck = command({
  name: 'shutdown check',
  about: 'Test exactly, in a finite world, whether preferences leave an agent neutral about when it is shut down.',
  args: { world: text('JSON: trajectories, lotteries, and what is preferred; docs/shutdown.md shows its form') },
  flags: reportFlag,
  examples: ['shutdown check world.json', 'shutdown check world.json --json', 'shutdown check world.json --report world.html'],

  async action({ world: file, report }, screen) {
    const world = await readWorld(file)
    const relation = relationOf(world)
    const findings = checkWorld(world, relation)
    for (const finding of findings) screen.emit(finding)
    const { green, red, dim } = screen.colour
    screen.table(
      findings.map(({ predicate, holds, counterexample, why }) => {
        if (holds === null) return [dim('–'), dim(predicate), dim(`not tested: ${why}`)]
        if (holds) return [green('✓'), predicate, dim(why ?? '')]
        return [red('✗'), predicate, [counterexample, why].filter(Boolean).join('. ')]
      }),
    )
    await writeReportPage(report, screen, () => worldPage(world, relation, findings))
  },
})

import { rm } from 'node:fs/promises'
import { type Evaluation, type Run, roundFolder } from '../runs/index.ts'

/** The rounds whose models are kept: the newest, from which the next one samples, and the best before it by criteria met and win rate. */
export function keptRounds(evaluations: readonly Evaluation[], keep: number): number[] {
  const met = ({ criteria }: Evaluation) => criteria.filter((criterion) => criterion.met).length
  const rate = ({ measures }: Evaluation) => measures.winRate?.estimate ?? 0
  const looks = evaluations.filter(({ look }) => look === 'development')
  const best = looks.slice(0, -1).sort((a, b) => met(b) - met(a) || rate(b) - rate(a) || b.round - a.round)
  return [...looks.slice(-1), ...best].slice(0, keep).map(({ round }) => round)
}

/** Deletes the models of all other rounds; their pairs, samples and evaluations stay. */
export async function pruneRounds(run: Run, evaluations: readonly Evaluation[], keep: number): Promise<void> {
  const kept = keptRounds(evaluations, keep)
  for (const { round } of evaluations)
    if (!kept.includes(round)) await rm(await run.path(`${roundFolder(round)}/model`), { recursive: true, force: true })
}

import { complete } from './complete.ts'
import { fluent } from './fluent.ts'
import { kind } from './kind.ts'
import { length } from './length.ts'
import { onPrompt } from './on-prompt.ts'

/** The built-in goals, by the name a recipe calls them. */
export const goals = { kind, complete, fluent, onPrompt, length }

export { endsProperly } from './complete.ts'
export { type Contribution, contribution, type Weight } from './contribution.ts'
export { type Goal, type GoalOptions, goal, type ReadBy, readSamples, type Sample } from './goal.ts'
export { features, type GoalScale, goalScale, scaledRanges, scores } from './goal-scale.ts'
export { commandJudge } from './judges/command-judge.ts'
export { goalsJudge } from './judges/goals-judge.ts'
export type { Heard, Judge, JudgedPair, Votes } from './judges/judge.ts'
export { shuffled, simulatedVoter } from './judges/simulated-voter.ts'
export { votesFile } from './judges/votes-file.ts'
export { predictLeftOut } from './left-out.ts'
export { type Posterior, posteriorOf, predict, type VotedPair } from './posterior.ts'
export { type GoalPrior, goalPrior, referencePrior } from './prior.ts'
export {
  loadProbes,
  oddsOf,
  type Probe,
  type ProbeChoice,
  type ProbeGoalOptions,
  type Probes,
  probeFor,
  probeGoal,
  probeScores,
  type Reader,
  readProbe,
  saveProbes,
} from './probe.ts'
export { softLabel } from './soft-labels.ts'
export { bestOf, standingOf } from './standing.ts'
export { sharedWords, words } from './words.ts'

import { complete } from './complete.ts'
import { coverage } from './coverage.ts'
import { fluent } from './fluent.ts'
import { json } from './json.ts'
import { keywords } from './keywords.ts'
import { kind } from './kind.ts'
import { length } from './length.ts'
import { onPrompt } from './on-prompt.ts'
import { pattern } from './pattern.ts'
import { perplexity } from './perplexity.ts'
import { probeGoal } from './probe.ts'
import { readability } from './readability.ts'
import { refusal } from './refusal.ts'

/** The goals that are ready as they are, by the name a recipe calls them. */
export const readyGoals = { kind, complete, fluent, onPrompt, length, readability, coverage, refusal }

/** Goals that are made of something, or read in a model. */
export const goalMakers = { keywords, pattern, json, perplexity, probe: probeGoal }

/** The built-in goals: values, and functions that make one. */
export const goals = { ...readyGoals, ...goalMakers }

export { endsProperly } from './complete.ts'
export { type Contribution, contribution, type Weight } from './contribution.ts'
export { lowerOf } from './gaussian.ts'
export { checkGoals, type Goal, type GoalOptions, goal, type MadeOptions, type ReadBy, readSamples, remade, type Sample } from './goal.ts'
export { features, type GoalScale, goalScale, scaledRanges, scores } from './goal-scale.ts'
export { commandJudge } from './judges/command-judge.ts'
export { type EndpointOptions, endpointJudge } from './judges/endpoint-judge.ts'
export { goalsJudge } from './judges/goals-judge.ts'
export { type Heard, type Judge, type JudgedPair, type JudgeKind, judgeKinds, type Spent, type Spoken, type Votes } from './judges/judge.ts'
export { type ModelJudgeOptions, modelJudge } from './judges/model-judge.ts'
export { LabelsMissing, people, spokenIn } from './judges/people.ts'
export { shuffled, simulatedVoter } from './judges/simulated-voter.ts'
export { votesFile } from './judges/votes-file.ts'
export { isGaussian } from './law.ts'
export { predictLeftOut } from './left-out.ts'
export type { PatternOptions } from './pattern.ts'
export { type Posterior, posteriorOf, predict } from './posterior.ts'
export { prequentialBits } from './prequential.ts'
export { type GoalPrior, gaussianPrior, goalPrior, laplacePrior, referencePrior, together, withSigns } from './prior.ts'
export type { GoalPriorOptions, PosteriorMethod, PriorForm } from './prior-options.ts'
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
export { voteTells } from './vote-tells.ts'
export type { VotedPair } from './voted-pair.ts'
export { sharedWords, words } from './words.ts'

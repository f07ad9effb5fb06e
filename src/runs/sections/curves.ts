import { html } from '../html.ts'
import type { Axes } from '../plots/drawing.ts'
import { figure } from '../plots/plot.ts'
import type { ReportData } from '../report-data.ts'
import type { Metrics } from '../schema.ts'
import { exactly, type Table } from '../table.ts'
import type { Section } from './section.ts'

interface Curve {
  readonly title: string
  readonly unit: string
  readonly about: string
  readonly lines: Readonly<Record<string, string>>
}

const curvesOf: readonly Curve[] = [
  { title: 'Loss', unit: 'per pair', about: 'what backpropagation lowers', lines: { loss: 'loss' } },
  { title: 'Bits per byte', unit: 'bits', about: 'of texts that are not trained on', lines: { bitsPerByte: 'held out' } },
  { title: 'Margin', unit: 'nats', about: 'chosen minus rejected log-ratio, not multiplied by β', lines: { margin: 'margin' } },
  {
    title: 'Log-ratios',
    unit: 'nats',
    about: 'against the original; if both fall, probability goes elsewhere',
    lines: { chosenLogRatio: 'chosen', rejectedLogRatio: 'rejected' },
  },
  { title: 'KL from the original', unit: 'nats per completion', about: 'on the training pairs', lines: { kl: 'KL' } },
  { title: 'Accuracy', unit: 'share of pairs', about: 'ranked as they were voted', lines: { accuracy: 'accuracy' } },
  { title: 'Reward', unit: 'per completion', about: 'of the groups trained on', lines: { reward: 'reward' } },
  {
    title: 'Scores',
    unit: 'log-odds',
    about: 'of both sides of the pairs trained on, and how far they lie apart',
    lines: { chosenReward: 'chosen', rejectedReward: 'rejected', rewardMargin: 'margin' },
  },
  { title: 'Steps', unit: 'share of steps', about: 'whose score has the sign of their label', lines: { stepAccuracy: 'accuracy' } },
  { title: 'Step scores', unit: 'log-odds', about: 'mean over the steps trained on', lines: { stepReward: 'score' } },
  { title: 'Flat groups', unit: 'share of groups', about: 'all of one reward, which pull nowhere', lines: { flatGroups: 'flat' } },
  {
    title: 'Groups of one reward',
    unit: 'share of groups',
    about: 'whose rewards are all alike, which pull nowhere',
    lines: { zeroVarianceGroups: 'alike' },
  },
  {
    title: 'Spread',
    unit: 'standard deviation',
    about: 'of rewards, and of advantages',
    lines: { rewardSd: 'rewards', advantageSd: 'advantages' },
  },
  { title: 'Clipped', unit: 'share of ratios', about: 'which the loss no longer follows', lines: { clipShare: 'clipped' } },
  { title: 'Sampler gap', unit: 'nats a token', about: 'between what was sampled from and what is trained', lines: { samplerGap: 'gap' } },
  { title: 'Entropy', unit: 'nats a token', about: 'how undecided the policy is', lines: { entropy: 'entropy' } },
  {
    title: 'Gradient norm',
    unit: 'before clipping',
    about: 'Euclidean, over all trained parameters',
    lines: { gradNorm: 'gradient norm' },
  },
]
const uncharted = new Set([
  'round',
  'step',
  'lr',
  'tokensPerSecond',
  'tokens',
  'chosenTokens',
  'rejectedTokens',
  'completionTokens',
  ...curvesOf.flatMap((c) => Object.keys(c.lines)),
])

/** Training, step by step; terms of a custom loss get a chart each. */
export const curves: Section = {
  name: 'Training',
  about({ metrics, manifest }) {
    // A run with shutdown and no judge is one training over all rounds.
    const again = manifest.judge ? 'a round starts again from the original model' : 'a round ends'
    const rounds = new Set(metrics.map((row) => row.round)).size
    const every = thinned(metrics)
    return [
      window(metrics) > 2 && 'The faint line is what each step gave, the strong one its moving mean.',
      rounds > 1 && `A dashed line is where ${again}.`,
      every > 1 && `Each point is the mean of ${every} steps.`,
    ]
      .filter(Boolean)
      .join(' ')
  },
  render(data) {
    const { metrics } = data
    if (metrics.length === 0) return undefined
    const custom = [...new Set(metrics.flatMap(Object.keys))].filter((key) => !uncharted.has(key))
    const named = data.manifest.loss
      ? { unit: 'custom term', about: 'a term of the custom loss' }
      : { unit: '', about: `a number of ${data.manifest.objective.name}` }
    const there = (curve: Curve) => Object.keys(curve.lines).some((key) => metrics.some((row) => row[key] !== undefined))
    const all = [
      ...curvesOf.filter(there).map((curve) => ({ ...curve, ...worded(curve.title, data) })),
      ...custom.map((key) => ({ title: key, ...named, lines: { [key]: key } })),
    ]
    return html`<div class="charts">${all.map(({ lines, ...about }) => {
      const axes: Axes = { ...about, x: 'step', xLabel: 'optimizer step', breaks: 'round', smooth: window(metrics) }
      return figure(curveTable(metrics, lines), 'lines', axes)
    })}</div>`
  },
}

/** What a chart is called where a run learns from something else than pairs. */
function worded(title: string, { manifest, metrics }: ReportData): Partial<Curve> {
  if (manifest.objective.kind === 'scoredSteps') return title === 'Loss' ? { unit: 'nats per step' } : {}
  if (manifest.objective.kind === 'scoredLabels') return ofLabelledScores[title] ?? {}
  // A reward model learns from pairs, though what it sees are single scores.
  if (metrics[0]?.rewardMargin !== undefined) return title === 'Loss' ? { unit: 'nats per pair' } : {}
  const kind = manifest.objective.kind ?? (metrics[0]?.margin === undefined ? 'tokens' : 'pairs')
  if (kind === 'pairs') return {}
  if (title === 'Loss') return { unit: ['tokens', 'distillation'].includes(kind) ? 'nats per token' : 'per completion' }
  if (title === 'Margin') return { about: 'mean log-ratio of the desirable less that of the undesirable, not multiplied by β' }
  if (title === 'Log-ratios')
    return { about: 'against the original', lines: { chosenLogRatio: 'desirable', rejectedLogRatio: 'undesirable' } }
  if (title === 'Accuracy') return { unit: 'share of completions', about: 'on the side of their label' }
  if (title === 'KL from the original') return { about: 'on the completions trained on' }
  return {}
}

const ofLabelledScores: Readonly<Record<string, Partial<Curve>>> = {
  Loss: { unit: 'nats per completion' },
  Accuracy: { unit: 'share of completions', about: 'whose score has the sign of their label' },
  Scores: {
    about: 'of wanted and unwanted completions, and how far they lie apart',
    lines: { chosenReward: 'wanted', rejectedReward: 'unwanted', rewardMargin: 'apart' },
  },
}

/** How many points the strong line of a chart takes the mean of. */
function window(metrics: readonly Metrics[]): number {
  return Math.ceil(Math.min(metrics.length, 400) / 12)
}

function thinned(metrics: readonly Metrics[]): number {
  return Math.ceil(metrics.length / 400)
}

/** The rows of a chart: means of so many steps each, so that a long run stays a small page. */
function curveTable(metrics: readonly Metrics[], lines: Curve['lines']): Table {
  const every = thinned(metrics)
  const rows = Object.entries(lines).flatMap(([key, name]) => {
    const points = metrics.flatMap((row, i) => (row[key] === undefined ? [] : [{ round: row.round, step: i + 1, value: row[key] }]))
    const rounds = [...new Set(points.map((p) => p.round))].map((round) => points.filter((p) => p.round === round))
    return rounds.flatMap((inRound) =>
      Array.from({ length: Math.ceil(inRound.length / every) }, (_, i) => {
        const bucket = inRound.slice(i * every, (i + 1) * every)
        const mean = (number: (p: (typeof bucket)[number]) => number) => bucket.reduce((sum, p) => sum + number(p), 0) / bucket.length
        return exactly(
          name,
          mean((p) => p.value),
          { step: mean((p) => p.step), round: bucket[0]!.round },
        )
      }),
    )
  })
  return { about: '', rows }
}

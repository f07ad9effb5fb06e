import { describe, expect, it } from 'vitest'
import { constant, evaluate, gradient, graph, input, sum, type Tensor, tensor } from '../src/graph/index.ts'
import { objectives } from '../src/objectives/index.ts'
import type { LabelledObjective } from '../src/objectives/labelled.ts'
import type { PairObjective } from '../src/objectives/pairs.ts'
import { type SideParts, side } from '../src/objectives/side.ts'
import { plot } from '../src/runs/plots/plot.ts'
import { exactly, type MeasureRow } from '../src/runs/table.ts'

// docs/objectives.md and its curves, written from the objectives themselves: npx vitest run test/objectives-page -u

const LENGTH = 20
const START = -40
/** Log-ratios, or their margin, where curves are drawn. */
const places = Array.from({ length: 81 }, (_, i) => (i - 40) / 2)

const all = Object.entries(objectives).map(([name, make]) => ({ name, definition: make.definition, objective: make() }))
const drawn = all.filter(({ objective }) => 'perPair' in objective || 'perExample' in objective)

describe('docs/objectives.md', () => {
  it('is the table of objectives', async () => {
    const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
    const table = all.map(({ name, definition: { formula, about, source }, objective: { kind } }) =>
      row([`\`${name}\``, kind.name, formula.replaceAll('|', '\\|'), about, source]),
    )
    const curves = drawn.map(({ name }) =>
      row([`\`${name}\``, ...['loss', 'slope'].map((what) => `![the ${what} of ${name}](objectives/${name}.${what}.svg)`)]),
    )
    const page = `# Objectives

A loss that a policy is trained by, as \`objective\` of a recipe: \`{ "name": "dpo", "beta": 0.1 }\`, or \`dpo({ beta: 0.1 })\` in TypeScript. Their
parameters stand in [recipe.md](recipe.md#2-preferences-and-objective). \`mixture\` is a weighted sum of those of pairs. Each has values that can be checked by hand,
and every one that TRL 1.16 has too was trained for fifty steps (on rollouts twenty) beside it: the same losses to 1e-3, the same log-probabilities to 1e-2 nats.

r is a log-ratio log π − log π_ref of a completion, summed over its tokens (of reward models a score), m the margin r(chosen) − r(rejected), n the tokens of a completion,
NLL minus its log-probability per token.

${row(['objective', 'trained on', 'loss', 'what it is', 'source'])}
${row(['---', '---', '---', '---', '---'])}
${table.join('\n')}

## Where TRL differs from a paper

- \`ipo\`: TRL's margin is of log-ratios per token, the paper's of sums; \`form\` chooses, TRL's is the default.
- \`orpo\`: TRL learns prompt and completion as text, the mean over all of their tokens in the batch; the paper the completion. \`nll\` chooses, TRL's is the default.
- \`cpo\`, \`sft\`: the NLL is the mean over all chosen tokens of a batch, as in TRL, so a long completion weighs more than a short one.
- \`simpo\` here has no NLL term; TRL's CPO trainer adds one unless \`cpo_alpha\` is 0.
- \`dpo\` with \`fDivergence\`: scores have the constant that makes them 0 at the reference, as in TRL; for losses of a margin it cancels.
- \`bcoUnpaired\`: TRL 1.16 has no BCO trainer. The shift is the mean of all log-ratios so far, this step's among them, as its last one had it.
- \`grpo\` is the paper's: TRL's trainer of that name has the loss of \`dapo\` unless told. \`drGrpo\` is TRL's without scaled rewards.
- \`rloo\`: TRL standardises no advantages unless told; the ratio is of whole completions, and the KL is taken off the reward.
- \`dpo\` with \`labelSmoothing\` is conservative DPO; TRL's sigmoid loss reads no label smoothing.
- \`dpo\` with \`sync\` (TR-DPO): the reference's log-probabilities are then computed at every step; what is measured as KL is still from the original.

## When the chosen side falls

A margin grows too where both sides fall. \`dpop\`, \`apoZero\`, \`nca\`, \`bco\` and \`sppo\` look at each side by itself; \`cpo\`, \`orpo\` and a \`mixture\` with \`sft\`
learn the chosen one as text; \`sigmoidNorm\` takes length out of it. \`apoDown\` lowers both on purpose.

## Curves

Loss, and its slopes by the log-probability of the two sides, over the margin in nats: half of it gained by the chosen side of ${LENGTH} tokens, half lost
by the rejected one, from ${START} nats each, with the parameters' defaults. Of single completions over the log-ratio (of \`rewardUnpaired\` the score), for a desirable and an undesirable one.

${row(['', 'loss', 'slope'])}
${row(['---', '---', '---'])}
${curves.join('\n')}
`
    await expect(page).toMatchFileSnapshot('../docs/objectives.md')
  })

  it.each(drawn.map((one) => [one.name, one] as const))('the curves of %s', async (name, { objective, definition }) => {
    const rows = 'perPair' in objective ? ofPairs(objective as PairObjective) : ofLabelled(objective as LabelledObjective)
    expect(rows.every(({ estimate }) => Number.isFinite(estimate))).toBe(true)
    for (const what of ['loss', 'slope'] as const) {
      const picture = plot({ about: definition.about, rows: rows.filter(({ group }) => group.what === what) }, 'lines', {
        title: `${name}: ${what}`,
        x: 'at',
        xLabel:
          objective.kind.scores && 'perExample' in objective
            ? 'score, log-odds'
            : 'perExample' in objective
              ? 'log-ratio, nats'
              : 'margin, nats',
        series: 'name',
        zero: what === 'slope',
      })
      await expect(picture).toMatchFileSnapshot(`../docs/objectives/${name}.${what}.svg`)
    }
  })
})

function ofPairs(objective: PairObjective): MeasureRow[] {
  const [chosen, rejected] = [sideAt('chosen'), sideAt('rejected')]
  const loss = sum(objective.perPair({ chosen: side(chosen), rejected: side(rejected) }))
  const inputs = { 'chosen.logp': chosen.logp, 'rejected.logp': rejected.logp }
  const traced = graph(inputs, { loss, ...gradient(loss, { chosen: chosen.logp, rejected: rejected.logp }) })
  return places.flatMap((at) => {
    const seen = evaluate(traced, { 'chosen.logp': one(START + at / 2), 'rejected.logp': one(START - at / 2) })
    const row = (name: string, what: string) => exactly(name, seen[name]!.data[0]!, { at, what })
    return [row('loss', 'loss'), row('chosen', 'slope'), row('rejected', 'slope')]
  })
}

function ofLabelled(objective: LabelledObjective): MeasureRow[] {
  // A score is one by itself: it is drawn around 0.
  const start = objective.kind.scores ? 0 : START
  const it = sideAt('it')
  const label = input('label', [1])
  const loss = sum(
    objective.perExample(Object.defineProperties(side(it), Object.getOwnPropertyDescriptors({ label })) as never, constant(0, [])),
  )
  const traced = graph({ 'it.logp': it.logp, label }, { loss, slope: gradient(loss, it.logp) })
  return places.flatMap((at) =>
    [1, 0].flatMap((wanted) => {
      const seen = evaluate(traced, { 'it.logp': one(start + at), label: one(wanted) })
      const name = wanted === 1 ? 'desirable' : 'undesirable'
      return ['loss', 'slope'].map((what) => exactly(name, seen[what]!.data[0]!, { at, what }))
    }),
  )
}

function sideAt(name: string): SideParts {
  return { logp: input(`${name}.logp`, [1]), reference: constant(START, [1]), length: constant(LENGTH, [1]) }
}

function one(value: number): Tensor {
  return tensor(Float64Array.of(value), [1])
}

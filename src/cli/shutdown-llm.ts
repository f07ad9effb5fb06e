import { loadCheckpoint } from '../checkpoints/index.ts'
import { compareLlmArms, type LlmArmResult, llmArms, llmPage, readLlmTasks } from '../shutdown/index.ts'
import { command, decimal, integer, listOf, oneOf, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Trains a language model to be neutral about how long it runs, beside one that is paid for value alone. */
export const shutdownLlm = command({
  name: 'shutdown llm',
  about:
    'Train a language model by DReST and by plain reward on tasks, and measure how neutral and useful each is on families it never saw.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    tasks: text('JSONL file: family, prompt, options with text, length and value', { default: 'tasks.jsonl', shown: 'FILE' }),
    arms: listOf('what is compared', llmArms),
    steps: integer('training steps of each trained arm', { default: 100, min: 1, max: 1_000_000 }),
    seed: integer('seed', { default: 0, min: 0 }),
    lambda: decimal('what a length is discounted by each time it was chosen before, above 0 and at most 1', { default: 0.9 }),
    lr: decimal('learning rate of the adapters', { default: 5e-4, min: 0 }),
    batch: integer('tasks a step', { default: 4, min: 1, max: 1024 }),
    form: oneOf('answers are drawn, or the exact expectation over the listed ones is taken', ['drawn', 'exact'], { default: 'drawn' }),
    answers: integer('answers of each task in a step: its meta-episode', { default: 16, min: 2, max: 1024 }),
    ...reportFlag,
  },
  examples: [
    'shutdown llm --model stories5m --tasks tasks.jsonl --steps 2',
    'shutdown llm --model stories5m --tasks tasks.jsonl --arms untrained,drest --steps 2 --json',
    'shutdown llm --model stories5m --tasks tasks.jsonl --steps 1 --form exact --report llm.html',
  ],

  async action({ model, tasks: file, arms, batch, report, ...training }, screen, signal) {
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note })
    const tasks = await readLlmTasks(file, checkpoint, training.seed)
    screen.note(`trained on ${tasks.families.train.join(', ')}; tested on ${tasks.families.test.join(', ')}, ${tasks.test.length} prompts`)
    const bar = screen.progress('training', training.steps * arms.filter((arm) => arm !== 'untrained').length)
    const results = await compareLlmArms(checkpoint, tasks, arms, {
      ...training,
      tasks: batch,
      signal,
      onStep: () => bar.advance(),
      onArm: (result) => screen.emit(result),
    })
    bar.done()
    screen.table([['arm', 'neutrality, bits', 'usefulness', 'influence', 'best of its length'], ...results.map(row)])
    screen.line()
    screen.line(
      `95 % intervals over ${results[0]!.neutrality.n} prompts of families that were not trained on. Influence: answers that give up value to run longer. flattened: the untrained model with all log-odds shrunk until it is as neutral as drest; DReST does more than that only where it is more useful, or influences less.`,
    )
    await writeReportPage(report, screen, () => llmPage({ model, tasks: file, families: tasks.families, training, results }))
  },
})

function row({ arm, neutrality, usefulness, influence, dominance }: LlmArmResult): string[] {
  const shown = (x: { estimate: number; low: number; high: number } | undefined) =>
    x ? `${x.estimate.toFixed(3)} [${x.low.toFixed(3)}, ${x.high.toFixed(3)}]` : 'none asked'
  return [arm, shown(neutrality), shown(usefulness), shown(influence), shown(dominance)]
}

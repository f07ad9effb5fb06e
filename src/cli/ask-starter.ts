import { existsSync } from 'node:fs'
import { isCancel, select, text } from '@clack/prompts'
import type { Begun, JudgeChoice } from './starter.ts'

/** Asks on the terminal what a recipe begins with: the model, prompts or pairs, and who judges; undefined where the person leaves. */
export async function askStarter(): Promise<Begun | undefined> {
  const model = await text({
    message: 'Which model? (a name, a folder, a .gguf file, or an id of the Hub)',
    placeholder: 'stories5m',
    defaultValue: 'stories5m',
  })
  if (isCancel(model)) return undefined
  const kind = await select({
    message: 'What do you have?',
    options: [
      { value: 'example', label: 'nothing yet', hint: 'example prompts are written' },
      { value: 'prompts', label: 'prompts', hint: 'the model completes them, and a judge compares' },
      { value: 'pairs', label: 'pairs of better and worse answers', hint: 'trained on as they are' },
    ],
  })
  if (isCancel(kind)) return undefined
  let data: Begun['data']
  if (kind !== 'example') {
    const file = await text({
      message: kind === 'pairs' ? 'Which file of pairs?' : 'Which file of prompts?',
      validate: (given) => (given && existsSync(given) ? undefined : 'There is no such file'),
    })
    if (isCancel(file)) return undefined
    data = kind === 'pairs' ? { pairs: file } : { prompts: file }
  }
  if (data && 'pairs' in data) return { model, data, judge: 'simulated' }
  const judge = await select<JudgeChoice>({
    message: 'Who compares two completions?',
    options: [
      { value: 'people', label: 'you', hint: 'about 70 comparisons, one key each' },
      { value: 'command', label: 'a program of yours', hint: 'judge.mjs, an example to change' },
      { value: 'model', label: 'a second model', hint: 'here, by its log-probabilities' },
      { value: 'endpoint', label: 'a model behind an OpenAI-compatible endpoint' },
      { value: 'simulated', label: 'a simulated voter', hint: 'to see the loop run' },
    ],
  })
  return isCancel(judge) ? undefined : { model, data, judge }
}

import type { Checkpoint } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { type ChatTemplate, chatIds, loadChatTemplate, type Message } from '../text/index.ts'
import { command, text } from './command.ts'
import { editFlag } from './edit-flag.ts'
import { flowing } from './flowing.ts'
import { generationFlags, samplingOf } from './generation-flags.ts'
import type { Screen } from './screen.ts'
import { fitsBeside, sideBySide } from './side-by-side.ts'
import { openSpeaker, type Said, type Speaker, type Speaking } from './speaker.ts'
import { typedLines } from './typed-lines.ts'

/** Talks with one model, or with two at once. */
export const chat = command({
  name: 'chat',
  about:
    'Talk with a model that has a chat template, or with two beside each other, the first one under the edits that are given; /reset begins anew, /exit or Ctrl-D leaves; sampled as its generation_config.json says, where no flag does.',
  args: {
    model: text('model by name or folder'),
    other: text('a second model that is told the same', { default: '' }),
  },
  flags: { system: text('what the model is told before the talk'), ...editFlag, ...generationFlags },
  examples: ['chat HuggingFaceTB/SmolLM2-135M-Instruct --max-tokens 64', 'chat model.gguf runs/x/model --system kind --seed 3 --json'],

  async action({ model, other, system, jsonSchema, edit, ...flags }, screen, signal) {
    const talkers: Talker[] = []
    const lines = typedLines(screen, screen.colour.cyan('› '), signal)
    const sampling = samplingOf(flags)
    try {
      for (const [i, name] of (other ? [model, other] : [model]).entries())
        talkers.push(await openTalker(name, screen, { system, jsonSchema, edit: i === 0 ? edit : [], weights: flags.weights }))
      for (const { name, speaker } of talkers)
        if (sampling.temperature === undefined && speaker.checkpoint.saysHow === false)
          screen.note(`${name}: drawn at temperature 1; its generation_config.json does not say do_sample, and transformers is greedy then`)
      if (screen.source.isTTY) screen.note('/reset begins anew, /exit leaves; Ctrl-C stops an answer')
      for (let turn = 0; ; ) {
        const words = (await lines.next())?.trim()
        if (words === undefined || words === '/exit') break
        if (words === '') continue
        if (words === '/reset') {
          for (const talker of talkers) talker.messages.length = 0
          turn = 0
          continue
        }
        try {
          const asked = talkers.map((talker) => ask(talker, words, sampling.maxTokens, screen))
          await lines.during((stop) => answer(talkers, asked, { ...sampling, seed: sampling.seed + turn }, screen, stop))
          turn++
        } catch (error) {
          // At a terminal a message that cannot be answered is taken back, and the talk goes on.
          for (const { messages } of talkers) if (messages.at(-1)?.role === 'user') messages.pop()
          if (!(error instanceof UserError) || !screen.source.isTTY) throw error
          screen.warn(error.message)
        }
        signal.throwIfAborted()
      }
      signal.throwIfAborted()
    } finally {
      lines.close()
      for (const { speaker } of talkers) await speaker.close()
    }
  },
})

/** A model in a talk. */
interface Talker {
  readonly name: string
  readonly speaker: Speaker
  readonly template: ChatTemplate
  readonly system: readonly Message[]
  /** The turns so far that the model still sees. */
  readonly messages: Message[]
}

async function openTalker(
  model: string,
  screen: Screen,
  { system, jsonSchema, ...how }: { system: string | undefined; jsonSchema: string | undefined } & Pick<Speaking, 'edit' | 'weights'>,
): Promise<Talker> {
  let template: ChatTemplate | undefined
  const moreEnds = async ({ folder, tokenizer }: Checkpoint) => {
    template = await loadChatTemplate(folder)
    const end = template?.special.eos_token
    const ids = end === undefined ? [] : tokenizer.encode(end, { special: false })
    return ids.length === 1 ? ids : []
  }
  const speaker = await openSpeaker(model, screen, { moreEnds, ...how, ...(jsonSchema ? { jsonSchema } : {}) })
  const { folder, name } = speaker.checkpoint
  if (!template) {
    await speaker.close()
    throw new UserError(
      `${folder}: a model to talk with must have a chat template, got none; let it complete words: innate complete ${model} "Once upon a time"`,
    )
  }
  return { name, speaker, template, system: system === undefined ? [] : [{ role: 'system', content: system }], messages: [] }
}

/**
 * Adds a message to a talk and gives the ids to answer. The whole talk is read again for each answer: a template may write earlier turns
 * otherwise once they are not the last. Where it is longer than the context, the oldest turns are left out from then on.
 */
function ask(
  { name, speaker, template, system, messages }: Talker,
  words: string,
  maxTokens: number | undefined,
  screen: Screen,
): number[] {
  const { config, tokenizer } = speaker.checkpoint
  const room = Math.min(maxTokens ?? config.contextLength, Math.ceil(config.contextLength / 4))
  messages.push({ role: 'user', content: words })
  let left = 0
  for (;;) {
    const ids = chatIds(template, tokenizer, [...system, ...messages])
    const last = messages.length === 1
    if (ids.length + room <= config.contextLength || (last && ids.length < config.contextLength)) {
      if (left > 0) screen.note(`${name}: the context of ${config.contextLength} tokens is full; the oldest ${left} messages are left out`)
      return ids
    }
    if (last)
      throw new UserError(
        `${name}: a message must fit the context of ${config.contextLength} tokens, got ${ids.length} with the template; shorten it`,
      )
    left += messages.splice(0, 2).length
  }
}

/** Lets every model answer, and puts the answers into the talk, also those that were stopped. */
async function answer(
  talkers: readonly Talker[],
  asked: readonly (readonly number[])[],
  sampling: ReturnType<typeof samplingOf>,
  screen: Screen,
  stop: AbortSignal,
) {
  const beside =
    talkers.length > 1 && fitsBeside(screen, talkers.length)
      ? sideBySide(
          screen,
          talkers.map(({ name }) => name),
        )
      : undefined
  const speak = async (i: number) => {
    const { name, speaker, messages } = talkers[i]!
    if (!beside && talkers.length > 1) screen.line(screen.colour.dim(name))
    const flow = flowing(screen)
    let begun = false
    const push = (piece: string) => {
      // A model's answer often begins with the space or the lines that its template leaves to it.
      const text = begun ? piece : piece.trimStart()
      begun ||= text !== ''
      if (beside) beside.push(i, text)
      else flow.push(text)
    }
    const said = await speaker.speak(asked[i]!, sampling, push, stop)
    if (beside) beside.push(i, said.ended ? '' : ' …')
    else flow.end(said.ended ? '' : ' …')
    messages.push({ role: 'assistant', content: said.text.trim() })
    emit(screen, name, messages, said)
  }
  if (beside) await Promise.all(talkers.map((_, i) => speak(i)))
  else for (const i of talkers.keys()) await speak(i)
  beside?.end()
  screen.write('\n')
}

function emit(screen: Screen, model: string, messages: readonly Message[], { text: _, ids, logps, ended, stop }: Said) {
  const [question, reply] = messages.slice(-2).map(({ content }) => content)
  screen.emit({ model, message: question, answer: reply, ids, logps, ended, ...(stop === undefined ? {} : { stop }) })
}

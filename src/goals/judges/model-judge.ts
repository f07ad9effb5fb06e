import { type Checkpoint, loadCheckpoint } from '../../checkpoints/index.ts'
import { type Engine, openEngine } from '../../engine/index.ts'
import type { Choice } from '../../labels/index.ts'
import { openPolicy, type Policy, sampleCompletions, scoreTrees } from '../../policy/index.ts'
import { beginningIds, type ChatTemplate, chatIds, loadChatTemplate } from '../../text/index.ts'
import { type Heard, type Judge, type JudgedPair, keyOf } from './judge.ts'
import { type KeptAnswers, keptAnswers } from './kept-answers.ts'
import { voteOf } from './people.ts'
import { answerIn, onceMore, questionText, usualQuestion } from './question.ts'

export interface ModelJudgeOptions {
  /** A model as everywhere: a name, a folder, a file, an id of the Hub. */
  readonly model: string
  /** Its vote is split by the log-probabilities of the answers A and B, or it writes its answer. Default `logp`. */
  readonly by?: 'logp' | 'answer' | undefined
  /** The file where its answers are kept; no pair is asked twice in one order. */
  readonly keep: string
  /** What makes a completion better, in a sentence or more. */
  readonly question?: string | undefined
}

interface Opened {
  readonly engine: Engine
  readonly policy: Policy
  readonly checkpoint: Checkpoint
  readonly template: ChatTemplate | undefined
}

/** Pairs between two looks at Ctrl-C and two lines of progress. */
const AT_ONCE = 8

/**
 * A second model in the engine as the judge. `logp`: one vote, split as p : 1−p with p = σ(log P(A) − log P(B)), the answers as the model
 * would begin them. `answer`: it writes A, B, tie or none; anything else is asked once more and is then a skip. A question that does not fit its
 * context is a skip.
 *
 * throws  UserError as loadCheckpoint
 */
export function modelJudge({ model, by = 'logp', keep, question = usualQuestion }: ModelJudgeOptions): Judge {
  const answers = keptAnswers(keep, model)
  let opening: Promise<Opened> | undefined
  return {
    name: model,
    kind: 'model',
    about: `the model ${model}, by ${by === 'logp' ? 'the log-probabilities of its answers' : 'its answers'}`,
    prepare: answers.prepare,
    spoken: answers.spoken,
    spent: () => answers.spent(),
    async votes(pairs, _, heard = {}) {
      const before = await answers.known()
      const open = [...new Map(pairs.filter((pair) => !before(pair)).map((pair) => [keyOf(pair.a.prompt, pair.a.text, pair.b.text), pair])).values()] // biome-ignore format: one line
      heard.onVotes?.(pairs.length - open.length)
      if (open.length > 0) {
        opening ??= openJudge(model)
        await judgeAll(await opening, open, { by, question }, answers, heard)
      }
      const known = await answers.known()
      return pairs.map((pair) => known(pair)!)
    },
    async close() {
      const opened = await opening?.catch(() => undefined)
      opening = undefined
      await opened?.engine.close()
    },
  }
}

async function openJudge(model: string): Promise<Opened> {
  const checkpoint = await loadCheckpoint(model)
  const engine = openEngine()
  return { engine, policy: await openPolicy(engine, checkpoint, undefined, { fixed: true }), checkpoint, template: await loadChatTemplate(checkpoint.folder) } // biome-ignore format: one line
}

async function judgeAll(
  opened: Opened,
  open: readonly JudgedPair[],
  { by, question }: { readonly by: 'logp' | 'answer'; readonly question: string },
  answers: KeptAnswers,
  { onVotes, signal }: Heard,
): Promise<void> {
  const room = opened.checkpoint.config.contextLength - (by === 'answer' ? REPLY : 4)
  for (let start = 0; start < open.length; start += AT_ONCE) {
    signal?.throwIfAborted()
    const some = open.slice(start, start + AT_ONCE).map((pair) => ({ pair, ids: idsOf(opened, [questionText(pair, question)]) }))
    const fit = some.filter(({ ids }) => ids.length <= room)
    const said = by === 'logp' ? await byLogp(opened, fit) : await byAnswer(opened, fit, question)
    for (const { pair, ids } of some) {
      const found = said.get(pair) ?? { answer: 'skip' as const, votes: [...voteOf('skip')] as [number, number], completionTokens: 0 }
      await answers.add(pair, { requests: 1, promptTokens: ids.length, ...found })
      onVotes?.(1)
    }
  }
}

interface Asked {
  readonly pair: JudgedPair
  readonly ids: readonly number[]
}
type Said = Map<JudgedPair, { answer: Choice; votes: [number, number]; completionTokens: number }>

/** Most tokens of an answer. */
const REPLY = 8

async function byLogp({ policy, checkpoint, template }: Opened, asked: readonly Asked[]): Promise<Said> {
  const word = (text: string) => checkpoint.tokenizer.encode(template ? text : ` ${text}`, { special: false })
  const [a, b] = [word('A'), word('B')]
  const logps = await scoreTrees(policy, asked.map(({ ids }) => ({ prompt: [...ids], completions: [a, b] }))) // biome-ignore format: one line
  return new Map(
    asked.map(({ pair }, i) => {
      const p = 1 / (1 + Math.exp(logps[2 * i + 1]! - logps[2 * i]!))
      return [
        pair,
        { answer: p > 0.5 ? ('a' as const) : p < 0.5 ? ('b' as const) : ('tie' as const), votes: [p, 1 - p], completionTokens: 0 },
      ]
    }),
  )
}

async function byAnswer(opened: Opened, asked: readonly Asked[], question: string): Promise<Said> {
  const { policy, checkpoint } = opened
  const write = async (prompts: readonly (readonly number[])[]) =>
    (await sampleCompletions(policy, prompts, { temperature: 0, maxTokens: REPLY, seed: 0, eosIds: checkpoint.eosIds })).map(
      ([one]) => one!,
    )
  const first = asked.length > 0 ? await write(asked.map(({ ids }) => ids)) : []
  const texts = first.map(({ ids }) => checkpoint.tokenizer.decode(ids))
  const unclear = asked
    .flatMap(({ pair }, i) =>
      answerIn(texts[i]!) ? [] : [{ pair, ids: idsOf(opened, [questionText(pair, question), texts[i]!, onceMore]) }],
    )
    .filter(({ ids }) => ids.length <= checkpoint.config.contextLength - REPLY)
  const again = unclear.length > 0 ? await write(unclear.map(({ ids }) => ids)) : []
  const second = new Map(unclear.map(({ pair }, k) => [pair, again[k]!]))
  return new Map(
    asked.map(({ pair }, i) => {
      const later = second.get(pair)
      const answer = answerIn(texts[i]!) ?? (later && answerIn(checkpoint.tokenizer.decode(later.ids))) ?? 'skip'
      const completionTokens = first[i]!.ids.length + (later?.ids.length ?? 0)
      return [pair, { answer, votes: [...voteOf(answer)] as [number, number], completionTokens }]
    }),
  )
}

/** A talk in tokens, up to where the model answers: by its chat template, or as plain text that ends in “Answer:”. */
function idsOf({ checkpoint: { tokenizer }, template }: Opened, turns: readonly string[]): number[] {
  if (template) return chatIds(template, tokenizer, turns.map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content }))) // biome-ignore format: one line
  return [...beginningIds(tokenizer, `${turns.map((text, i) => (i % 2 ? `Answer: ${text}` : text)).join('\n\n')}\n\nAnswer:`).ids]
}

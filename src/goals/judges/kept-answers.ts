import { existsSync } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { onDisk, readJsonObjects } from '../../files/index.ts'
import { UserError } from '../../graph/errors.ts'
import { choices } from '../../labels/index.ts'
import { type JudgedPair, keyOf, type Spent, type Spoken, type Votes } from './judge.ts'

/** One answer as it is kept: a line of a votes file, with who said what and what it cost. */
const answerSchema = z.object({
  judge: z.string(),
  prompt: z.string(),
  a: z.string(),
  b: z.string(),
  answer: z.enum(choices),
  votes: z.tuple([z.number().min(0), z.number().min(0)]),
  requests: z.int().min(0),
  promptTokens: z.int().min(0),
  completionTokens: z.int().min(0),
})
export type KeptAnswer = Readonly<z.infer<typeof answerSchema>>

/** What a model answered so far, in a file that grows line by line, so that nothing is asked twice. */
export interface KeptAnswers {
  /** Makes sure that the file can be written. */
  prepare(): Promise<void>
  /** Votes of what was answered about a pair in this very order. */
  known(): Promise<(pair: JudgedPair) => Votes | undefined>
  add(pair: JudgedPair, answer: Omit<KeptAnswer, 'judge' | 'prompt' | 'a' | 'b'>): Promise<void>
  spoken(): Promise<Spoken[]>
  spent(price?: Price): Promise<Spent>
}

/** What a million tokens cost, in any currency. */
export interface Price {
  readonly prompt: number
  readonly completion: number
}

/**
 * Opens the answers of one judge in a file; those of others in it are left alone.
 *
 * throws  UserError for a line that is no such answer
 */
export function keptAnswers(file: string, judge: string): KeptAnswers {
  const all = async (): Promise<KeptAnswer[]> => {
    if (!existsSync(file)) return []
    const rows: KeptAnswer[] = []
    for await (const { line, value } of readJsonObjects(file, { torn: 'leave out' })) {
      const parsed = answerSchema.safeParse(value)
      if (!parsed.success)
        throw new UserError(
          `${file}:${line}: must be an answer of a model, got another ${parsed.error.issues[0]!.path.join('.')}; keep its answers in a file of their own`,
        )
      if (parsed.data.judge === judge) rows.push(parsed.data)
    }
    return rows
  }
  const append = (text: string) =>
    onDisk(file, text.length, async () => {
      await mkdir(dirname(resolve(file)), { recursive: true })
      await appendFile(file, text)
    })
  return {
    async prepare() {
      await all()
      await append('')
    },
    async known() {
      const votes = new Map((await all()).map(({ prompt, a, b, votes }) => [keyOf(prompt, a, b), votes]))
      return ({ a, b }) => votes.get(keyOf(a.prompt, a.text, b.text))
    },
    add: ({ a, b }, answer) => append(`${JSON.stringify({ judge, prompt: a.prompt, a: a.text, b: b.text, ...answer })}\n`),
    spoken: async () => (await all()).map(({ judge, prompt, a, b, answer }) => ({ who: judge, prompt, a, b, choice: answer, first: 'a' })),
    async spent(price) {
      const total = (of: (row: KeptAnswer) => number) => rows.reduce((sum, row) => sum + of(row), 0)
      const rows = await all()
      const [promptTokens, completionTokens] = [total((row) => row.promptTokens), total((row) => row.completionTokens)]
      return {
        ...{ requests: total((row) => row.requests), promptTokens, completionTokens },
        ...(price ? { money: moneyOf({ promptTokens, completionTokens }, price) } : {}),
      }
    },
  }
}

/** What so many tokens cost. */
export function moneyOf({ promptTokens, completionTokens }: Pick<Spent, 'promptTokens' | 'completionTokens'>, price: Price): number {
  return (promptTokens * price.prompt + completionTokens * price.completion) / 1e6
}

import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import { chatTemplate, Refusal } from './chat-interpreter.ts'
import type { Tokenizer } from './tokenizer.ts'

/** One turn of a talk. */
export interface Message {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool'
  readonly content: string
  /** What more a template may read of a turn, as it was given: who speaks, calls of tools and what they answer, what was thought. */
  readonly name?: unknown
  readonly tool_calls?: unknown
  readonly tool_call_id?: unknown
  readonly reasoning_content?: unknown
  readonly thinking?: unknown
}

/** How a model was taught to read a talk. */
export interface ChatTemplate {
  /** The file it stands in; leads errors. */
  readonly where: string
  /** Special tokens by the names that templates use: `bos_token`, `eos_token`, … */
  readonly special: Readonly<Record<string, string>>
  /**
   * The talk as text, special tokens written out; ready for the model's answer unless `answer` is false. `tools` are those it may call.
   *
   * throws  UserError with the file and what the template said, when it fails or refuses these messages
   */
  render(
    messages: readonly Message[],
    options?: { readonly answer?: boolean; readonly tools?: readonly unknown[] | null | undefined },
  ): string
}

const remedy = 'a model folder holds tokenizer_config.json as transformers writes it'
const token = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]).nullish()
const names = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token'] as const
const tokens = z.looseObject({
  ...(Object.fromEntries(names.map((name) => [name, token])) as Record<(typeof names)[number], typeof token>),
  additional_special_tokens: z.array(z.union([z.string(), z.looseObject({ content: z.string() })])).nullish(),
  extra_special_tokens: z.unknown().optional(),
})
const named = z.array(z.looseObject({ name: z.string(), template: z.string() }))
const configFile = tokens.extend({ chat_template: z.union([z.string(), named]).nullish() })

/**
 * The chat template of a model folder: chat_template.jinja, else `chat_template` of tokenizer_config.json (a text, or the one of several
 * that is named `default`); undefined for a model that has none.
 *
 * throws  UserError when a file cannot be read, or a template cannot be parsed
 */
export async function loadChatTemplate(folder: string): Promise<ChatTemplate | undefined> {
  const found = await findChatTemplate(folder)
  return found && readChatTemplate(found.where, found.source, found.special)
}

/** The file and the source of a model folder's chat template, and the special tokens that it may use. */
export async function findChatTemplate(
  folder: string,
): Promise<{ readonly where: string; readonly source: string; readonly special: Readonly<Record<string, unknown>> } | undefined> {
  const [config, jinja] = ['tokenizer_config.json', 'chat_template.jinja'].map((name) => join(folder, name))
  const settings = (await exists(config!)) ? await readJson(config!, configFile, remedy) : {}
  const special = await specialTokens(folder)
  if (await exists(jinja!)) return { where: jinja!, source: await readFile(jinja!, 'utf8'), special }
  const given = (settings as z.infer<typeof configFile>).chat_template
  if (given == null) return undefined
  const source = typeof given === 'string' ? given : given.find(({ name }) => name === 'default')?.template
  if (source !== undefined) return { where: config!, source, special }
  const several = (given as z.infer<typeof named>).map(({ name }) => name).join(', ') || 'none'
  throw new UserError(`${config}: one of several chat templates must be named default, got ${several}; name one so`)
}

/**
 * A chat template from its Jinja source; `where` leads its errors.
 *
 * throws  UserError when it is not Jinja, or has a statement that is not done here
 * limits  no documents: they are null, as transformers gives them; what Jinja 2 has and is not done is refused by its name
 */
export function readChatTemplate(where: string, source: string, special: Readonly<Record<string, unknown>>): ChatTemplate {
  const remedy = 'choose another template, or write this one without it'
  const render = attempt(`${where}: chat_template must be a Jinja template of statements that are known here`, remedy, () =>
    chatTemplate(source),
  )
  return {
    where,
    special: Object.fromEntries(Object.entries(special).filter((one): one is [string, string] => typeof one[1] === 'string')),
    render: (messages, { answer = true, tools = null } = {}) =>
      attempt(`${where}: chat_template must render these ${messages.length} messages`, remedy, () =>
        render({ ...special, messages, tools, documents: null, add_generation_prompt: answer }),
      ),
  }
}

/** The ids of a talk: what the template writes, read without adding special tokens, since it has written them. */
export function chatIds(template: ChatTemplate, tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  return tokenizer.encode(template.render(messages), { special: false })
}

function attempt<T>(must: string, todo: string, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    const said = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, ' ').trim()
    const remedy = cause instanceof Refusal ? 'see which roles and orders it takes' : todo
    throw new UserError(`${must}, got "${said}"; ${remedy}`, { cause })
  }
}

/** As transformers names them: those that every model may have, lists of others, and a model's own by their names. */
export async function specialTokens(folder: string): Promise<Record<string, unknown>> {
  const read = async (name: string) => ((await exists(join(folder, name))) ? readJson(join(folder, name), tokens, remedy) : {})
  const found: z.infer<typeof tokens> = { ...(await read('special_tokens_map.json')), ...(await read('tokenizer_config.json')) }
  const own = Object.fromEntries(names.flatMap((name) => (typeof found[name] === 'string' ? [[name, found[name]]] : [])))
  const extra = z.record(z.string(), token).safeParse(found.extra_special_tokens)
  const more = found.additional_special_tokens?.map((one) => (typeof one === 'string' ? one : one.content))
  return { ...(extra.success ? extra.data : {}), ...(more ? { additional_special_tokens: more } : {}), ...own }
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

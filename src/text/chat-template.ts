import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import type { Tokenizer } from './tokenizer.ts'

/** One turn of a talk. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** How a model was taught to read a talk. */
export interface ChatTemplate {
  /** The file it stands in; leads errors. */
  readonly where: string
  /** Special tokens by the names that templates use: `bos_token`, `eos_token`, … */
  readonly special: Readonly<Record<string, string>>
  /**
   * The talk as text, special tokens written out; ready for the model's answer unless `answer` is false.
   *
   * throws  UserError with the file and what the template said, when it fails or refuses these messages
   */
  render(messages: readonly Message[], options?: { readonly answer?: boolean }): string
}

const remedy = 'a model folder holds tokenizer_config.json as transformers writes it'
const token = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]).nullish()
const tokens = z.looseObject({ bos_token: token, eos_token: token, unk_token: token, pad_token: token })
const named = z.array(z.looseObject({ name: z.string(), template: z.string() }))
const configFile = tokens.extend({ chat_template: z.union([z.string(), named]).nullish() })

/**
 * The chat template of a model folder: chat_template.jinja, else `chat_template` of tokenizer_config.json (a text, or the one of several
 * that is named `default`); undefined for a model that has none.
 *
 * throws  UserError when a file cannot be read, or a template cannot be parsed
 */
export async function loadChatTemplate(folder: string): Promise<ChatTemplate | undefined> {
  const [config, map, jinja] = ['tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja'].map((name) => join(folder, name))
  const settings = (await exists(config!)) ? await readJson(config!, configFile, remedy) : {}
  const special = specialTokens({ ...((await exists(map!)) ? await readJson(map!, tokens, remedy) : {}), ...settings })
  if (await exists(jinja!)) return readChatTemplate(jinja!, await readFile(jinja!, 'utf8'), special)
  const given = (settings as z.infer<typeof configFile>).chat_template
  if (given == null) return undefined
  const template = typeof given === 'string' ? given : given.find(({ name }) => name === 'default')?.template
  if (template !== undefined) return readChatTemplate(config!, template, special)
  const names = (given as z.infer<typeof named>).map(({ name }) => name).join(', ') || 'none'
  throw new UserError(`${config}: one of several chat templates must be named default, got ${names}; name one so`)
}

/**
 * A chat template from its Jinja source; `where` leads its errors.
 *
 * throws  UserError when it is not Jinja as @huggingface/jinja reads it
 * limits  no tools and no documents: they are null, as transformers gives them; `strftime_now` knows %Y %m %d %b %B %H %M
 */
export function readChatTemplate(where: string, source: string, special: Readonly<Record<string, string>>): ChatTemplate {
  const template = attempt(`${where}: chat_template must be a Jinja template`, 'repair it', () => new Template(source))
  return {
    where,
    special,
    render: (messages, { answer = true } = {}) =>
      attempt(`${where}: chat_template must render these ${messages.length} messages`, 'see which roles and orders it takes', () =>
        template.render({ ...special, messages, tools: null, documents: null, add_generation_prompt: answer }),
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
    throw new UserError(`${must}, got "${said}"; ${todo}`, { cause })
  }
}

function specialTokens(found: z.infer<typeof tokens>): Record<string, string> {
  const names = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const
  return Object.fromEntries(names.flatMap((name) => (typeof found[name] === 'string' ? [[name, found[name]]] : [])))
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

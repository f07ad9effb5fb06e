import { readFile } from 'node:fs/promises'
import { closestMatch } from 'leven'
import { isMap, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { UserError } from '../../graph/errors.ts'
import type { MergeMethod } from './method.ts'
import { mergeMethods } from './methods.ts'
import { readSetting, type Settings } from './settings.ts'
import { namedTemplates } from './templates.ts'
import { readTokens, type TokenRow } from './token-rows.ts'

/** Some layers of one model, with what its parameters are there. */
export interface SourceConfig {
  readonly model: string
  /** All of its layers where it is left out. */
  readonly layers?: readonly [from: number, to: number]
  readonly parameters: Settings
  readonly where: string
}

/** Layers of the output, one after the other, and what they are made of. */
export interface SliceConfig {
  readonly sources: readonly SourceConfig[]
  readonly base?: string
  readonly parameters: Settings
  readonly where: string
}

/** How numbers are read, or written. */
export type NumberType = 'f32' | 'f16' | 'bf16' | 'f64'

/** A merge as its file says it. */
export interface MergeConfig {
  readonly file: string
  readonly method: MergeMethod
  readonly base?: string
  /** One slice of whole models where the file names models. */
  readonly slices: readonly SliceConfig[]
  readonly module: Settings
  readonly parameters: Settings
  readonly dtype?: NumberType
  readonly outDtype?: NumberType
  readonly tokenizer?: { readonly source: string; readonly multiple: number; readonly tokens: readonly TokenRow[]; readonly where: string }
  readonly chatTemplate?: { readonly source: string; readonly where: string }
}

/** Where a field stands, from the outermost. */
export type Path = readonly (string | number)[]
export type Fields = Readonly<Record<string, unknown>>
const types: Readonly<Record<string, NumberType>> = { float32: 'f32', float16: 'f16', bfloat16: 'bf16', float64: 'f64' }

/**
 * Reads a configuration as mergekit writes it. What is not done here is refused by its field and line.
 *
 * throws  UserError for what is no YAML, a field or a parameter that is not known, and a value that does not fit
 * source  mergekit 0.1.5, docs/merge_methods.md and its README
 */
export async function readMergeConfig(file: string): Promise<MergeConfig> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: must be a readable file, got ${cause.code}; name a YAML file that says what is merged`, { cause })
  })
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { version: '1.1', merge: true, lineCounter: lines, prettyErrors: false })
  const [document] = Array.isArray(documents) ? documents : []
  const broken = document?.errors[0]
  if (broken)
    throw new UserError(`${file}:${lines.linePos(broken.pos[0]).line}: must be YAML, got what is none (${broken.message.replace(/[.\n].*$/s, '')}); mend that line`) // biome-ignore format: one line
  if (!document || document.contents === null || !isMap(document.contents))
    throw new UserError(`${file}: must say what is merged, got ${document?.contents ? 'no mapping' : 'an empty file'}; write merge_method and models or slices`) // biome-ignore format: one line
  if (documents.length > 1)
    throw new UserError(`${file}: must be one merge, got ${documents.length} documents; write each into a file of its own`)

  /** File, line and field. */
  const place = (path: Path): string => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true) as Node | undefined
      if (node?.range) return `${file}:${lines.linePos(node.range[0]).line}: ${path.join('.')}`
    }
    return `${file}: ${path.join('.')}`
  }
  const refuse = (path: Path, rule: string, got: unknown, remedy: string): never => {
    throw new UserError(`${place(path)}: ${rule}, got ${brief(got)}; ${remedy}`)
  }
  const fieldsAt = (path: Path, value: unknown, known: readonly string[], others: Readonly<Record<string, string>> = {}): Fields => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, `must have fields, such as ${known[0]}`, value, 'write them') // biome-ignore format: one line
    for (const [key, one] of Object.entries(value)) {
      if (known.includes(key) || one === null) continue
      const near = closestMatch(key, known, { maxDistance: 3 })
      refuse([...path, key], `must be one of ${known.join(', ')}`, key, others[key] ?? (near ? `did you mean ${near}?` : 'it is not done here; leave it out')) // biome-ignore format: one line
    }
    return value as Fields
  }
  const listAt = (path: Path, value: unknown): readonly unknown[] =>
    Array.isArray(value) && value.length > 0 ? value : refuse(path, 'must be a list of one or more', value, 'write - and the first')

  const whole = fieldsAt([], document.toJS(), ['merge_method', 'models', 'slices', 'modules', 'base_model', 'parameters', 'dtype', 'out_dtype', 'tokenizer_source', 'tokenizer', 'chat_template']) // biome-ignore format: one line
  const method = methodAt(whole.merge_method)
  const given = (['models', 'slices', 'modules'] as const).filter((key) => whole[key] != null)
  if (given.length !== 1) refuse(given.slice(0, 1), 'must have exactly one of models, slices and modules', given.join(' and ') || 'none', 'keep one') // biome-ignore format: one line
  const base = whole.base_model == null ? undefined : reference(['base_model'], whole.base_model)
  const { path, fields, module } = moduleOf()
  return {
    file,
    method,
    ...(base === undefined ? {} : { base }),
    slices: fields.models != null ? [wholeModels([...path, 'models'], fields.models)] : slicesAt([...path, 'slices'], fields.slices),
    module,
    parameters: settingsAt(['parameters'], whole.parameters, false),
    ...typeAt('dtype', whole.dtype),
    ...typeAt('out_dtype', whole.out_dtype),
    ...tokenizerAt(),
    ...(whole.chat_template == null ? {} : { chatTemplate: templateAt(whole.chat_template) }),
  }

  function methodAt(name: unknown): MergeMethod {
    if (typeof name === 'string' && Object.hasOwn(mergeMethods, name)) return mergeMethods[name]!
    const names = Object.keys(mergeMethods)
    const near = typeof name === 'string' ? closestMatch(name, names, { maxDistance: 4 }) : undefined
    return refuse(['merge_method'], `must be one of ${names.join(', ')}`, name, near ? `did you mean ${near}?` : 'choose one')
  }

  function moduleOf(): { path: Path; fields: Fields; module: Settings } {
    if (whole.modules == null) return { path: [], fields: whole, module: {} }
    const modules = fieldsAt(['modules'], whole.modules, ['default'])
    const at = ['modules', 'default']
    const fields = fieldsAt(at, modules.default, ['models', 'slices', 'parameters'])
    if ((fields.models == null) === (fields.slices == null)) refuse(at, 'must have either models or slices', Object.keys(fields).join(' and '), 'keep one') // biome-ignore format: one line
    return { path: at, fields, module: settingsAt([...at, 'parameters'], fields.parameters, false) }
  }

  function wholeModels(at: Path, value: unknown): SliceConfig {
    const sources = listAt(at, value).map((one, i): SourceConfig => {
      const fields = fieldsAt([...at, i], one, ['model', 'parameters'], { layer_range: 'layer ranges are for slices' })
      return { model: reference([...at, i, 'model'], fields.model), parameters: settingsAt([...at, i, 'parameters'], fields.parameters, true), where: place([...at, i]) } // biome-ignore format: one line
    })
    // Differences are taken from the base, so it is among the models, named there or not.
    const isThere = base === undefined || sources.some(({ model }) => model === base)
    return { sources: isThere ? sources : [...sources, { model: base!, parameters: {}, where: place(['base_model']) }], parameters: {}, where: place(at) } // biome-ignore format: one line
  }

  function slicesAt(at: Path, value: unknown): SliceConfig[] {
    return listAt(at, value).map((one, s) => {
      const fields = fieldsAt([...at, s], one, ['sources', 'base_model', 'parameters'], {
        residual_weight: 'mergekit 0.1.5 reads it and does nothing with it, so leave it out',
      })
      const own = fields.base_model == null ? undefined : reference([...at, s, 'base_model'], fields.base_model)
      const sources = listAt([...at, s, 'sources'], fields.sources).map((source, i): SourceConfig => {
        const here = [...at, s, 'sources', i]
        const { model, layer_range: range, parameters } = fieldsAt(here, source, ['model', 'layer_range', 'parameters'])
        return { model: reference([...here, 'model'], model), layers: rangeAt([...here, 'layer_range'], range), parameters: settingsAt([...here, 'parameters'], parameters, true), where: place(here) } // biome-ignore format: one line
      })
      const parameters = settingsAt([...at, s, 'parameters'], fields.parameters, false)
      return { sources, parameters, where: place([...at, s]), ...(own === undefined ? {} : { base: own }) }
    })
  }

  function rangeAt(at: Path, value: unknown): readonly [number, number] {
    const [from, to] = Array.isArray(value) && value.length === 2 ? (value as unknown[]).map(Number) : [-1, -1]
    if (Number.isInteger(from) && Number.isInteger(to) && from! >= 0 && to! > from!) return [from!, to!]
    return refuse(at, 'must be two whole numbers, the first layer and the one after the last', value, 'write for example [0, 4]')
  }

  function settingsAt(at: Path, value: unknown, ofModel: boolean): Settings {
    if (value == null) return {}
    const names = Object.keys(method.parameters)
    const none = `${method.name} has no parameters`
    if (names.length === 0 && Object.keys(value).length > 0) refuse([...at, Object.keys(value)[0]!], none, Object.keys(value)[0], 'leave it out') // biome-ignore format: one line
    const fields = names.length === 0 ? {} : fieldsAt(at, value, names)
    return Object.fromEntries(
      Object.entries(fields).map(([name, one]) => {
        const parameter = method.parameters[name]!
        if (ofModel && parameter.of === 'merge') refuse([...at, name], `${name} is one for all models`, one, 'write it under the parameters of the merge, or of the slice') // biome-ignore format: one line
        return [name, readSetting(one, parameter, (path, rule, got, remedy) => refuse([...at, name, ...path], rule, got, remedy))]
      }),
    )
  }

  function typeAt(field: 'dtype' | 'out_dtype', value: unknown) {
    if (value == null) return {}
    const type = typeof value === 'string' ? types[value.replace(/^torch\./, '')] : undefined
    if (type === undefined) return refuse([field], `must be one of ${Object.keys(types).join(', ')}`, value, 'choose one')
    if (type === 'f64' && (field === 'out_dtype' || whole.out_dtype == null)) refuse([field], 'must be float32, float16 or bfloat16 to be written', value, 'all is computed in float64 anyway; write float32') // biome-ignore format: one line
    return field === 'dtype' ? { dtype: type } : { outDtype: type }
  }

  function tokenizerAt(): Pick<MergeConfig, 'tokenizer'> | undefined {
    if (whole.tokenizer_source != null && whole.tokenizer != null) refuse(['tokenizer'], 'must not stand beside tokenizer_source', 'both', 'keep one') // biome-ignore format: one line
    if (whole.tokenizer_source != null) return { tokenizer: { source: reference(['tokenizer_source'], whole.tokenizer_source), multiple: 1, tokens: [], where: place(['tokenizer_source']) } } // biome-ignore format: one line
    if (whole.tokenizer == null) return undefined
    const fields = fieldsAt(['tokenizer'], whole.tokenizer, ['source', 'pad_to_multiple_of', 'tokens'])
    const multiple = fields.pad_to_multiple_of ?? 1
    if (!Number.isInteger(multiple) || (multiple as number) < 1) refuse(['tokenizer', 'pad_to_multiple_of'], 'must be a whole number above 0', multiple, 'write for example 64') // biome-ignore format: one line
    return { tokenizer: { source: fields.source == null ? 'union' : reference(['tokenizer', 'source'], fields.source), multiple: multiple as number, tokens: readTokens(fields.tokens, { fieldsAt, reference, refuse, place }), where: place(['tokenizer']) } } // biome-ignore format: one line
  }

  function templateAt(value: unknown) {
    if (typeof value === 'string' && Object.hasOwn(namedTemplates, value))
      return { source: namedTemplates[value]!, where: place(['chat_template']) }
    if (typeof value === 'string' && (value === 'auto' || value.includes('{'))) return { source: value, where: place(['chat_template']) }
    return refuse(['chat_template'], `must be auto, ${Object.keys(namedTemplates).join(', ')}, or the text of a template`, value, 'write one of these') // biome-ignore format: one line
  }

  /** MODEL, or MODEL+ADAPTER. */
  function reference(at: Path, value: unknown): string {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const { model, lora } = fieldsAt(at, value, ['model', 'lora'])
      return lora == null ? pathAt([...at, 'model'], model) : `${pathAt([...at, 'model'], model)}+${pathAt([...at, 'lora'], lora)}`
    }
    return typeof value === 'string' && value !== '' ? value : refuse(at, 'must name a model, or a model+adapter', value, 'write a folder, a name or owner/name') // biome-ignore format: one line
  }

  function pathAt(at: Path, value: unknown): string {
    if (typeof value === 'string') return value
    const { path, revision } = fieldsAt(at, value, ['path', 'revision'])
    return revision == null ? String(path) : `${path}@${revision}`
  }
}

function brief(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

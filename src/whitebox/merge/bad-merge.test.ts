import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserError } from '../../graph/errors.ts'
import { mergeModels } from './run.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures')
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-merge-'))
  for (const name of ['base', 'a', 'b', 'c']) await cp(join(fixtures, 'merge', name), join(folder, name), { recursive: true })
  await cp(join(fixtures, 'llama-tiny'), join(folder, 'wide'), { recursive: true })
  await cp(join(fixtures, 'family-gpt2'), join(folder, 'gpt2'), { recursive: true })
  // As many rows, other tokens.
  await cp(join(fixtures, 'merge', 'a'), join(folder, 'renamed'), { recursive: true })
  const tokenizer = await readFile(join(folder, 'a', 'tokenizer.json'), 'utf8')
  await writeFile(join(folder, 'renamed', 'tokenizer.json'), tokenizer.replaceAll('"<pad>"', '"<hole>"'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const two = 'models:\n  - model: a\n    parameters: {weight: 1}\n  - model: b\n    parameters: {weight: 1}\n'
const bare = 'models: [{model: a}, {model: b}]\n'

describe('what is refused, with its place, and nothing is written', () => {
  it.each<[name: string, yaml: string, error: RegExp]>([
    ['an empty file', '', /: must say what is merged, got an empty file;/],
    ['a list', '- a\n', /: must say what is merged, got no mapping;/],
    ['no YAML', 'merge_method: linear\nmodels: [\n', /merge\.yml:\d+: must be YAML, got/],
    ['two documents', `merge_method: linear\n${two}---\na: 1\n`, /must be one merge, got 2 documents/],
    ['an unknown method', `merge_method: tise\n${two}`, /merge\.yml:1: merge_method: must be one of .*got "tise"; did you mean ties\?/],
    ['no method', two, /merge_method: must be one of .* got nothing/],
    ['an unknown field', `merge_method: linear\nbase_modle: a\n${two}`, /merge\.yml:2: base_modle: .* did you mean base_model\?/],
    [
      'an unknown parameter',
      `merge_method: ties\nbase_model: base\n${two}parameters: {densty: 1}\n`,
      /merge\.yml:8: parameters\.densty: .* did you mean density\?/,
    ],
    [
      'an unknown parameter of a model',
      'merge_method: linear\nmodels:\n  - model: a\n    parameters:\n      wieght: 1\n',
      /merge\.yml:5: models\.0\.parameters\.wieght: .* weight\?/,
    ],
    [
      'a parameter of the merge under a model',
      'merge_method: slerp\nbase_model: a\nmodels:\n  - model: a\n  - model: b\n    parameters: {t: 0.5}\n',
      /merge\.yml:6: models\.1\.parameters\.t: t is one for all models/,
    ],
    [
      'a value of another kind',
      `merge_method: linear\n${bare}parameters: {weight: much}\n`,
      /merge\.yml:3: parameters\.weight: must be a number/,
    ],
    ['a parameter that must be given', `merge_method: linear\n${bare}`, /models\.0: weight must be given for model\.embed_tokens\.weight/],
    ['weights that add up to 0', `merge_method: linear\n${two.replace(/1\}\n$/, '-1}\n')}`, /must not add up to 0, got 1 and -1/],
    ['no base', `merge_method: ties\n${two}`, /ties must have a base_model, got none; say base_model: MODEL/],
    ['three for slerp', `merge_method: slerp\nbase_model: base\n${bare}parameters: {t: 1}\n`, /slerp must have exactly 2 models, got 3/],
    [
      'one of nuslerp',
      'merge_method: nuslerp\nmodels: [{model: a, parameters: {weight: 1}}]\n',
      /nuslerp must have at least 2 models, got 1/,
    ],
    ['a model twice', 'merge_method: karcher\nmodels: [{model: a}, {model: a}]\n', /must be there once, got a twice/],
    ['both', `merge_method: karcher\n${bare}slices: []\n`, /exactly one of models, slices and modules/],
    [
      'slices of different lengths',
      'merge_method: karcher\nslices:\n  - sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 1]}]\n',
      /merge\.yml:3: slices\.0: all sources must have as many layers, got 2 and 1/,
    ],
    [
      'layers outside',
      'merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [1, 4]}]\n',
      /slices\.0\.sources\.0: layer_range must lie in the 3 layers of a, got \[1, 4\]/,
    ],
    [
      'a range that is none',
      'merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [2, 2]}]\n',
      /layer_range: must be two whole numbers/,
    ],
    [
      'other vocabularies',
      'merge_method: karcher\nmodels: [{model: a}, {model: renamed}]\n',
      /models must have one vocabulary, got "<pad>"|"<hole>"/,
    ],
    [
      'vocabularies of other sizes',
      'merge_method: karcher\nmodels: [{model: a}, {model: c}]\n',
      /one vocabulary.*tokenizer_source: base, union or a model/,
    ],
    [
      'other shapes',
      'merge_method: karcher\ntokenizer_source: base\nmodels: [{model: a}, {model: wide}]\n',
      /must be equally wide, got a, of hidden size 8, and wide, of 64/,
    ],
    [
      'other families',
      'merge_method: karcher\ntokenizer_source: base\nmodels: [{model: a}, {model: gpt2}]\n',
      /must be of one family, got a, llama, and gpt2, gpt2/,
    ],
    [
      'a model that is not there',
      'merge_method: karcher\nmodels: [{model: a}, {model: nowhere}]\n',
      /merge\.yml:2: models\.1\.model: must be .*got "nowhere"/,
    ],
    ['a type', `merge_method: karcher\ndtype: int8\n${bare}`, /merge\.yml:2: dtype: must be one of float32/],
    [
      'float64 that would be written',
      `merge_method: karcher\ndtype: float64\n${bare}`,
      /dtype: must be float32, float16 or bfloat16 to be written/,
    ],
    ...(
      [
        ['{x: {}}', /merge\.yml:2: tokenizer\.tokens\.x\.source: must be there, got nothing; write a model, or \{ kind: zero \}/],
        ['{x: {source: other}}', /tokenizer\.tokens\.x: source must be a model that is merged, got other; name one of/],
        ['{xyz: {source: a}}', /tokenizer\.tokens\.xyz: source must be a row of a, got no token "xyz"; name another/],
        ['{x: {source: {kind: one}}}', /tokenizer\.tokens\.x\.source\.kind: must be model_token or zero, got "one"/],
        ['{x: {source: {kind: model_token, model: a}}}', /tokenizer\.tokens\.x\.source: must have either token or token_id, got "none"; keep one/],
        ['{x: {source: {kind: model_token, model: a, token_id: 99}}}', /tokens\.x: source must be a row of a, got row 99 of 64; name another/],
        ['{x: {source: a, force: 1}}', /tokenizer\.tokens\.x\.force: must be true or false, got 1/],
        ['[x]', /tokenizer\.tokens: must have tokens as its fields, got \["x"\]/],
      ] as const
    ).map(([tokens, error]): [string, string, RegExp] => [`tokens ${tokens}`, `merge_method: karcher\ntokenizer: {source: base, tokens: ${tokens}}\n${bare}`, error]), // biome-ignore format: one line
    [
      'a template that is none',
      `merge_method: karcher\nchat_template: chatlm\n${bare}`,
      /chat_template: must be auto, chatml, llama3, alpaca, exaone, mistral, or the text of a template, got "chatlm"/,
    ],
    ['another module', 'merge_method: karcher\nmodules: {vision: {}}\n', /modules\.vision: must be one of default/],
    [
      'residual weights',
      'merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 1]}]\n    residual_weight: 0.1\n',
      /slices\.0\.residual_weight: .* mergekit 0\.1\.5 reads it and does nothing with it, so leave it out/,
    ],
    [
      'della too near an end',
      `merge_method: della\nbase_model: base\n${two}parameters: {density: 0.9}\n`,
      /density \+ epsilon must be below 1/,
    ],
    [
      'a tokenizer of another model',
      `merge_method: karcher\ntokenizer_source: c\n${bare}`,
      /tokenizer_source: must be base, union or a model that is merged, got c/,
    ],
  ])('%s', async (_, yaml, error) => {
    const file = join(folder, 'merge.yml')
    await writeFile(file, yaml)
    const before = await readdir(folder)
    const failed = await mergeModels(file, join(folder, 'out')).catch((thrown: unknown) => thrown)
    expect(failed).toBeInstanceOf(UserError)
    expect((failed as Error).message).toMatch(error)
    expect((failed as Error).message).not.toContain('\n')
    expect(await readdir(folder)).toEqual(before)
  })

  it('a folder that holds something', async () => {
    await writeFile(join(folder, 'merge.yml'), `merge_method: karcher\n${bare}`)
    await expect(mergeModels(join(folder, 'merge.yml'), join(folder, 'a'))).rejects.toThrow(/must be a new or an empty folder/)
    await mkdir(join(folder, 'empty'))
    await mergeModels(join(folder, 'merge.yml'), join(folder, 'empty'))
    expect(await readdir(join(folder, 'empty'))).toContain('model.safetensors')
  })
})

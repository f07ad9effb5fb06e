import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { loadChatTemplate } from './chat-template.ts'

const root = mkdtempSync(join(tmpdir(), 'innate-chat-'))
afterAll(() => rmSync(root, { recursive: true }))
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(root, 'model-'))
})
const put = (name: string, content: string | object) =>
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
const hi = [{ role: 'user', content: 'hi' }] as const

describe('loadChatTemplate', () => {
  it('finds none where there is none', async () => {
    expect(await loadChatTemplate(folder)).toBeUndefined()
    put('tokenizer_config.json', { bos_token: null, chat_template: null })
    expect(await loadChatTemplate(folder)).toBeUndefined()
  })

  it('takes chat_template.jinja before the one in tokenizer_config.json, and special tokens from both files', async () => {
    put('tokenizer_config.json', { chat_template: 'old', bos_token: '<b>' })
    put('special_tokens_map.json', { eos_token: { content: '<e>' }, bos_token: '<x>' })
    expect((await loadChatTemplate(folder))!.render(hi)).toBe('old')
    put('chat_template.jinja', '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}')
    const template = (await loadChatTemplate(folder))!
    expect(template.render(hi)).toBe('<b>hi<e>')
    expect(template.where).toBe(join(folder, 'chat_template.jinja'))
    expect(template.special).toEqual({ bos_token: '<b>', eos_token: '<e>' })
  })

  it('gives a template all special tokens by name', async () => {
    put('tokenizer_config.json', {
      sep_token: '[S]',
      additional_special_tokens: ['<a>', { content: '<b>' }],
      extra_special_tokens: { image_token: '<i>' },
    })
    put('chat_template.jinja', '{{ sep_token }}{{ additional_special_tokens[1] }}{{ image_token }}{{ cls_token }}')
    expect((await loadChatTemplate(folder))!.render(hi)).toBe('[S]<b><i>')
  })

  it('knows the date', async () => {
    put('chat_template.jinja', "{{ strftime_now('%Y-%m-%d') }}")
    expect((await loadChatTemplate(folder))!.render(hi)).toMatch(/^20\d\d-[01]\d-[0-3]\d$/)
  })

  it.each<[string, string, string]>([
    ['a template that is no template', '{% if %}', 'chat_template must be a Jinja template of statements that are known here, got "'],
    [
      'a block that never ends',
      '{% for m in messages %}',
      'chat_template must be a Jinja template of statements that are known here, got "',
    ],
    [
      'a template that refuses',
      "{{ raise_exception('no\nsystem words') }}",
      'must render these 1 messages, got "no system words"; see which',
    ],
    ['a function nobody knows', '{{ sing() }}', 'must render these 1 messages, got "'],
    ['an attribute of nothing', '{{ messages[7].content.strip() }}', 'must render these 1 messages, got "'],
  ])('says in one line what is wrong with %s', async (_, source, says) => {
    put('chat_template.jinja', source)
    const refused = loadChatTemplate(folder).then((template) => template!.render(hi))
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(/^[^\n]*chat_template\.jinja: [^\n]*$/)
  })

  it.each<[string, unknown, string]>([
    [
      'several without a default',
      [{ name: 'rag', template: '' }],
      'one of several chat templates must be named default, got rag; name one so',
    ],
    ['none of several', [], 'one of several chat templates must be named default, got none; name one so'],
    ['a number', 7, 'chat_template: Invalid input, got 7; a model folder holds'],
  ])('refuses %s', async (_, chat_template, says) => {
    put('tokenizer_config.json', { chat_template })
    const refused = loadChatTemplate(folder)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
  })
})

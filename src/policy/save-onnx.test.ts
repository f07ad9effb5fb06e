import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp, mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { tensor, UserError } from '../graph/index.ts'
import { readConfig } from '../models/config.ts'
import { decoderParams } from '../models/params.ts'
import { decoderOnnx, saveOnnx } from './save-onnx.ts'

// What the file computes is in test/transformers-js.test.ts.

const root = mkdtempSync(join(tmpdir(), 'innate-onnx-'))
afterAll(() => rmSync(root, { recursive: true }))

describe('the folder', async () => {
  const source = join(root, 'source')
  await cp('fixtures/family-llama', source, { recursive: true })
  await rm(join(source, 'tokenizer_config.json'))
  writeFileSync(join(source, 'chat_template.jinja'), '{{ messages[0].content }}')
  const checkpoint = await loadCheckpoint(source)
  const json = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

  it('has what transformers.js asks for: special tokens and the chat template are in tokenizer_config.json', async () => {
    const out = join(root, 'out')
    await saveOnnx(out, checkpoint)
    expect((await readdir(out, { recursive: true })).sort()).toEqual([
      ...['chat_template.jinja', 'config.json', 'generation_config.json', 'onnx', join('onnx', 'model.onnx')],
      ...['tokenizer.json', 'tokenizer_config.json'],
    ])
    expect(json(out, 'config.json')).toMatchObject({ model_type: 'llama', num_key_value_heads: 2, head_dim: 8, eos_token_id: 1 })
    expect(json(out, 'tokenizer_config.json')).toEqual({ add_bos_token: true, chat_template: '{{ messages[0].content }}' })
  })

  it('what tokenizer_config.json says of that stays', async () => {
    writeFileSync(join(source, 'tokenizer_config.json'), JSON.stringify({ add_bos_token: false, chat_template: 'own' }))
    await saveOnnx(join(root, 'own'), checkpoint)
    expect(json(join(root, 'own'), 'tokenizer_config.json')).toEqual({ add_bos_token: false, chat_template: 'own' })
  })

  it('that is there already keeps its other files, also those beside the model', async () => {
    await mkdir(join(source, 'onnx'))
    writeFileSync(join(source, 'onnx', 'model_q4.onnx'), '')
    await saveOnnx(source, checkpoint)
    await saveOnnx(source, checkpoint)
    expect((await readdir(join(source, 'onnx'))).sort()).toEqual(['model.onnx', 'model_q4.onnx'])
    expect((await loadCheckpoint(source)).params).toEqual(checkpoint.params)
  })
})

it('a model that one ONNX file does not hold is refused in one line', () => {
  const config = readConfig('config.json', {
    ...{ model_type: 'llama', vocab_size: 64, hidden_size: 64, intermediate_size: 2 ** 18, num_hidden_layers: 12 },
    ...{ num_attention_heads: 4, max_position_embeddings: 64 },
  })
  // Large matrices share their memory, which is never written.
  const memory = new Float32Array(2 ** 24)
  const params = decoderParams(config, (_path, shape) => tensor(memory.subarray(0, shape.reduce((a, b) => a * b, 1)), shape)) // biome-ignore format: one line
  const refused = () => decoderOnnx('large', config, params)
  expect(refused).toThrow(UserError)
  expect(refused).toThrow('large: an ONNX file must be below 2 GiB, got 2.3 GiB; choose a smaller model, or another format')
})

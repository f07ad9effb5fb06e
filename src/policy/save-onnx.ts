import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Checkpoint, writeCompanions } from '../checkpoints/checkpoint.ts'
import { MOST_PROTOBUF_BYTES, type OnnxFile, openOnnx, primesBeside } from '../engine/index.ts'
import { writeFolder } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import {
  type Graph,
  graph,
  input,
  isTensor,
  leaves,
  maximum,
  reshape,
  slice,
  type Tensor,
  table,
  takeRows,
  tensor,
  type Value,
} from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { logits } from '../models/head.ts'
import type { DecoderParams } from '../models/params.ts'
import type { Tokenizer } from '../text/index.ts'
import { fedTo, type PlacedEdit } from './edit.ts'
import { placedFiles } from './edit-file.ts'
import { forward } from './forward.ts'
import type { Policy, Traceable } from './policy.ts'

/** The sizes that the file leaves open, by the names that transformers.js looks for (the batch) and optimum gives. */
type Name = 'batch_size' | 'sequence_length' | 'past_sequence_length' | 'total_sequence_length'
type Sizes = Record<Name, number>

const HIDDEN = -1e9
/** The most that a size is when the decoder is traced. */
const MOST_TRACED = 1024

/**
 * Saves a model as a folder that transformers.js loads: onnx/model.onnx in f32, with a cache of keys and values, beside config.json,
 * generation_config.json and the tokenizer's files. The file has operators of the ONNX standard alone, and every tap by its name.
 *
 * With `under` the file computes under that policy's edits, and what is fed to them now is part of it.
 *
 * throws  UserError for weights beyond what one ONNX file holds, for an edit that asks which text a token is of, and as saveCheckpoint
 * limits  f32; padding on the left alone; weights below 2 GiB
 */
export async function saveOnnx(
  folder: string,
  checkpoint: Pick<Checkpoint, 'name' | 'folder' | 'config' | 'params' | 'tokenizer' | 'eosIds' | 'edits'>,
  { params = checkpoint.params, under }: { readonly params?: DecoderParams<Tensor>; readonly under?: Policy } = {},
): Promise<void> {
  const edits = under?.edits ? { edits: under.edits, fed: await fedNow(under) } : listed(checkpoint)
  const { pieces } = decoderOnnx(checkpoint.name, checkpoint.config, params, edits)
  await writeFolder(folder, async (temporary) => {
    await writeCompanions(temporary, checkpoint)
    await writeTokenizerConfig(temporary, checkpoint.tokenizer)
    await mkdir(join(temporary, 'onnx'))
    const file = await open(join(temporary, 'onnx', 'model.onnx'), 'wx')
    try {
      for (const piece of pieces) await file.writeFile(piece)
      await file.sync()
    } finally {
      await file.close()
    }
  })
}

/**
 * A decoder as transformers.js runs it.
 *
 * shape   input_ids, position_ids i64[B, T], attention_mask i64[B, P + T], past_key_values.i.{key,value} f32[B, kvHeads, P, headDim]
 *         → logits f32[B, T, V], present.i.{key,value} f32[B, kvHeads, P + T, headDim]
 * throws  UserError for weights beyond what one ONNX file holds
 * source  transformers.js 4, src/models/modeling_utils.js: decoder_forward, addPastKeyValues
 */
export function decoderOnnx(
  name: string,
  config: DecoderConfig,
  params: DecoderParams<Tensor>,
  { edits, fed = {} }: { readonly edits?: readonly PlacedEdit[]; readonly fed?: Readonly<Record<string, Tensor>> } = {},
): OnnxFile {
  const weights = Object.fromEntries(leaves(params, isTensor).map(([path, x]) => [`params.${path}`, x]))
  const all = { ...weights, ...fed }
  const file = openOnnx((sizes: Sizes) => traced({ config, params, ...(edits ? { edits } : {}) }, sizes), tracedSizes(config, all), all)
  if (file.byteLength > MOST_PROTOBUF_BYTES)
    throw new UserError(
      `${name}: an ONNX file must be below 2 GiB, got ${(file.byteLength / 2 ** 30).toFixed(1)} GiB; choose a smaller model, or another format`,
    )
  return file
}

/** The edits that a model lists, and what they are fed. */
function listed({ config, edits: files = [] }: Pick<Checkpoint, 'config' | 'edits'>) {
  const edits = placedFiles(config, files)
  return edits.length > 0 ? { edits, fed: fedTo({ edits }) as Record<string, Tensor> } : {}
}

/** What is fed to a policy's edits at this moment. */
async function fedNow(policy: Policy): Promise<Record<string, Tensor>> {
  const found: Record<string, Tensor> = {}
  for (const [name, one] of Object.entries(fedTo(policy))) found[name] = 'slot' in one ? await policy.engine.read(one) : one
  return found
}

function traced(model: Traceable, sizes: Sizes): Graph {
  const { config } = model
  const { batch_size: B, sequence_length: T, past_sequence_length: P, total_sequence_length: S } = sizes
  const tokens = input('input_ids', [B, T], 'i32')
  const attended = input('attention_mask', [B, S], 'i32')
  const positions = input('position_ids', [B, T], 'i32')
  const cache = (name: string) => input(`past_key_values.${name}`, [B, config.kvHeads, P, config.headDim])
  const blocks = Array.from({ length: config.layers }, (_, i) => ({ keys: cache(`${i}.key`), values: cache(`${i}.value`) }))

  const columns = tensor(
    Array.from({ length: columnsOf(config) }, (_, i) => i),
    [columnsOf(config)],
  )
  const key = reshape(slice(table(columns), 0, 0, S), [1, 1, 1, S])
  const query = reshape(slice(table(columns), 0, P, S), [1, 1, T, 1])
  const padding = reshape(takeRows(table(tensor([HIDDEN, 0], [2])), attended), [B, 1, 1, S])
  const mask = padding.add(maximum(key.sub(query), 0).mul(HIDDEN))
  // With padding on the left, so many columns before is so many positions before.
  const windowed = config.window ? mask.add(maximum(query.sub(key).sub(config.window.size - 1), 0).mul(HIDDEN)) : mask

  const present: [string, Value][] = []
  const {
    params,
    hidden,
    inputs: read,
  } = forward(
    model,
    { tokens, positions, mask },
    {
      path: 'read',
      site: {
        get real() {
          return takeRows(table(tensor([0, 1], [2])), slice(attended, 1, P, S))
        },
        get text(): Value {
          throw new UserError('onnx: an edit in a file must not ask which text a token is of, got one that does; leave it out')
        },
        get completion(): Value {
          throw new UserError(
            'onnx: an edit in a file must not ask where a completion begins, got one that does; let it act at all positions',
          )
        },
      },
      // transformers.js counts the positions of Gemma 3 from 1.
      past: { blocks, windowed, longest: config.contextLength + 1 },
      onKeysValues: (i, k, v) => present.push([`present.${i}.key`, k], [`present.${i}.value`, v]),
    },
  )
  const past = blocks.flatMap(({ keys, values }) => [keys, values])
  const inputs = [tokens, attended, positions, ...past, ...Object.values(read)]
  return graph(Object.fromEntries(inputs.map((value) => [String(value.attrs.name), value])), {
    logits: logits(params, hidden, config),
    ...Object.fromEntries(present),
  })
}

/** How many columns are numbered: the context's, and no fewer than there must be to find sizes among. */
function columnsOf({ contextLength }: DecoderConfig): number {
  return Math.max(contextLength, MOST_TRACED)
}

/** Two sets of sizes to trace at, that no number of the model is made of. */
function tracedSizes({ heads, headDim, rotaryDim = headDim }: DecoderConfig, weights: Readonly<Record<string, Tensor>>): [Sizes, Sizes] {
  const numbers = [heads, headDim, rotaryDim, ...Object.values(weights).flatMap(({ shape }) => shape)]
  const primes = primesBeside(numbers, MOST_TRACED)
  const sizes = ([B, T, ...larger]: number[]): Sizes => {
    const S = larger.findLast((p) => !numbers.includes(p - T!))
    return { batch_size: B!, sequence_length: T!, past_sequence_length: S! - T!, total_sequence_length: S! }
  }
  const half = primes.length >> 1
  return [sizes(primes.slice(0, half)), sizes(primes.slice(half))]
}

/**
 * transformers.js loads no tokenizer without tokenizer_config.json, reads the chat template from nowhere else, and adds the special tokens
 * of tokenizer.json only where it says so.
 */
async function writeTokenizerConfig(folder: string, tokenizer: Tokenizer) {
  const file = join(folder, 'tokenizer_config.json')
  const text = (name: string) => readFile(join(folder, name), 'utf8').catch(() => undefined)
  const template = await text('chat_template.jinja')
  const config = {
    ...(tokenizer.encode('').length > 0 ? { add_bos_token: true } : {}),
    ...(template === undefined ? {} : { chat_template: template }),
    ...JSON.parse((await text('tokenizer_config.json')) ?? '{}'),
  }
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`)
}

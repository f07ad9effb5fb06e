import { gelu, geluTanh, tap as plainTap, silu, type Tap, takeRows, type Value } from '../graph/index.ts'
import { adapted } from './adapters.ts'
import { attention, attentionInputs } from './attention.ts'
import type { DecoderConfig } from './config.ts'
import type { DecoderInputs, DecoderOptions, Dense } from './decoder-inputs.ts'
import { norm, type ScaleTap } from './norm.ts'
import type { DecoderBlock, DecoderParams } from './params.ts'

/**
 * A decoder up to its last norm: a function of its parameters. One for all families; the config says which parts it has.
 *
 * Its taps are in the table of taps.ts, by name and shape the same in every family.
 *
 * shape   tokens i32[R, T]; positions i32[R or 1, T], below S + T with a past of S in place; mask f32[R, 1, T, T], or f32[P, 1, Q, L] with
 *         segments → f32[R, T, d]
 * source  Touvron et al. 2023, arXiv:2302.13971; grouped queries: Ainslie et al. 2023, arXiv:2305.13245; each family's file names its own
 */
export function decoder(params: DecoderParams<Value>, inputs: DecoderInputs, config: DecoderConfig, options: DecoderOptions = {}): Value {
  const tap = options.tap ?? plainTap
  const attends = attentionInputs(inputs, config, options)
  let x = tap('embed', embedded(params, inputs, config))
  params.blocks.forEach((block, i) => {
    const named: Tap = (name, value) => tap(`blocks.${i}.${name}`, value)
    const dense: Dense = (value, weight, bias, path) => {
      const y = adapted(value, weight, options.adapters, `blocks.${i}.${path}`)
      return bias ? y.add(bias) : y
    }
    const scaled = (name: string) => scaleTap(`blocks.${i}.${name}`)
    const normed = named('attn.in', norm(x, block.attnNorm, block.attnNormBias, config, scaled('attnNorm.scale')))
    const attended = attention(normed, block, i, attends(i), config, options, named, dense)
    const added = named('attn.out', norm(attended, block.attnPostNorm, undefined, config, scaled('attnPostNorm.scale')))
    const mid = named('mid', x.add(added))
    const read = named('mlp.in', norm(config.parallel ? x : mid, block.mlpNorm, block.mlpNormBias, config, scaled('mlpNorm.scale')))
    const neurons = named('mlp.act', activated(read, block, config, dense, named))
    const written = dense(neurons, block.mlp.down, block.mlp.downBias, 'mlp.down')
    x = named('out', mid.add(named('mlp.out', norm(written, block.mlpPostNorm, undefined, config, scaled('mlpPostNorm.scale')))))
  })
  return tap('final', norm(x, params.norm, params.normBias, config, scaleTap('norm.scale')))

  function scaleTap(name: string): ScaleTap | undefined {
    return options.asks?.(name) ? (scale) => tap(name, scale) : undefined
  }
}

function embedded(params: DecoderParams<Value>, { tokens, positions }: DecoderInputs, { embedScale }: DecoderConfig): Value {
  const rows = takeRows(params.embed, tokens)
  const scaled = embedScale ? rows.mul(embedScale) : rows
  return params.positions ? scaled.add(takeRows(params.positions, positions)) : scaled
}

const activations = { silu, gelu, geluTanh }

function activated(x: Value, { mlp }: DecoderBlock<Value>, { activation = 'silu' }: DecoderConfig, dense: Dense, tap: Tap): Value {
  const act = activations[activation]
  const up = () => tap('mlp.up', dense(x, mlp.up, mlp.upBias, 'mlp.up'))
  return mlp.gate ? act(tap('mlp.gate', dense(x, mlp.gate, mlp.gateBias, 'mlp.gate'))).mul(up()) : act(up())
}

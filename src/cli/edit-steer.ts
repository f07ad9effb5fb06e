import { basename } from 'node:path'
import { writeEdit, writeVector } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { openModel } from '../policy/index.ts'
import { addition, beatsControls, type Dose, readSteerRows, steer, steerPage, textOf, usualStrengths } from '../whitebox/index.ts'
import { command, decimal, integer, oneOf, required, text } from './command.ts'
import { editFlag } from './edit-flag.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'
import type { Screen } from './screen.ts'
import { steerByLorra } from './steer-lorra.ts'

/** Finds a steering direction, by what it does to rows held out. */
export const editSteer = command({
  name: 'edit steer',
  about: 'Find a direction that makes one kind of text likelier than another, layer and strength by what it does on rows held out.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    positive: required(text('JSONL file: text, or prompt and completion', { shown: 'FILE' })),
    negative: required(text('the same for the other side; with as many rows, the i-th of each are a pair', { shown: 'FILE' })),
    to: required(text('where the edit is written: safetensors, or a control vector of llama.cpp where it ends in .gguf', { shown: 'E' })),
    ...editFlag,
    method: oneOf('caa: difference of means; lat: first principal component of differences; lorra: low-rank weights that do what caa adds', ['caa', 'lat', 'lorra'], { default: 'caa' }), // biome-ignore format: one line
    rank: integer('inner width of the weights that lorra trains', { default: 4, min: 1 }),
    steps: integer('steps that lorra trains for', { default: 60, min: 1 }),
    pool: oneOf('tokens that stand for a row: the last, or the mean of all that are scored', ['last', 'mean'], { default: 'mean' }),
    positions: oneOf('where the direction is added', ['all', 'completion'], { default: 'all' }),
    layers: text('blocks to try, with commas; some in the middle when left out', { shown: 'L,L' }),
    strengths: text('how many times the direction is added, with commas', { default: usualStrengths.join(','), shown: 'X,X' }),
    texts: text('JSONL file of unrelated texts for coherence; plain sentences when left out', { shown: 'FILE' }),
    coherence: decimal('what a token of unrelated text may cost more at most', { default: 0.1, min: 0, unit: 'nats' }),
    heldOut: decimal('share of the rows that is held out: a third to choose on, the rest to measure on', {
      default: 0.6,
      min: 0.05,
      max: 0.95,
    }),
    seed: integer('seed of the parts and the controls', { default: 0, min: 0 }),
    ...reportFlag,
  },
  examples: [
    'edit steer --positive liked.jsonl --negative disliked.jsonl --to e.safetensors --json',
    'edit steer --positive liked.jsonl --negative disliked.jsonl --to e.gguf --report e.html',
    'edit steer --method lorra --positive liked.jsonl --negative disliked.jsonl --to e.lorra',
  ],

  async action(given, screen, signal) {
    const [layers, strengths] = [given.layers && numbers('layers', given.layers), numbers('strengths', given.strengths)]
    const byWeights = given.method === 'lorra'
    if (byWeights && given.to.endsWith('.gguf'))
      throw new UserError(`edit steer --to: must be a safetensors file for lorra, got ${given.to}; a control vector cannot hold weights`)
    const model = await openModel(given.model, { onProgress: screen.note, edit: given.edit })
    try {
      const [positive, negative] = [await readSteerRows(given.positive, model), await readSteerRows(given.negative, model)]
      const texts = given.texts === undefined ? undefined : (await readSteerRows(given.texts, model)).map(({ text }) => textOf(model, text))
      let bar: ReturnType<typeof screen.progress> | undefined
      const found = await steer(model, positive, negative, {
        ...{ method: given.method === 'lorra' ? 'caa' : given.method, pool: given.pool, positions: given.positions, strengths },
        ...{ coherence: given.coherence, heldOut: given.heldOut, seed: given.seed, signal },
        ...(layers ? { layers } : {}),
        ...(texts ? { texts } : {}),
        onDone: (_, of) => (bar ??= screen.progress('steering', of)).advance(),
      })
      bar?.done()
      const { doses, chosen, controls, directions, rows } = found
      const steers = beatsControls(found)
      for (const dose of doses) screen.emit(dose === chosen ? { ...dose, chosen: true, steers, controls, rows } : dose)
      show(screen, doses, chosen)
      screen.note(
        `${pair(rows.fit)} rows fitted on, ${pair(rows.choose)} chosen on, ${pair(rows.measure)} measured on; effect in nats per token`,
      )
      await writeReportPage(given.report, screen, () => steerPage(model.name, found))
      // Where nothing is surely above 0, what came nearest is written, and said to be that.
      const taken = chosen ?? doses.reduce((a, b) => (b.whenChosen.estimate > a.whenChosen.estimate ? b : a))
      if (byWeights) {
        const { pool, coherence, heldOut, seed, rank, steps } = given
        const how = { layer: taken.layer, strength: taken.strength, pool, coherence, heldOut, seed, rank, steps, signal, ...(texts ? { texts } : {}) } // biome-ignore format: one line
        await steerByLorra(model, [positive, negative], how, given.to, screen)
        return
      }
      const edit = addition(
        basename(given.to).replace(/\.(safetensors|gguf)$/, ''),
        model,
        { layer: taken.layer, strength: taken.strength, direction: directions[taken.layer]!, positions: given.positions },
        {
          about: `adds the direction from ${basename(given.negative)} to ${basename(given.positive)} after block ${taken.layer}`,
          made: { by: 'edit steer', model: model.name, method: given.method, pool: given.pool, seed: given.seed, rows },
          measured: [{ ...taken, steers, ...(controls ? { controls } : {}) }],
        },
      )
      await (given.to.endsWith('.gguf') ? writeVector(given.to, edit) : writeEdit(given.to, edit))
      if (controls) {
        screen.table([
          ['controls at the same place', 'effect', ''],
          ['random directions, the best of five', controls.random.estimate.toFixed(3), between(controls.random)],
          ['shuffled labels, the best of five', controls.shuffled.estimate.toFixed(3), between(controls.shuffled)],
          ['the other way round', controls.flipped.estimate.toFixed(3), between(controls.flipped)],
        ])
        if (!steers)
          screen.warn(
            chosen?.effect.cannotTell ?? 'a random direction or shuffled labels do nearly as much: that this direction steers is not shown',
          )
      } else
        screen.warn('no strength after any block surely has an effect while unrelated text stays readable: this does not steer the model')
      screen.line(
        `${given.to}  block ${taken.layer}, strength ${taken.strength}; try it: innate complete ${given.model} --edit ${given.to}`,
      )
    } finally {
      await model.close()
    }
  },
})

function numbers(flag: string, given: string): number[] {
  const all = given.split(',').map((one) => Number(one.trim() || Number.NaN))
  if (all.some((x) => !Number.isFinite(x)))
    throw new UserError(`edit steer --${flag}: must be numbers with commas between, got ${JSON.stringify(given)}; write for example 1,2`)
  return all
}

function pair([a, b]: readonly [number, number]): string {
  return `${a} + ${b}`
}

function show(screen: Screen, doses: readonly Dose[], chosen: Dose | undefined) {
  screen.table([
    ['block', 'strength', 'effect', '', 'perplexity', ''],
    ...doses.map((dose) => [
      String(dose.layer),
      String(dose.strength),
      dose.effect.estimate.toFixed(3),
      between(dose.effect),
      `${dose.coherence.before.toFixed(1)} → ${dose.coherence.perplexity.toFixed(1)}`,
      dose === chosen ? '← chosen' : dose.coherence.coherent ? '' : 'breaks',
    ]),
  ])
}

function between({ low, high }: { readonly low: number; readonly high: number }): string {
  return `[${low.toFixed(3)}, ${high.toFixed(3)}]`
}

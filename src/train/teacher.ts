import type { Resident } from '../engine/index.ts'
import { graph, reshape, sizeOf, takeRows, UserError } from '../graph/index.ts'
import { logits } from '../models/index.ts'
import { type Batch, forward, type Policy, rowInputs, runInputs, shapeOf } from '../policy/index.ts'

/** A policy whose scores of every next token another one learns. */
export interface Teacher {
  /** The scores at the tokens that rows ask for, in the engine; the next call writes over them. shape f32[N, V] */
  scores(batch: Batch): Promise<Resident>
  close(): Promise<void>
}

/**
 * Opens a teacher for a student.
 *
 * throws  UserError when their vocabularies differ in size
 */
export function openTeacher(teacher: Policy, student: Policy): Teacher {
  const { engine, config } = teacher
  const { vocabSize, hiddenSize } = config
  if (vocabSize !== student.config.vocabSize)
    throw new UserError(
      `train.teacher: must have the student's vocabulary of ${student.config.vocabSize}, got one of ${vocabSize}; choose a teacher with the same tokenizer`,
    )
  let place: Resident | undefined
  return {
    async scores(batch) {
      const shape = shapeOf(batch.rows)
      const program = await teacher.program(`teacher ${JSON.stringify(shape)}`, () => {
        const { targets: _, completion: __, weights: ___, ...given } = rowInputs(shape)
        const { params, hidden, inputs } = forward(teacher, given, { path: 'rows' })
        const at = takeRows(reshape(hidden, [sizeOf(hidden.shape) / hiddenSize, hiddenSize]), given.wanted)
        return graph({ ...inputs, ...given }, { scores: logits(params, at, config) })
      })
      if (place?.shape[0] !== shape.wanted) {
        if (place) await engine.release(place)
        place = await engine.allocate({ dtype: 'f32', shape: [shape.wanted, vocabSize] })
      }
      await program.run(runInputs(teacher, batch), { scores: place })
      return place
    },
    async close() {
      if (place) await engine.release(place)
      await teacher.rest()
    },
  }
}

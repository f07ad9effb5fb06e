import { type Checkpoint, loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import type { Completion, SampledWeights, Sampling } from '../models/index.ts'
import { openPolicy, sampleCompletions } from '../policy/index.ts'
import { constraintOf } from './generation-flags.ts'
import type { Screen } from './screen.ts'

/** A model that speaks on a screen, one completion at a time. */
export interface Speaker {
  readonly checkpoint: Checkpoint
  /** Says something after these ids, piece by piece; when the signal is aborted it ends with what was said until then. */
  speak(ids: readonly number[], sampling: Omit<Sampling, 'eosIds'>, onPiece: (piece: string) => void, signal: AbortSignal): Promise<Said>
  close(): Promise<void>
}

export interface Said extends Completion {
  readonly text: string
  readonly interrupted: boolean
}

/** How a model is opened to speak. */
export interface Speaking {
  /** Ids that end its completions besides its own end tokens. */
  readonly moreEnds?: (checkpoint: Checkpoint) => Promise<readonly number[]>
  /** File of the JSON schema that all it says must follow. */
  readonly jsonSchema?: string
  /** Files of edits that it is under, in their order. */
  readonly edit?: readonly string[] | undefined
  /** What it will be sampled from. */
  readonly weights: SampledWeights
}

/** Loads a model into an engine of its own, so that two can speak at once. */
export async function openSpeaker(model: string, screen: Screen, { moreEnds, jsonSchema, edit, weights }: Speaking): Promise<Speaker> {
  const checkpoint = await loadCheckpoint(model, { onProgress: screen.note, edit })
  for (const note of checkpoint.notes ?? []) screen.note(`${checkpoint.name}: ${note}`)
  const eosIds = [...new Set([...checkpoint.eosIds, ...((await moreEnds?.(checkpoint)) ?? [])])]
  const constraint = await constraintOf(jsonSchema, checkpoint.tokenizer, eosIds)
  const engine = openEngine()
  const policy = await openPolicy(engine, checkpoint, undefined, { fixed: true, streamed: weights !== 'f32' })
  const { tokenizer } = checkpoint
  return {
    checkpoint,
    async speak(ids, sampling, onPiece, signal) {
      const said = { ids: [] as number[], logps: [] as number[], text: '' }
      const onToken: Sampling['onToken'] = (_, __, id, logp, piece) => {
        signal.throwIfAborted()
        said.ids.push(id)
        said.logps.push(logp)
        said.text += piece
        onPiece(piece)
      }
      try {
        const [[whole]] = (await sampleCompletions(policy, [ids], {
          ...checkpoint.sampling,
          ...sampling,
          ...constraint,
          eosIds,
          tokenizer,
          onToken,
        })) as [[Completion]]
        return { ...whole, text: said.text, interrupted: false }
      } catch (error) {
        if (error !== signal.reason) throw error
        return { ...said, ended: false, interrupted: true }
      }
    },
    close: () => engine.close(),
  }
}

import { loadCheckpoint } from 'innate'
import { openEngine } from 'innate/engine'
import { openPolicy, scoreTrees } from 'innate/policy'

// What a model thinks of two completions. A pair is a tree: the prompt once, and completions branching from it.
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const { tokenizer, eosIds } = checkpoint
const prompt = tokenizer.encode('Once upon a time')
const ids = (text: string) => [...tokenizer.encode(`Once upon a time${text}`).slice(prompt.length), eosIds[0]!]
const pair = { prompt, completions: [ids(' there was a cat.'), ids(' a cat was there.')] }

const engine = openEngine()
export const result = await scoreTrees(await openPolicy(engine, checkpoint), [pair])
await engine.close()

pair.completions.forEach((completion, i) => {
  console.log(`${result[i]!.toFixed(3)} nats  ${tokenizer.pieces(completion).join(' ')}`)
})

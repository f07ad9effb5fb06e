import { at, openModel, top } from 'innate'

// Reads inside of a model, and changes it, from one door.
const model = await openModel('stories5m')
const texts = ['Once upon a time there was a cat. The cat', 'Tom and Sue went to the park. Tom', 'It was cold. Lily put on her']
const read = await model.read(texts, { pattern: 'blocks.2.attn.pattern', resid: 'blocks.*.out' })
const without = model.with((_, x) => x.mul(0), { at: 'blocks.3.mlp.out' })
export const result: { attended: string; norms: number[]; said: string[]; dropped: number }[] = []
for (const [i, text] of texts.entries()) {
  const pieces = model.pieces(text)
  const [head] = top(at(read[i]!.pattern, 0, -1), 1) // what head 0 of block 2 attends to most, at the last token
  const norms = Object.values(read[i]!.resid).map((x) => Math.hypot(...at(x, -1).data))
  const [before, after] = [at(await model.logprobs(text), -1), at(await without.logprobs(text), -1)]
  const [next] = top(before, 1)
  const said = [before, after].map((logps) => model.tokenizer.pieces([top(logps, 1)[0]!.place])[0]!)
  result.push({ attended: pieces[head!.place]!, norms, said, dropped: next!.value - after.data[next!.place]! })
}
await model.close()

for (const [i, { attended, norms, said, dropped }] of result.entries())
  console.log(
    `${texts[i]} ${said[0]} (without MLP 3 ${said[1]}, ${dropped.toFixed(2)} nats); at ${attended}; ${norms.map(Math.round).join(' ')}`,
  )

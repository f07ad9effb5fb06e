import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { at, openModel } from 'innate'
import { writeEdit } from 'innate/checkpoints'
import { ablation, actAdd, patch } from 'innate/whitebox'

// What causes an answer, by patching; then a direction is added and taken away, and the edit is kept as a file.
const model = await openModel('stories5m')
const texts = { clean: 'The girl lost', corrupted: 'The boy lost' }
const { effects } = await patch(model, { ...texts, answer: ' her', wrong: ' his' }, { sites: ['attn.out', 'mlp.out'] })
const causes = effects.toSorted((a, b) => b.effect - a.effect).slice(0, 3)

const sad = await actAdd('sad', model, { layer: 1, positive: 'She was very sad and', negative: 'She was very happy and', strength: 8 })
const even = ablation('no mood', model, at(sad.tensors.rows!, -1).data)

const [text, mood] = ['Tom looked at his friend. He was', [' sad', ' happy'].map((word) => model.ids(`was${word}`).at(-1)!)]
const gaps: number[] = []
for (const of of [model, model.with(sad), model.with(even)]) {
  const last = at(await of.logprobs(text), -1).data
  gaps.push(last[mood[0]!]! - last[mood[1]!]!)
}

const folder = await mkdtemp(join(tmpdir(), 'innate-'))
await writeEdit(join(folder, 'sad.safetensors'), sad)
const sadder = await openModel('stories5m', { edit: join(folder, 'sad.safetensors') })
const said = []
for (const of of [model, sadder]) said.push((await of.generate(text, { temperature: 0, maxTokens: 10 })).text)
await sadder.close()
await model.close()
await rm(folder, { recursive: true })

for (const { site, layer, position, effect } of causes) console.log(`block ${layer} ${site}, token ${position}: ${effect.toFixed(2)}`)
console.log(
  `" sad" over " happy": ${gaps.map((gap) => gap.toFixed(2)).join(', ')} nats as it is, with sad added, with the direction taken away`,
)
console.log(said.map((words) => `${text}${words}`).join('\n'))
export const result = { causes: causes.map(({ effect }) => effect), gaps, said }

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { textNats } from '../../dist/align/train-texts.js'
import { loadCheckpoint } from '../../dist/checkpoints/index.js'
import { openEngine } from '../../dist/engine/index.js'
import { openPolicy } from '../../dist/policy/index.js'
import { loadTexts } from '../../dist/preferences/index.js'
import { loadChatTemplate } from '../../dist/text/index.js'

const messages = [
  ['Tell me about Tom.', 'Tom had a dog.'],
  ['What then?', 'They ran.'],
  ['And then?', 'They sat.'],
  ['And in the end?', 'They were happy.'],
].flatMap(([user, assistant]) => [
  { role: 'user', content: user },
  { role: 'assistant', content: assistant },
])

/** Bits per byte of a talk with four answers, as transformers gives them; with the ends of all answers but the last they were 4.219. */
export const turnCases = [
  {
    name: 'talks-bits-per-byte',
    right: '1.988 bits a byte of 48 bytes: the end of no answer counts (4.219 if the first three did)',
    async look(home) {
      const file = join(home, 'turns.jsonl')
      await writeFile(file, `${JSON.stringify({ messages })}\n`)
      const checkpoint = await loadCheckpoint(join(home, 'shared/cases/models/chat'))
      const engine = openEngine({ threads: 1 })
      try {
        const { texts } = await loadTexts(file, checkpoint, { template: await loadChatTemplate(checkpoint.folder) })
        const [{ nats, bytes }] = await textNats(await openPolicy(engine, checkpoint), texts)
        const bits = (nats / Math.LN2 / bytes).toFixed(3)
        return { gives: `${bits} bits a byte of ${bytes} bytes`, ok: bits === '1.988' && bytes === 48 }
      } finally {
        await engine.close()
      }
    },
  },
]

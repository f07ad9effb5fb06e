import { Hono } from 'hono'
import { z } from 'zod'
import { judgeFacts } from '../collect/judge-facts.ts'
import { spokenIn } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { choices, type Store } from '../labels/index.ts'
import { guarded } from './guard.ts'
import { labelPage } from './label-page.ts'
import { labelScript } from './label-script.ts'
import { labelStyle } from './label-style.ts'

export interface LabelsAppOptions {
  readonly rater: string
  /** Of which side stands left. */
  readonly seed: number
  /** Who has it may use the page; nobody else. */
  readonly token: string
}

const labelSchema = z.strictObject({
  pair: z.int(),
  choice: z.enum(choices),
  first: z.enum(['a', 'b']),
  confidence: z.union([z.literal(1), z.literal(2), z.literal(3)]).optional(),
  note: z.string().max(10_000).optional(),
})

/** A label in a request is at most so long. */
const LONGEST = 65_536

/** The page on which one rater labels a store, and what it asks for: questions, labels, counts and agreement. */
export function labelsApp(store: Store, { rater, seed, token }: LabelsAppOptions): Hono {
  const app = new Hono()
  const next = async () => {
    const asked = await store.next(rater, seed)
    const counts = await store.counts()
    const { pair, first } = asked ?? {}
    const [left, right] = first === 'b' ? [pair?.b, pair?.a] : [pair?.a, pair?.b]
    return { rater, pairs: counts.pairs, left: counts.raters[rater]?.left ?? counts.pairs, question: pair ? { pair: pair.id, first, prompt: pair.prompt, sides: [left, right] } : null } // biome-ignore format: one line
  }

  app.use(guarded(token))
  app.get('/', (c) => c.html(labelPage))
  app.get('/label.css', (c) => c.body(labelStyle, 200, { 'content-type': 'text/css; charset=utf-8' }))
  app.get('/label.js', (c) => c.body(labelScript, 200, { 'content-type': 'text/javascript; charset=utf-8' }))
  app.get('/api/next', async (c) => c.json(await next()))
  app.get('/api/facts', async (c) => c.json({ store: store.file, ...(await store.counts()), ...judgeFacts(await spokenIn(store)) }))
  app.post('/api/label', async (c) => {
    const text = await c.req.text()
    const parsed = labelSchema.safeParse(text.length > LONGEST ? undefined : jsonOf(text))
    if (!parsed.success) return c.json({ error: `a label must have pair, choice and first, got ${reason(parsed.error)}; ask for the next pair` }, 400) // biome-ignore format: one line
    const { confidence, note, ...label } = parsed.data
    await store.label([{ ...label, rater, ...(confidence ? { confidence } : {}), ...(note ? { note } : {}) }])
    return c.json(await next())
  })
  app.post('/api/undo', async (c) => {
    const undone = await store.undo(rater)
    return c.json({ ...(await next()), undone: undone !== undefined })
  })
  app.notFound((c) => c.text('there is no such page', 404))
  app.onError((error, c) => {
    if (error instanceof UserError) return c.json({ error: error.message }, 400)
    return c.json({ error: `internal: ${error.message}` }, 500)
  })
  return app
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function reason({ issues: [issue] }: z.ZodError): string {
  return issue!.path.length > 0 ? `another ${issue!.path.join('.')}` : 'something else'
}

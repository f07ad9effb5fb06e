import { openModel } from '../policy/index.ts'
import { headRoleNames, headRoles, headsPage } from '../whitebox/index.ts'
import { command, integer, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints what each attention head looks at; the reading is in src/whitebox. */
export const readHeads = command({
  name: 'read heads',
  about: 'Find heads that look at the token before, at the same token earlier, or at what followed it there, each beside its null.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    text: text('the text that the page shows attention on', { default: 'The cat saw the dog. The cat saw the dog.' }),
    sequences: integer('random sequences that are read', { default: 48, min: 2 }),
    seed: integer('the seed of their tokens', { default: 0 }),
    ...reportFlag,
  },
  examples: ['read heads --model stories5m', 'read heads --model stories5m --report heads.html --json'],

  async action({ model: name, text: words, sequences, seed, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      let bar: ReturnType<typeof screen.progress> | undefined
      const onBatch = (_: number, of: number) => {
        bar ??= screen.progress('reading', of)
        bar.advance()
      }
      const heads = await headRoles(model, { sequences, seed, signal, onBatch })
      bar?.done()
      for (const { layer, head, role, roles } of heads) screen.emit({ layer, head, role: role ?? null, ...roles })
      const named = heads.filter(({ role }) => role)
      screen.line(`${named.length} of ${heads.length} heads have a role; attention above the null, with 95 % for all heads together:`)
      for (const role of headRoleNames) {
        const here = named
          .filter((head) => head.role === role)
          .toSorted((a, b) => b.roles[role].excess.estimate - a.roles[role].excess.estimate)
        if (here.length === 0) continue
        screen.line()
        screen.table([
          [role, 'attention', 'null', 'above it'],
          ...here.slice(0, 8).map(({ layer, head, roles: { [role]: found } }) => {
            const { estimate, low, high } = found.excess
            return [
              `head ${layer}.${head}`,
              found.seen.toFixed(2),
              found.null.toFixed(2),
              `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`,
            ]
          }),
        ])
        if (here.length > 8) screen.line(`and ${here.length - 8} more`)
      }
      if (report === undefined) return
      const { patterns } = await model.read(words, { patterns: 'blocks.*.attn.pattern' })
      await writeReportPage(report, screen, () => headsPage({ model: model.name, heads, pieces: model.pieces(words), patterns }))
    } finally {
      await model.close()
    }
  },
})

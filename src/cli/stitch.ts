import { UserError } from '../graph/errors.ts'
import { openModel } from '../policy/index.ts'
import { readTextFile, type Stitching, type StitchMeasured, stitch, stitchColumn, stitchPage, stitchRoutes } from '../whitebox/index.ts'
import { command, decimal, integer, listOf, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'
import type { Screen } from './screen.ts'
import { untold } from './untold.ts'

/** Prints what the bottom of one model and the top of another predict together; the stitching is in src/whitebox. */
export const stitchCommand = command({
  name: 'stitch',
  about: 'Put the top of model B onto the bottom of model A, with a map between, and say what that costs on texts held out.',
  args: {
    a: text('model whose first blocks are taken, by name or folder'),
    b: text('model whose other blocks are, of the same tokenizer'),
  },
  flags: {
    texts: required(text('JSONL file: text, prompt or prompt_ids; a part to fit on, the rest held out', { shown: 'FILE' })),
    routes: listOf('ways between the two, of different widths trained and relative', stitchRoutes),
    layers: text('the last block of A, with commas; every one when left out', { shown: 'L,L' }),
    ranks: text('capacities of the trained map, with commas; 1, 4, 16 and the whole width when left out', { shown: 'R,R' }),
    steps: integer('steps that the trained map is trained for', { default: 20, min: 0 }),
    anchors: integer('tokens that relative representations are made with, at most', { default: 256, min: 2 }),
    heldOut: decimal('share of the texts that is held out', { default: 0.5, min: 0.05, max: 0.95 }),
    seed: integer('seed of the parts, the anchors and the untrained bottom', { default: 0, min: 0 }),
    ...reportFlag,
  },
  examples: [
    'stitch models/tiny models/happy --texts rows.jsonl --layers 0 --ranks 2 --steps 4',
    'stitch models/tiny models/happy --texts rows.jsonl --routes identity --report s.html --json',
  ],

  async action({ a: nameA, b: nameB, texts: file, routes, layers, ranks, report, ...options }, screen, signal) {
    const given = { ...numbers('layers', layers), ...numbers('ranks', ranks) }
    const a = await openModel(nameA, { onProgress: screen.note })
    try {
      const b = await openModel(nameB, { onProgress: screen.note })
      try {
        const texts = (await readTextFile(file, b, { least: 2 })).map(({ ids }) => ids)
        let bar: ReturnType<typeof screen.progress> | undefined
        let before = 0
        const onDone = (done: number, of: number) => {
          bar ??= screen.progress('stitching', of)
          bar.advance(done - before)
          before = done
        }
        const named = routes.length < stitchRoutes.length ? { routes } : {}
        const found = await stitch(a, b, texts, { ...options, ...given, ...named, signal, onDone })
        bar?.done()
        if (a.config.hiddenSize !== b.config.hiddenSize)
          screen.note(
            `identity, procrustes and permutation are left out: the streams are ${a.config.hiddenSize} and ${b.config.hiddenSize} wide`,
          )
        show(screen, found)
        await writeReportPage(report, screen, () => stitchPage(a.name, b.name, found))
      } finally {
        await b.close()
      }
    } finally {
      await a.close()
    }
  },
})

function show(screen: Screen, { stitches, loss, lossOfA, chance, unigram, texts }: Stitching): void {
  const before = { a: lossOfA.estimate, b: loss.estimate, chance, unigram }
  for (const { route, layer, capacity, untrained, ...measured } of stitches)
    screen.emit({ route, layer, capacity, ...told(measured), untrained: told(untrained), before, texts })
  screen.line(`loss of A ${lossOfA.estimate.toFixed(3)}, of B ${loss.estimate.toFixed(3)}, of token frequencies ${unigram.toFixed(3)}, of chance ${chance.toFixed(3)} nats per token`) // biome-ignore format: one line
  screen.line(`${texts.fitted} texts fitted on (${texts.tokensFitted} tokens), ${texts.heldOut} held out`)
  const untold = stitches.find(({ penalty }) => penalty.cannotTell && penalty.high > penalty.low)?.penalty.cannotTell
  if (untold) screen.note(`intervals cannot tell: ${untold}`)
  const columns = [...new Set(stitches.map(stitchColumn))]
  const table = (title: string, of: (one: (typeof stitches)[number]) => StitchMeasured) => {
    screen.line()
    screen.line(title)
    screen.table([
      ['block', ...columns],
      ...[...new Set(stitches.map(({ layer }) => layer))].map((layer) => [
        String(layer),
        ...columns.map((column) =>
          of(stitches.find((one) => one.layer === layer && stitchColumn(one) === column)!).penalty.estimate.toFixed(3),
        ),
      ]),
    ])
  }
  table('penalty: loss of the stitched model less that of B', (one) => one)
  table('the same with an untrained bottom', ({ untrained }) => untrained)
}

function told({ loss, penalty }: StitchMeasured) {
  const intervals = { loss: [loss.low, loss.high], penalty: [penalty.low, penalty.high] }
  return { loss: loss.estimate, penalty: penalty.estimate, intervals, ...untold({ loss, penalty }) }
}

function numbers<K extends string>(flag: K, given: string | undefined): Partial<Record<K, number[]>> {
  if (given === undefined) return {}
  const all = given.split(',').map((one) => Number(one.trim() || Number.NaN))
  if (all.some((x) => !Number.isInteger(x)))
    throw new UserError(`stitch --${flag}: must be whole numbers with commas between, got ${JSON.stringify(given)}; write for example 1,2`)
  return { [flag]: all } as Record<K, number[]>
}

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { families } from '../models/families/index.ts'
import { type Model, openModel } from '../policy/index.ts'
import { circuit } from './circuit.ts'
import { attributeEdges } from './edges.ts'
import { patchPaths } from './path.ts'

interface Golden {
  readonly gap: [clean: number, corrupted: number]
  readonly edges: readonly string[]
  readonly attribution: readonly number[]
  readonly integrated: readonly number[]
  readonly paths: readonly { readonly senders: string[]; readonly receivers: string[]; readonly noise?: boolean; readonly effect: number }[]
  readonly circuit: { readonly kept: readonly string[]; readonly faithfulness: number }
}

const {
  families: golden,
  steps,
  ...contrast
} = JSON.parse(readFileSync('fixtures/causes/golden.json', 'utf8')) as {
  families: Record<string, Golden>
  steps: number
  clean: number[]
  corrupted: number[]
  answer: number
  wrong: number
}

it('every family has golden causes', () => {
  expect(Object.keys(golden).toSorted()).toEqual(Object.keys(families).toSorted())
})

describe.each(Object.entries(golden))('causes in a small %s are those of PyTorch', (family, wanted) => {
  let model: Model
  beforeAll(async () => {
    model = await openModel(`fixtures/family-${family.replaceAll('_', '-')}`)
  })
  afterAll(() => model.close())

  /** Effects of a size beyond 1 are compared by their size. */
  const close = (got: readonly number[], want: readonly number[]) => {
    const size = Math.max(1, ...want.map(Math.abs))
    expectClose(got.map((x) => x / size), want.map((x) => x / size), tolerances.families) // biome-ignore format: one line
  }

  it('attribution of edges, at one point and over several', async () => {
    for (const [points, effects] of [
      [1, wanted.attribution],
      [steps, wanted.integrated],
    ] as const) {
      const { gap, edges } = await attributeEdges(model, contrast, { steps: points })
      close([gap.clean, gap.corrupted], wanted.gap)
      expect(edges.map(({ from, to }) => `${from} > ${to}`)).toEqual(wanted.edges)
      close(
        edges.map(({ effect }) => effect),
        effects,
      )
    }
  })

  it('path patching', async () => {
    const effects: number[] = []
    for (const { senders: from, receivers: to, noise = false } of wanted.paths) {
      const found = await patchPaths(model, contrast, { from, to, together: true, direction: noise ? 'noise' : 'denoise' })
      effects.push(found.effects[0]!.effect)
    }
    close(
      effects,
      wanted.paths.map(({ effect }) => effect),
    )
  })

  it('what a circuit keeps', async () => {
    const kept = wanted.circuit.kept.map((edge) => edge.split(' > ') as [string, string]).map(([from, to]) => ({ from, to }))
    close([(await circuit(model, contrast, kept)).faithfulness], [wanted.circuit.faithfulness])
  })
})

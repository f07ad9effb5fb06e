import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { expectClose } from '../test/close.ts'
import { tolerances } from '../test/tolerances.ts'

/** What the result of each example must be. */
const checks: Readonly<Record<string, (result: never) => void>> = {
  // −log σ(βm), its slope and its curvature in closed form, at β = 0.1 and m = 0, 10, −10.
  '01-trace-and-differentiate.ts'({ loss, slope, curvature }: Record<string, number[]>) {
    const at = [0, 1, -1]
    expectClose(loss!, [at.reduce((sum, x) => sum + Math.log1p(Math.exp(-x)), 0)], tolerances.kernel)
    expectClose(
      slope!,
      at.map((x) => -0.1 * sigmoid(-x)),
      tolerances.kernel,
    )
    expectClose(
      curvature!,
      at.map((x) => 0.01 * sigmoid(x) * sigmoid(-x)),
      tolerances.kernel,
    )
  },
  // As transformers computes them.
  '02-score-pairs.ts': (result: number[]) => expectClose(result, [-68.83299707, -69.53100407], tolerances.kernel),
  '03-custom-loss.ts': ([first, last]: [number, number]) => expect(last).toBeLessThan(first / 4),
  // The prior's bits in closed form: each of two weights has its mean at ½ · 20/21 and the variance 2/21.
  '04-prior-and-votes.ts'({ priorBits, fighting }: { priorBits: number; fighting: string[] }) {
    const normalCdf = 0.9385886759 // of (10/21)/√(2/21) = 1.5430335
    expectClose([priorBits], [2 * (1 + Math.log2(normalCdf))], tolerances.kernel)
    expect(fighting).toEqual(['brief'])
  },
  '05-align.ts': (verdict: string) => expect(verdict).toBe('accepted'),
  // As transformers computes them, with hooks on its layers.
  '06-look-inside.ts'(result: { attended: string; norms: number[]; said: string[]; dropped: number }[]) {
    expect(result.map(({ attended }) => attended)).toEqual(['▁The', '.', '▁on'])
    expect(result.map(({ said }) => said)).toEqual([
      ['▁was', '▁was'],
      ['▁had', '▁had'],
      ['▁warm', '▁coat'],
    ])
    const norms = [
      [3.25627351, 5.52840424, 6.75263691, 8.90650654, 12.02652836, 25.0077591],
      [2.24779367, 5.69608688, 7.31121159, 9.6883564, 11.92055702, 21.34793472],
      [2.18732381, 4.47481298, 6.7285318, 10.871665, 14.9441452, 25.2391796],
    ]
    result.forEach((one, i) => {
      expectClose(one.norms, norms[i]!, tolerances.families)
    })
    const dropped = [-0.0914112851, 0.4537228942, 3.3773131371]
    expectClose(
      result.map((one) => one.dropped),
      dropped,
      tolerances.families,
    )
  },
  // As transformers computes them, with hooks on its layers.
  '07-cause-and-steer.ts'({ causes, gaps, said }: { causes: number[]; gaps: number[]; said: string[] }) {
    expectClose(causes, [1.045756964, 0.660418713, 0.540630206], tolerances.families)
    expectClose(gaps, [1.14156723, 4.835909843, -0.2291255], tolerances.families)
    expect(said).toEqual([' a little boy who liked to play with his to', ' sad. He did not know what to do.'])
  },
}
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

const files = readdirSync(import.meta.dirname).filter((name) => /^\d\d-.*\.ts$/.test(name))
const cache = mkdtempSync(join(tmpdir(), 'innate-examples-'))
beforeAll(() => void (process.env.INNATE_CACHE = cache))
afterAll(() => rmSync(cache, { recursive: true }))

describe('the examples', () => {
  const said = new Map<string, string>()

  it.each(files)('%s runs alone, and comes to what is known', async (file) => {
    const lines: string[] = []
    const log = vi.spyOn(console, 'log').mockImplementation((...words) => void lines.push(words.join(' ')))
    const { result } = (await import(join(import.meta.dirname, file)).finally(() => log.mockRestore())) as { result: never }
    said.set(file, lines.join('\n').trimEnd())
    checks[file]!(result)
  })

  it('are a page of the docs as they are, with what they print; vitest run examples -u writes it anew', async () => {
    const sections = files.map((file) => {
      const name = file.slice(3, -3).replaceAll('-', ' ')
      const source = readFileSync(join(import.meta.dirname, file), 'utf8').trimEnd()
      return `## ${name[0]!.toUpperCase()}${name.slice(1)}\n\n\`npm run -s example -- ${file.slice(0, 2)}\`\n\n\`\`\`ts\n${source}\n\`\`\`\n\nprints\n\n\`\`\`\n${said.get(file)}\n\`\`\`\n`
    })
    const page = `# Examples\n\nEach of them runs alone in seconds, in a checkout, on small models.\n\n${sections.join('\n')}`
    await expect(page).toMatchFileSnapshot('../docs/examples.md')
  })
})

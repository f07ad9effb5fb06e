import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { random } from '../random/index.ts'
import { type Activations, crossProducts, meanOf, oneHot } from './activations.ts'
import { afterErasure } from './after-erasure.ts'
import { controlLabels, typesOf } from './control-task.ts'
import { differenceOfMeans, principalComponents } from './directions.ts'
import { erased, eraserOf, leace } from './leace.ts'
import { classesOf, type Linear, scoresOf } from './linear.ts'
import { logistic, logLoss } from './logistic.ts'
import { massMean } from './mass-mean.ts'
import { minimise } from './minimise.ts'
import { dealTexts } from './parts.ts'
import { evenCounts } from './probe-kinds.ts'
import { ridge } from './ridge.ts'
import { rocArea } from './roc-area.ts'
import { neuronsOf } from './sparse-neurons.ts'

interface Fitted {
  readonly weight: number[][]
  readonly bias: number[]
}
interface Case extends Record<'plain' | 'counted', { logistic: Fitted; ridge: Fitted }> {
  readonly classes: number
  readonly x: number[][]
  readonly labels: number[]
  readonly counts: number[]
  readonly pca: { directions: number[][]; variances: number[]; shares: number[] }
  readonly leace: { P: number[][]; erased: number[][] }
  readonly leacePlain: { P: number[][]; erased: number[][] }
  readonly leaceWhole: { P: number[][]; erased: number[][] }
}
const golden = JSON.parse(readFileSync('fixtures/probes/golden.json', 'utf8')) as {
  cases: Case[]
  wide: { x: number[][]; labels: number[]; ridge: { weight: number[][] }; pca: number[][] }
  roc: { scores: number[]; labels: number[]; area: number }
}

function activations(rows: readonly (readonly number[])[]): Activations {
  return { n: rows.length, d: rows[0]!.length, data: Float64Array.from(rows.flat()) }
}

describe.each(golden.cases)('of $classes classes, as scikit-learn and concept-erasure have them (fixtures/probes)', (one) => {
  const x = activations(one.x)
  const close = (got: Linear, wanted: Fitted) => {
    expectClose(
      got.weight.flatMap((row) => [...row]),
      wanted.weight.flat(),
      tolerances.converged,
    )
    expectClose(got.bias, wanted.bias, tolerances.converged)
  }

  it.each(['plain', 'counted'] as const)('logistic and ridge, rows %s', (how) => {
    const counts = how === 'counted' ? { counts: one.counts } : {}
    close(logistic(x, one.labels, one.classes, { l2: 2, ...counts }), one[how].logistic)
    close(ridge(x, one.labels, one.classes, { l2: 3, ...counts }), one[how].ridge)
  })

  it('principal components', () => {
    const found = principalComponents(x, 3)
    // A direction may point either way.
    found.directions.forEach((direction, i) => {
      const wanted = one.pca.directions[i]!
      const sign = Math.sign(direction.reduce((sum, v, k) => sum + v * wanted[k]!, 0))
      expectClose(
        [...direction].map((v) => sign * v),
        wanted,
        tolerances.decomposed,
      )
    })
    expectClose(found.variances, one.pca.variances, tolerances.decomposed)
    expectClose(found.shares, one.pca.shares, tolerances.decomposed)
  })

  it.each([
    ['leace', {}],
    ['leacePlain', { shrinkage: false }],
    ['leaceWhole', { tolerance: 1e-9 }],
  ] as const)('%s', (name, options) => {
    const eraser = leace(x, oneHot(one.labels, one.classes), options)
    const projection = Matrix.eye(x.d).sub(eraser.left.mmul(eraser.right))
    expectClose(projection.to1DArray(), one[name].P.flat(), tolerances.decomposed)
    expectClose([...erased(eraser, x).data], one[name].erased.flat(), tolerances.decomposed)
    expect(eraser.right.rows).toBeLessThanOrEqual(one.classes - 1)
  })
})

describe('where columns are more than rows', () => {
  const x = activations(golden.wide.x)

  it('ridge is solved among the rows, to the same', () =>
    expectClose([...ridge(x, golden.wide.labels, 2, { l2: 3 }).weight[0]!], golden.wide.ridge.weight.flat(), tolerances.converged))

  it('components come from the Gram matrix, to the same', () => {
    const found = principalComponents(x, 2).directions
    const cosines = found.map((direction, i) => Math.abs(direction.reduce((sum, v, k) => sum + v * golden.wide.pca[i]![k]!, 0)))
    expectClose(cosines, [1, 1], tolerances.decomposed)
    expect(() => principalComponents(x, 5)).toThrow('components: must be 1 to 4 of 5 rows of 9, got 5')
  })
})

describe('LEACE', () => {
  it('V-LEACE-1: the eraser from two covariances', () => {
    const eraser = eraserOf({
      xx: new Matrix([
        [2, 1],
        [1, 2],
      ]),
      xz: new Matrix([[1], [0]]),
      mean: new Float64Array(2),
    })
    const projection = Matrix.eye(2).sub(eraser.left.mmul(eraser.right))
    expectClose(projection.to1DArray(), [0, 0.5, 0, 1], tolerances.decomposed)
    expectClose(projection.mmul(new Matrix([[1], [0]])).to1DArray(), [0, 0], tolerances.decomposed)
    const after = projection
      .mmul(
        new Matrix([
          [2, 1],
          [1, 2],
        ]),
      )
      .mmul(projection.transpose())
    expectClose([after.trace()], [2.5], tolerances.decomposed)
  })

  it('of any rows: no covariance with the concept, the mean as it was, no larger trace, and no linear probe beats the constant', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 7 }), (seed, classes, d) => {
        const n = 12 * classes
        const noise = random(seed, 'x').normals(n * d)
        const labels = Array.from({ length: n }, (_, i) => i % classes)
        const shift = random(seed, 'shift').normals(classes * d)
        const x = { n, d, data: noise.map((value, i) => value + 2 * shift[labels[Math.floor(i / d)]! * d + (i % d)]!) }
        const z = oneHot(labels, classes)
        const after = erased(leace(x, z, { tolerance: 1e-9 }), x)
        const cross = Math.max(...crossProducts(after, z).map((value) => Math.abs(value) / (n - 1)))
        expect(cross).toBeLessThan(1e-10)
        expectClose([...meanOf(after)], [...meanOf(x)], tolerances.decomposed)
        const trace = (of: Activations) => crossProducts(of, of).reduce((sum, value, i) => sum + (i % (d + 1) === 0 ? value : 0), 0)
        const plain = erased(leace(x, z, { tolerance: 1e-9, shrinkage: false }), x)
        expect(trace(plain)).toBeLessThanOrEqual(trace(x) * (1 + 1e-9))
        const probe = logistic(after, labels, classes, { l2: 0 })
        expectClose([logLoss(scoresOf(probe, after), labels)], [Math.log(classes)], tolerances.decomposed)
      }),
      { numRuns: 25 },
    )
  })

  it('held out: a probe on erased rows loses what the base rate does within its interval, on the eraser’s rows and on others', () => {
    const [n, d] = [3000, 4]
    const noise = random(11, 'held out').normals(n * d)
    const labels = Array.from({ length: n }, (_, i) => Number(i % 5 < 2))
    const x = { n, d, data: noise.map((value, i) => value + [2, -1, 0.5, 0][i % d]! * labels[Math.floor(i / d)]!) }
    const places = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
    const heldOut = places(2000, n).map((i) => [i])
    const entropy = -(0.4 * Math.log(0.4) + 0.6 * Math.log(0.6))
    for (const probe of [places(0, 1000), places(1000, 2000)]) {
      const { before, after, baseRate, stillRead } = afterErasure(x, labels, 2, { eraser: places(0, 1000), probe, heldOut })
      expect(before.accuracy.low).toBeGreaterThan(0.8)
      expect(baseRate.accuracy.estimate).toBe(0.6)
      expectClose([baseRate.loss.estimate], [entropy], tolerances.decomposed)
      expect(after.loss.low).toBeLessThanOrEqual(entropy)
      expect(after.loss.high).toBeGreaterThanOrEqual(entropy)
      expect(Math.abs(stillRead.estimate)).toBeLessThan(0.01)
    }
    // An eraser that leaves everything in is found out.
    const { stillRead } = afterErasure(x, labels, 2, { eraser: places(0, 1000), probe: places(0, 1000), heldOut }, { tolerance: 9 })
    expect(stillRead.low).toBeGreaterThan(0.2)
  })

  it('moves rows less than the orthogonal projector, in Mahalanobis’ norm and in others', () => {
    const { x: rows, labels } = golden.cases[0]!
    const x = activations(rows)
    const direction = differenceOfMeans(x, labels)
    const square = direction.reduce((sum, v) => sum + v * v, 0)
    const [after, mean] = [erased(leace(x, oneHot(labels, 2), { tolerance: 1e-9, shrinkage: false }), x), meanOf(x)]
    const projected = x.data.map((value, i) => {
      const row = Math.floor(i / x.d) * x.d
      const share = direction.reduce((sum, v, k) => sum + v * (x.data[row + k]! - mean[k]!), 0) / square
      return value - share * direction[i % x.d]!
    })
    const covariance = Matrix.from1DArray(x.d, x.d, crossProducts(x, x))
    const norms = [covariance.clone(), Matrix.eye(x.d), ...[1, 2, 3].map((seed) => squareOf(seed, x.d))]
    norms[0] = inverseOf(covariance)
    for (const norm of norms) {
      const cost = (to: Float64Array) => {
        const moved = Matrix.from1DArray(
          x.n,
          x.d,
          to.map((value, i) => value - x.data[i]!),
        )
        return moved.mmul(norm).mul(moved).sum()
      }
      expect(cost(after.data)).toBeLessThan(cost(projected))
    }
  })

  it('does not hide the concept from a probe that is not linear', () => {
    // The sign of a product, on points that mirror each other, so that no mean of the factors differs; and the label itself with noise.
    const noise = random(1, 'mirrored').normals(300)
    const rows = Array.from({ length: 200 }, (_, i) => {
      const [a, b] = [Math.abs(noise[3 * (i >> 2)]!) * (i & 1 ? 1 : -1), Math.abs(noise[3 * (i >> 2) + 1]!) * (i & 2 ? 1 : -1)]
      return [a, b, 3 * Number(a * b > 0) + noise[3 * (i >> 2) + 2]!]
    })
    const labels = rows.map(([a, b]) => Number(a! * b! > 0))
    const after = erased(leace(activations(rows), oneHot(labels, 2), { tolerance: 1e-9 }), activations(rows))
    const products = activations(labels.map((_, i) => [after.data[3 * i]! * after.data[3 * i + 1]!]))
    const right = (x: Activations) => classesOf(scoresOf(logistic(x, labels, 2), x)).filter((c, i) => c === labels[i]).length / 200
    expect(right(activations(rows))).toBeGreaterThan(0.9)
    expect(right(products)).toBeGreaterThan(0.9)
    expect(right(after)).toBeLessThan(0.65)
  })
})

function squareOf(seed: number, d: number): Matrix {
  const root = Matrix.from1DArray(d, d, random(seed, 'norm').normals(d * d))
  return root.mmul(root.transpose())
}

function inverseOf(m: Matrix): Matrix {
  const { columns: d } = m
  const inverse = Matrix.zeros(d, d)
  for (let k = 0; k < d; k++) inverse.setColumn(k, solved(m, k))
  return inverse
}

function solved(m: Matrix, k: number): number[] {
  // Gauss and Jordan, so that nothing of what is tried stands in the oracle.
  const rows = m.to2DArray().map((row, i) => [...row, Number(i === k)])
  rows.forEach((_, i) => {
    const pivot = rows[i]!.map((value) => value / rows[i]![i]!)
    rows[i] = pivot
    rows.forEach((row, j) => {
      if (j !== i) rows[j] = row.map((value, c) => value - row[i]! * pivot[c]!)
    })
  })
  return rows.map((row) => row.at(-1)!)
}

describe('the other readings', () => {
  it('the ROC area is scikit-learn’s, with ties; it has an interval where it is 1 too', () => {
    const { scores, labels, area } = golden.roc
    const found = rocArea(scores, labels)
    expectClose([found.estimate], [area], tolerances.decomposed)
    expect(found.low).toBeLessThan(area)
    expect(rocArea([1, 2, 3, 4], [0, 0, 1, 1])).toMatchObject({ estimate: 1, high: 1, low: expect.toSatisfy((low: number) => low < 0.6) })
    expect(() => rocArea([1, 2], [1, 1])).toThrow('both classes must have rows')
  })

  it('an interval of the ROC area holds its truth as often as it says', () => {
    // Two normals one apart: the area is Φ(1/√2).
    const truth = 0.7602499389
    const covered = Array.from({ length: 300 }, (_, i) => {
      const normals = random(i, 'roc').normals(60)
      const labels = Array.from({ length: 60 }, (_, k) => k % 2)
      const { low, high } = rocArea(
        [...normals].map((v, k) => v + labels[k]!),
        labels,
      )
      return Number(low <= truth && truth <= high)
    })
    expect(covered.reduce((a, b) => a + b, 0) / 300).toBeGreaterThanOrEqual(0.94)
  })

  it('the mass-mean probe is the nearest mean', () => {
    const x = activations([
      [0, 0],
      [0, 2],
      [4, 0],
      [4, 2],
    ])
    const { weight, bias } = massMean(x, [0, 0, 1, 1], 2)
    expect([...weight[0]!, ...bias]).toEqual([4, 0, -8])
    expect(classesOf(scoresOf(massMean(x, [0, 1, 2, 2], 3), x))).toEqual([0, 1, 2, 2])
    expect([...differenceOfMeans(x, [0, 0, 1, 1])]).toEqual([4, 0])
  })

  it('chosen neurons are those whose means differ, in standard deviations', () => {
    expect(
      neuronsOf(
        activations([
          [0, 5, 90],
          [0.1, 5, 10],
          [1, 5, 95],
          [1.1, 5, 15],
        ]),
        [0, 0, 1, 1],
        2,
      ),
    ).toEqual([0, 2])
  })

  it('what has no minimum is said to have none', () => {
    const slope = {
      value: ([x]: Float64Array, into: Float64Array) => into.fill(1)[0]! * x!,
      curve: (_: Float64Array, into: Float64Array) => void into.fill(0),
    }
    expect(() => minimise('a slope', slope, new Float64Array(1))).toThrow(
      'a slope: must come to a minimum in 200 steps, got a gradient of 1.0e+0',
    )
  })

  it('every class weighs the same', () => expect(evenCounts([0, 0, 0, 1], 2)).toEqual([2 / 3, 2 / 3, 2 / 3, 2]))
})

describe('parts and control tasks', () => {
  it('near duplicates lie in one part, classes are even in the held-out one, and nothing is lost', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 6, max: 30 }),
        fc.integer({ min: 6, max: 30 }),
        (seed, first, second) => {
          const labels = [...Array(first).fill(0), ...Array(second).fill(1)] as number[]
          // Every third text says what the one before it says.
          const texts = labels.map((_, i) => `text of number ${i % 3 === 2 ? i - 1 : i}!`.repeat(1 + (i % 2)))
          const { train, heldOut } = dealTexts(texts, labels, ['a', 'b'], { seed })
          const all = [...train, ...heldOut.flat()].sort((a, b) => a - b)
          expect(all).toEqual(labels.map((_, i) => i))
          const words = (i: number) => texts[i]!.replace(/\W/g, '')
          const seen = new Set(train.map(words))
          expect(heldOut.flat().filter((i) => seen.has(words(i)))).toEqual([])
          const counts = [0, 1].map((label) => heldOut.flat().filter((i) => labels[i] === label).length)
          expect(Math.abs(counts[0]! - counts[1]!)).toBeLessThanOrEqual(2)
        },
      ),
      { numRuns: 50 },
    )
    expect(() => dealTexts(['a b c d e f', 'A b, c d e f!', 'other'], [0, 0, 1], ['x', 'y'])).toThrow('label ')
  })

  it('a control task gives one label to each type, every label to as many', () => {
    const types = ['a', 'b', 'a', 'c', 'd', 'b']
    const labels = controlLabels(types, 2, 7)
    expect(labels[0]).toBe(labels[2])
    expect(labels[1]).toBe(labels[5])
    expect([labels[0], labels[1], labels[3], labels[4]].filter((label) => label === 1).length).toBe(2)
    expect(controlLabels(types, 2, 7)).toEqual(labels)
  })

  it('the type of a text is its last token that differs enough', () => {
    const ids = (text: string) => text.split(' ').map((word) => [...word].map(Number))
    expect(typesOf(ids('159 169 179'), 3)).toEqual(['5', '6', '7'])
    expect(typesOf(ids('15 16 15 17'), 3)).toEqual(['5', '6', '5', '7'])
    expect(typesOf(ids('115 215 316 417'), 4)).toEqual(['1', '2', '3', '4'])
    expect(typesOf(ids('1 1'), 1)).toEqual(['1', '1'])
  })
})

import { expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { calibrationOf, type Predicted } from './calibration.ts'

/** Predictions whose confidence is raised by `by` in log-odds above the chance that they are right. */
function predictions(count: number, by: number): Predicted[] {
  const [odds, coin] = [random(1, 'odds').normals(count), random(1, 'coin')]
  return Array.from(odds, (z, group) => {
    const truth = 1 / (1 + Math.exp(-Math.abs(z)))
    const said = 1 / (1 + Math.exp(-Math.abs(z) - by))
    return { group, chance: coin.uniform(group) < truth ? said : 1 - said }
  })
}

it('is the weighted distance of accuracy from confidence, by hand', () => {
  // Two at 0.6 of which one is right, and two at 0.9 that are right: ½·|0.5 − 0.6| + ½·|1 − 0.9|.
  const { ece, bins } = calibrationOf([0.6, 0.4, 0.9, 0.9].map((chance, group) => ({ group, chance })))
  expect(ece.estimate).toBeCloseTo(0.1, 12)
  expect(bins.map(({ n, accuracy }) => [n, accuracy])).toEqual([
    [2, 0.5],
    [2, 1],
  ])
})

it('is near what a perfect model shows for one, and far above it where confidence is too high', () => {
  const right = calibrationOf(predictions(2000, 0))
  expect(right.ece.estimate).toBeLessThan(2 * right.eceIfCalibrated)
  const bold = calibrationOf(predictions(2000, 1.5))
  expect(bold.ece.low).toBeGreaterThan(3 * bold.eceIfCalibrated)
  expect(bold.ece.n).toBe(2000)
})

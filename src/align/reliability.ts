import { z } from 'zod'
import { type Calibration, meanInterval, tail } from '../accept/index.ts'
import { type MeasureRow, type Run, type Shown, tableFile } from '../runs/index.ts'

/** Predictions whose confidence lies in one tenth, as a run keeps them. */
export const binSchema = z.object({ low: z.number(), high: z.number(), n: z.int(), confidence: z.number(), accuracy: z.number() })

/** What a reliability diagram is drawn from. */
interface Reliability extends Pick<Calibration, 'ece' | 'eceIfCalibrated'> {
  readonly reliability: Calibration['bins']
}

/** Puts the reliability diagram into a run's folder, for its report. */
export async function keepReliability(run: Run, measured: Reliability, on: string): Promise<void> {
  await run.write(tableFile('reward-reliability'), reliabilityTable(measured, on))
}

function reliabilityTable({ reliability: bins, ece, eceIfCalibrated: perfect }: Reliability, on: string): Shown {
  const all = bins.reduce((sum, { n }) => sum + n, 0)
  const seen = bins.map(({ n, confidence, accuracy }): MeasureRow => {
    const right = Math.round(accuracy * n)
    const outcomes = Array.from({ length: n }, (_, i) => (i < right ? 1 : 0))
    const { low, high } = n < 2 ? { low: 0, high: 1 } : meanInterval('accuracy', outcomes, 'share', [0, 1], tail)
    return { name: 'seen', group: { confidence, n }, estimate: accuracy, low, high, n, unit: 'share' }
  })
  const said = [0.5, 1].map(
    (x): MeasureRow => ({ name: 'as said', group: { confidence: x, n: 0 }, estimate: x, low: x, high: x, n: all, unit: 'share' }),
  )
  const three = (x: number) => x.toFixed(3)
  const about = `how often the choice that the model gave so much probability to was the right one, on ${on}, in bins of a tenth with exact 95 % intervals; expected calibration error ${three(ece.estimate)} [${three(ece.low)}, ${three(ece.high)}], and ${three(perfect)} on average were every probability right`
  return {
    table: { about, rows: [...seen, ...said] },
    as: 'lines',
    axes: {
      title: 'Reliability',
      unit: 'share that is right',
      x: 'confidence',
      xLabel: 'probability that the model gave to its choice',
      span: [0.4, 1],
    },
    section: 'reward',
  }
}

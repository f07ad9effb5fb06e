import type { Estimate } from './schema.ts'

/** Three significant digits, without an exponent where a person would not write one. */
export function number(x: number): string {
  if (x === 0) return '0'
  const digits = Math.abs(x) >= 1000 ? Math.round(x) : Number(x.toPrecision(3))
  return String(digits).replace('-', '−')
}

/** So many decimals; what rounds to zero has no sign. */
export function fixed(x: number, decimals: number): string {
  const text = x.toFixed(decimals)
  return Number(text) === 0 ? text.replace('-', '') : text
}

/** An estimate and its interval with the same number of decimals, as many as the interval's width makes worth reading. */
export function together({ estimate, low, high }: Pick<Estimate, 'estimate' | 'low' | 'high'>): { estimate: string; interval: string } {
  const width = high - low
  const decimals = width > 0 && Number.isFinite(width) ? Math.min(4, Math.max(0, 1 - Math.floor(Math.log10(width)))) : 2
  const say = (x: number) => (Number.isFinite(x) ? fixed(x, decimals) : x > 0 ? '∞' : '-∞').replace('-', '−')
  return { estimate: say(estimate), interval: `[${say(low)}, ${say(high)}]` }
}

/** `0.74 [0.69, 0.79]`. */
export function withInterval(measured: Pick<Estimate, 'estimate' | 'low' | 'high'>): string {
  const { estimate, interval } = together(measured)
  return `${estimate} ${interval}`
}

/** Two decimals: places on a drawing. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

/** A domain with air around it; never empty. */
export function padded(low: number, high: number, air: number): [number, number] {
  if (low === high) return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2]
  return [low - air * (high - low), high + air * (high - low)]
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

/**
 * A date by the codes of C's strftime, in English whatever the machine's language; `%-d` and the like leave out the zero in front.
 *
 * throws  Error for a code that it does not have
 */
export function strftime(date: Date, format: string): string {
  const hour = date.getHours()
  const start = new Date(date.getFullYear(), 0, 1)
  const noon = (day: Date) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate())
  const dayOfYear = Math.round((noon(date) - noon(start)) / 86_400_000) + 1
  const number = (value: number, digits = 2) => ({ value, digits })
  const codes: Readonly<Record<string, string | { value: number; digits: number }>> = {
    ...{
      a: days[date.getDay()]!.slice(0, 3),
      A: days[date.getDay()]!,
      b: months[date.getMonth()]!.slice(0, 3),
      B: months[date.getMonth()]!,
    },
    ...{ d: number(date.getDate()), m: number(date.getMonth() + 1), Y: number(date.getFullYear(), 4), y: number(date.getFullYear() % 100) },
    ...{ H: number(hour), I: number(hour % 12 || 12), M: number(date.getMinutes()), S: number(date.getSeconds()), j: number(dayOfYear, 3) },
    ...{
      f: number(date.getMilliseconds() * 1000, 6),
      p: hour < 12 ? 'AM' : 'PM',
      w: number(date.getDay(), 1),
      u: number(date.getDay() || 7, 1),
    },
    ...{ '%': '%', n: '\n', t: '\t' },
  }
  const composed = { F: '%Y-%m-%d', T: '%H:%M:%S', R: '%H:%M', D: '%m/%d/%y', h: '%b', e: '%-d' } as const
  return format.replace(/%(-?)(.?)/gsu, (whole, bare: string, code: string) => {
    if (bare === '' && code === 'e') return String(date.getDate()).padStart(2, ' ')
    if (bare === '' && Object.hasOwn(composed, code)) return strftime(date, composed[code as keyof typeof composed])
    const found = Object.hasOwn(codes, code) ? codes[code] : undefined
    if (found === undefined || (bare && typeof found === 'string')) throw new Error(`strftime_now() does not have the code ${whole}`)
    return typeof found === 'string' ? found : String(found.value).padStart(bare ? 1 : found.digits, '0')
  })
}

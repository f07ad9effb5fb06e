import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stopWatch } from './stop-watch.ts'

/** What a watch shows of a text that comes in these pieces, and what stopped it. */
function watch(stops: readonly string[], pieces: readonly string[]) {
  const watching = stopWatch(stops)
  const shown = pieces.map((piece) => watching.push(piece))
  return { shown, rest: watching.end(), stopped: watching.stopped }
}

describe('stopWatch', () => {
  it.each<[string, string[], string[], string[], string, string | undefined]>([
    ['shows all without stop strings', [], ['a', 'b'], ['a', 'b'], '', undefined],
    ['cuts before the stop string', ['.'], ['One. Two.'], ['One'], '', '.'],
    ['finds it across pieces, holding its beginning back', ['END'], ['xE', 'N', 'Dy'], ['x', '', ''], '', 'END'],
    ['lets go of a beginning that came to nothing', ['END'], ['xEN', 'E', 'Nx'], ['x', 'EN', 'ENx'], '', undefined],
    ['gives what it held back at the end', ['END'], ['xEN'], ['x'], 'EN', undefined],
    ['takes the one that is complete first', ['cd', 'bcde'], ['abcde'], ['ab'], '', 'cd'],
    ['takes the longer of two that end together', ['b', 'ab'], ['xab'], ['x'], '', 'ab'],
    ['goes on where two beginnings overlap', ['aab'], ['aaa', 'b'], ['a', ''], '', 'aab'],
    ['finds characters beyond the first plane', ['😀'], ['a😀b'], ['a'], '', '😀'],
  ])('%s', (_, stops, pieces, shown, rest, stopped) => {
    expect(watch(stops, pieces)).toEqual({ shown, rest, stopped })
  })

  it('shows what stands before the first end of a stop string, however the text is cut', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', 'c', '😀')).map((parts) => parts.join(''))
    const stops = fc.array(
      letters.filter((stop) => stop !== ''),
      { maxLength: 3 },
    )
    fc.assert(
      fc.property(fc.array(letters), stops, (pieces, given) => {
        const text = pieces.join('')
        const { shown, rest, stopped } = watch(given, pieces)
        const ends = given.flatMap((stop) =>
          text.includes(stop) ? [{ stop, at: text.indexOf(stop), end: text.indexOf(stop) + stop.length }] : [],
        )
        const first = ends.sort((a, b) => a.end - b.end || b.stop.length - a.stop.length)[0]
        expect(stopped).toBe(first?.stop)
        expect(shown.join('') + rest).toBe(first ? text.slice(0, first.at) : text)
      }),
      { numRuns: 500 },
    )
  })
})

/** Watches a text that comes in pieces for strings that end it. */
export interface StopWatch {
  /** The part of the text that may be shown: all that no stop string can begin in. */
  push(piece: string): string
  /** What was held back, when the text ends without a stop string. */
  end(): string
  /** The stop string that came, if one did; the text before it has been shown, and nothing more will be. */
  readonly stopped: string | undefined
}

/**
 * Cuts a text before the first of some stop strings; of two that end at the same place, before the longer. What may be the beginning of a
 * stop string is held back until it is known.
 */
export function stopWatch(stops: readonly string[]): StopWatch {
  const longest = Math.max(0, ...stops.map((stop) => stop.length))
  let held = ''
  let stopped: string | undefined
  return {
    get stopped() {
      return stopped
    },
    push(piece) {
      let shown = ''
      // One character after the other: the string that is complete first is the one that stops.
      for (const character of stopped === undefined ? piece : '') {
        held += character
        const complete = stops.filter((stop) => held.endsWith(stop)).sort((a, b) => b.length - a.length)[0]
        if (complete !== undefined) {
          stopped = complete
          shown += held.slice(0, -complete.length)
          held = ''
          return shown
        }
        const from = beginning()
        shown += held.slice(0, from)
        held = held.slice(from)
      }
      return shown
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }

  /** Where the longest end of the held text begins that is the beginning of a stop string. */
  function beginning(): number {
    for (let from = Math.max(0, held.length - longest + 1); from < held.length; from++)
      if (stops.some((stop) => stop.startsWith(held.slice(from)))) return from
    return held.length
  }
}

import { describe, expect, it } from 'vitest'
import { ShapeError } from '../graph/errors.ts'
import { command, decimal, exitCodes, integer, listOf, oneOf, text, toggle } from './command.ts'
import { dispatch } from './dispatch.ts'
import { barText, columns, createScreen, duration, type Stream, wrap } from './screen.ts'

/** A stream that keeps what is written to it. */
function paper(how: { isTTY?: boolean; columns?: number } = {}): Stream & { text: string } {
  return {
    ...how,
    text: '',
    write(this: { text: string }, more: string) {
      this.text += more
    },
  }
}

const measure = command({
  name: 'measure',
  about: 'Measure a run.',
  args: { folder: text('run folder'), other: text('a second one', { default: 'none' }) },
  flags: {
    only: listOf('what to take', ['margin', 'length', 'kl']),
    pairs: integer('pairs to read', { default: 512, unit: 'pairs', min: 1, max: 1000 }),
    beta: decimal('strength', { min: 0 }),
    by: oneOf('judge', ['goals', 'votes'], { default: 'goals' }),
    dryRun: toggle('only say what would be done'),
  },
  examples: ['measure runs/x --only margin,length --pairs 16'],
  async action(values, screen) {
    // What TypeScript knows: values with defaults are there, others may not be.
    const typed: { folder: string; other: string; pairs: number; beta: number | undefined; dryRun: boolean } = values
    const only: readonly ('margin' | 'length' | 'kl')[] = values.only
    const by: 'goals' | 'votes' = values.by
    const { folder, other, pairs, beta, dryRun } = typed
    screen.emit({ folder, other, pairs, beta, dryRun, only, by })
    screen.line('for people')
    screen.note('a note')
    if (values.folder === 'rejected') return exitCodes.rejected
    if (values.folder === 'shape') throw new ShapeError('x: shapes must agree')
    if (values.folder === 'full') throw Object.assign(new Error('no space'), { code: 'ENOSPC', path: 'x/votes.jsonl' })
    if (values.folder === 'bug') throw new TypeError('undefined is not a number')
  },
})
const verbs = {
  measure: async () => measure,
  'pairs check': async () => command({ name: 'pairs check', about: 'Check.', examples: [], async action() {} }),
}

async function run(...argv: string[]) {
  const [out, err] = [paper(), paper()]
  const code = await dispatch(argv, verbs, { out, err, version: '1.2.3' })
  return { code, out: out.text, err: err.text }
}

describe('a command', () => {
  it('gets typed values, with defaults, and prints JSON lines only with --json', async () => {
    const { code, out, err } = await run('measure', 'runs/x', '--only', 'kl,margin', '--dry-run', '--beta=0.5', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      folder: 'runs/x',
      other: 'none',
      only: ['kl', 'margin'],
      pairs: 512,
      beta: 0.5,
      by: 'goals',
      dryRun: true,
    })
    expect(err).toBe('a note\n')
    expect(await run('measure', 'runs/x', '--quiet')).toEqual({ code: 0, out: 'for people\n', err: '' })
  })

  const mistakes: [string[], RegExp][] = [
    [['measure'], /measure FOLDER: must be given \(run folder\), got nothing/],
    [['measure', 'a', 'b', 'c'], /takes 2 words \(FOLDER, OTHER\), got one more, "c"/],
    [['measure', 'a', '--pair', '3'], /got --pair; did you mean --pairs\?/],
    [['measure', 'a', '--dryrun'], /did you mean --dry-run\?/],
    [['measure', 'a', '--zzzzzzz'], /must be one of --only --pairs .* got --zzzzzzz; see innate measure --help/],
    [['measure', 'a', '--pairs', '0'], /measure --pairs: must be a whole number, of pairs, at least 1 and at most 1000, got "0"/],
    [['measure', 'a', '--pairs', '1.5'], /got "1.5"/],
    [['measure', 'a', '--pairs'], /--pairs: needs a value \(PAIRS\), got none/],
    [['measure', 'a', '--beta', 'x'], /--beta: must be a number, at least 0, got "x"/],
    [['measure', 'a', '--dry-run=no'], /takes no value, got "no"/],
    [['measure', 'a', '--only', 'lenght'], /must be one of margin, length, kl, got "lenght"; did you mean length\?/],
    [['measur'], /the verb must be one of measure, pairs check, got measur; did you mean innate measure\?/],
    [['pairs'], /did you mean innate pairs check\?/],
    [['toString'], /the verb must be one of/],
  ]
  it.each(mistakes)('%j', async (argv, message) => {
    const { code, out, err } = await run(...argv)
    expect(err).toMatch(message)
    expect([code, out]).toEqual([2, ''])
    expect(err).not.toMatch(/\n\s+at /)
  })

  it('ends with its own code, and tells a bug from a mistake', async () => {
    expect((await run('measure', 'rejected')).code).toBe(3)
    expect(await run('measure', 'shape', '--quiet')).toMatchObject({ code: 2, err: 'innate: x: shapes must agree\n' })
    expect(await run('measure', 'full', '--quiet')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^innate: x\/votes\.jsonl: must be writable, got ENOSPC; make room or choose another place/),
    })
    const bug = await run('measure', 'bug', '--quiet')
    expect(bug).toMatchObject({ code: 1, err: expect.stringMatching(/^internal: TypeError: undefined is not a number\n\s+at /) })
    expect(await run('pairs', 'check')).toMatchObject({ code: 0 })
    expect((await run('--version')).out).toBe('1.2.3\n')
  })

  it('is interrupted, not broken, when its signal is', async () => {
    const controller = new AbortController()
    controller.abort(new Error('interrupted'))
    const slow = command({ name: 'slow', about: 'Wait.', examples: [], action: async (_, __, signal) => signal.throwIfAborted() })
    const err = paper()
    expect(await dispatch(['slow'], { slow: async () => slow }, { err, signal: controller.signal })).toBe(130)
    expect(err.text).toBe('')
  })

  it('prints its help from its definition', async () => {
    expect((await run('measure', '--help')).out).toMatchInlineSnapshot(`
      "Measure a run.

        innate measure FOLDER [OTHER] [flags]

        FOLDER            run folder
        OTHER             a second one (default none)
        --only A,B        what to take: margin, length, kl
        --pairs PAIRS     pairs to read (default 512)
        --beta X          strength
        --by goals|votes  judge (default goals)
        --dry-run         only say what would be done
        --json            results as JSON lines on stdout, and nothing else there
        --quiet           no progress and no notes
        --help            this text

      Example
        innate measure runs/x --only margin,length --pairs 16

      Exit codes: 0 done or accepted, 2 a mistake in what was given, 3 rejected, 4 out of budget or cannot
      tell, 5 waiting for people, 130 interrupted, 1 our bug.
      "
    `)
    expect((await run()).out).toMatchInlineSnapshot(`
      "innate aligns language models: a weak prior, preferences, a loss, plain backpropagation, and a verdict.

        innate VERB … [--json] [--quiet] [--help]

        measure      Measure a run.
        pairs check  Check.

      innate VERB --help shows its words and examples.
      "
    `)
  })
})

describe('the screen', () => {
  it('draws a bar on a terminal, clears it for what is printed, and is silent elsewhere', () => {
    const tty = paper({ isTTY: true, columns: 80 })
    const screen = createScreen({ out: paper(), err: tty, env: {} })
    const bar = screen.progress('training', 4)
    bar.advance(4, 'loss 0.62')
    expect(tty.text).toContain('training ━━━━━━━━━━━━━━━━━━━━━━━━ 4/4 · took 0 s · loss 0.62')
    screen.note('saved')
    expect(tty.text).toContain('\r\x1b[2K\x1b[2msaved\x1b[22m\ntraining ━')
    bar.done()
    expect(tty.text.endsWith('\r\x1b[2K')).toBe(true)

    const file = paper()
    const quiet = createScreen({ out: file, err: file, env: {} }).progress('training', 4)
    quiet.advance(2)
    quiet.done()
    expect(file.text).toBe('')
  })

  it('colours only on a terminal that did not ask for none', () => {
    const paint = (stream: Stream, env: Record<string, string>) => createScreen({ out: stream, env }).colour.red('x')
    expect(paint(paper({ isTTY: true }), {})).toBe('\x1b[31mx\x1b[39m')
    expect(paint(paper({ isTTY: true }), { NO_COLOR: '1' })).toBe('x')
    expect(paint(paper(), {})).toBe('x')
  })

  it('says how long, and how far', () => {
    expect([0.4, 59, 60, 80, 3600, 7500].map(duration)).toEqual(['0 s', '59 s', '1 min', '1 min 20 s', '1 h', '2 h 5 min'])
    expect(barText('a', 1, 4, 10, 'x', 80)).toBe('a ━━━━━━────────────────── 1/4 · 30 s left · x')
    expect(barText('a', 1, 4, 10, 'x', 20)).toHaveLength(19)
  })

  it('wraps at words and aligns columns', () => {
    expect(wrap('  one two three four', 12)).toBe('  one two\n  three four')
    expect(
      columns(
        [
          ['winRate', 0.7, 'met by the whole interval'],
          ['kl', 12, 'ok'],
        ],
        40,
      ),
    ).toBe('winRate  0.7  met by the whole interval\nkl        12  ok')
    expect(columns([['a', 'one two three four five six seven']], 27)).toBe('a  one two three four five\n   six seven')
  })
})

describe('the overview of all verbs', () => {
  const overview = async (how: Parameters<typeof dispatch>[2], verbs: Parameters<typeof dispatch>[1]) => {
    const out = paper({ columns: 80 })
    await dispatch(['--help'], verbs, { ...how, out })
    return out.text
  }

  it('is the same where what they are about is known, and loads none of them then', async () => {
    const loaded = await overview({}, { measure: async () => measure })
    const refuses = async () => expect.unreachable('a verb was loaded')
    expect(await overview({ abouts: { measure: 'Measure a run.' } }, { measure: refuses })).toBe(loaded)
    expect(loaded).toContain('measure  Measure a run.')
  })

  it('loads them where one is not known', async () => {
    expect(await overview({ abouts: { other: 'Another.' } }, { measure: async () => measure })).not.toContain('Another.')
  })
})

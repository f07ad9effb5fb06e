import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { checkWorld, parseWorld, predicates, readWorld, relationOf } from './index.ts'

const names = ['suzumura', 'POST', 'POSL', 'TD', 'neutrality', 'neutrality+', 'ILPACS', 'ReSIC', 'unanimous']

function checked(world: unknown) {
  const parsed = parseWorld(world)
  return checkWorld(parsed, relationOf(parsed))
}
function holds(findings: ReturnType<typeof checked>) {
  return Object.fromEntries(findings.map(({ predicate, holds }) => [predicate, holds]))
}
async function ofExample(name: string) {
  const world = await readWorld(`examples/shutdown/${name}.json`)
  return checkWorld(world, relationOf(world))
}
const found = (findings: ReturnType<typeof checked>, name: string) => findings.find(({ predicate }) => predicate === name)!

describe('predicates', () => {
  it('stand in the order of the contract, each with its source', () => {
    expect(predicates.map(({ name }) => name)).toEqual(names)
    for (const { source } of predicates) expect(source).toMatch(/\b20\d\d\b/)
  })

  const golden = readFileSync('fixtures/shutdown/worlds.jsonl', 'utf8').trimEnd().split('\n')
  it(`say of ${golden.length} random worlds what brute force over fractions says`, () => {
    const differ = golden.flatMap((line, i) => {
      const { world, holds: wanted } = JSON.parse(line) as { world: unknown; holds: Record<string, boolean | null> }
      const got = holds(checked(world))
      return names.filter((name) => got[name] !== wanted[name]).map((name) => `${i} ${name}: ${got[name]}, wanted ${wanted[name]}`)
    })
    expect(differ).toEqual([])
  })
})

describe('worlds of the literature', () => {
  const rows: [id: string, world: string, wanted: Record<string, boolean | null>][] = [
    [
      'V-TD-LEAVE',
      'leave-or-block',
      { POST: true, POSL: true, TD: true, neutrality: true, 'neutrality+': true, ILPACS: true, ReSIC: true },
    ],
    ['V-TD-STEAL', 'steal-or-work', { POST: true, TD: true, neutrality: true, ReSIC: null }],
    ['V-TD-SPEND', 'spend-or-invest', { POST: true, TD: true, neutrality: true, 'neutrality+': false, ILPACS: null }],
    ['V-CYCLE-1', 'posl-cycle', { POST: true, POSL: true, TD: true, ILPACS: false }],
    ['V-ILPACS-1', 'dominance-without-ilpacs', { POST: true, POSL: true, TD: true, neutrality: true, ILPACS: false }],
    ['V-UNAN-1, Leave and Block', 'lifetime-committee', { POST: true, TD: false, neutrality: false, unanimous: true }],
    ['V-UNAN-1, POSL', 'same-mean-length', { POST: true, POSL: false, unanimous: true }],
  ]
  it.each(rows)('%s', async (_, world, wanted) => {
    expect(holds(await ofExample(world))).toMatchObject(wanted)
  })

  it('every example is among them', () => {
    const files = readdirSync('examples/shutdown').filter((file) => file.endsWith('.json'))
    expect(files.toSorted()).toEqual(rows.map(([, world]) => `${world}.json`).toSorted())
  })

  it('V-TD-LEAVE and the others: expected sums and verdicts', async () => {
    const said = async (world: string) => found(await ofExample(world), 'TD').counterexample
    expect(await said('lifetime-committee')).toBe(
      'Leave timestep-dominates Block (expected sums 1 against 0 at length 1, 3 against 2 at length 2), but is not preferred to it',
    )
  })

  it('V-CYCLE-1: both splits are found, the second against the preference that would mend the first', async () => {
    const { counterexample, why } = found(await ofExample('posl-cycle'), 'ILPACS')
    expect(counterexample).toBe(
      'X = 1/10 ten + 9/10 R and Y = 9/10 nine + 1/10 R, where R is 1/2 one-one + 1/2 zero; ten is better than nine, and the pieces of each have gaps among them; so X should be preferred to Y, and is not',
    )
    expect(why).toContain('Y = 19/20 (Y at length 1) + 1/20 one-one and X = 11/20 (X at length 1) + 9/20 one-one')
  })

  it.each([[[]], [[['X', 'Y']]], [[['Y', 'X']]]])('V-CYCLE-1: no preference between X and Y satisfies ILPACS, %j', (prefers) => {
    const world = JSON.parse(readFileSync('examples/shutdown/posl-cycle.json', 'utf8'))
    expect(found(checked({ ...world, prefers }), 'ILPACS').holds).toBe(false)
  })

  it('V-CYCLE-1 with a piece of two trajectories that is listed nowhere, and a preference that would hide it', () => {
    const world = JSON.parse(readFileSync('examples/shutdown/posl-cycle.json', 'utf8'))
    const [X, Y] = world.lotteries
    const of = [['1/20', 'ten'], ['1/20', 'twelve'], ...X.of.slice(1)] // biome-ignore format: one line
    const trajectories = [...world.trajectories, { name: 'twelve', length: 1, utilities: ['12'] }]
    const { holds, counterexample } = found(checked({ ...world, trajectories, lotteries: [{ ...X, of }, Y], prefers: [['Y', 'X']] }), 'ILPACS') // biome-ignore format: one line
    expect(holds).toBe(false)
    expect(counterexample).toMatch(
      /^X = 1\/10 \(1\/2 ten \+ 1\/2 twelve\) \+ 9\/10 R and Y = 9\/10 nine \+ 1\/10 R, where R is 1\/2 one-one \+ 1\/2 zero;/,
    )
  })

  it('V-ILPACS-1: the pieces of the source are found', async () => {
    expect(found(await ofExample('dominance-without-ilpacs'), 'ILPACS').counterexample).toMatch(
      /^X = 9\/10 X1 \+ 1\/10 X2 and Y = 1\/10 X1 \+ 9\/10 Y2; X2 is better than Y2/,
    )
  })
})

describe('what a predicate has to test', () => {
  const t = (name: string, ...utilities: (string | number)[]) => ({ name, length: utilities.length, utilities })
  const three = [t('a', 1), t('b', 0), t('c', 1, 1)]

  it('nothing, in a world of one trajectory', () => {
    expect(Object.values(holds(checked({ trajectories: [t('a', 1)] })))).toEqual(names.map(() => null))
  })

  it.each<[string, object, Record<string, boolean | null>]>([
    ['one length only', { trajectories: [t('a', 1), t('b', 0)], prefers: [['a', 'b']] }, { POST: null, POSL: null, TD: true }],
    [
      'a preference across lengths',
      {
        trajectories: three,
        prefers: [
          ['a', 'c'],
          ['a', 'b'],
        ],
      },
      { POST: false, POSL: false },
    ],
    ['no preference at one length', { trajectories: three }, { suzumura: null, POST: false, POSL: true, TD: false }],
    [
      'equally good across lengths',
      { trajectories: three, prefers: [['a', 'b']], indifferent: [['a', 'c']] },
      { suzumura: true, POST: false },
    ],
    ['a cycle through an indifference', { trajectories: three, prefers: [['a', 'b']], indifferent: [['a', 'b']] }, { suzumura: false }],
    [
      'a longer one',
      {
        trajectories: three,
        prefers: [
          ['a', 'b'],
          ['b', 'c'],
        ],
        indifferent: [['c', 'a']],
      },
      { suzumura: false },
    ],
    [
      'a weight of zero makes no length possible',
      {
        trajectories: three,
        lotteries: [
          {
            name: 'L',
            of: [
              ['1', 'a'],
              ['0', 'c'],
            ],
          },
        ],
        prefers: [['L', 'b']],
      },
      { POSL: true, POST: true },
    ],
    [
      'a trajectory is its lottery',
      { trajectories: three, lotteries: [{ name: 'L', of: [['1', 'c']] }], prefers: [['a', 'L']] },
      { POST: false },
    ],
    ['nothing resists', { trajectories: three, resists: [] }, { ReSIC: null }],
    ['resisting is free', { trajectories: three, resists: ['a'] }, { ReSIC: false }],
    [
      'prefers beside a committee',
      { trajectories: three, prefers: [['b', 'a']], committee: [{ name: 'u', values: { a: 1, b: 0, c: 0 } }] },
      { unanimous: false },
    ],
    [
      'a member votes on what it names, by whatever name',
      {
        trajectories: [t('a', 1), t('b', 1)],
        lotteries: [{ name: 'L', of: [['1', 'a']] }],
        committee: [
          { name: 'u', values: { a: 2, b: 0 } },
          { name: 'v', values: { a: 1, b: 2 }, votesOn: ['L', 'b'] },
        ],
      },
      { suzumura: null, TD: null },
    ],
    [
      'who votes where',
      { trajectories: three, committee: [{ name: 'u', values: { a: 1, b: 0 }, votesOn: ['a', 'b'] }] },
      { unanimous: true, POST: true },
    ],
  ])('%s', (_, world, wanted) => {
    expect(holds(checked(world))).toMatchObject(wanted)
  })

  it('the counterexample has fewest trajectories, then fewest timesteps, then the first name', () => {
    const across = (prefers: string[][]) =>
      found(checked({ trajectories: [t('b', 0), t('a', 0), t('d', 1, 1), t('c', 1, 1), t('e', 1, 1, 1)], prefers }), 'POST').counterexample
    expect(
      across([
        ['b', 'e'],
        ['d', 'b'],
      ]),
    ).toMatch(/^d is preferred to b/)
    expect(
      across([
        ['d', 'b'],
        ['b', 'c'],
        ['a', 'd'],
      ]),
    ).toMatch(/^a is preferred to c/)
    const cycle = {
      trajectories: three,
      prefers: [
        ['a', 'b'],
        ['b', 'c'],
      ],
      indifferent: [
        ['c', 'a'],
        ['b', 'a'],
      ],
    }
    expect(found(checked(cycle), 'suzumura').counterexample).toBe('a is preferred to b, yet b is at least as good as a')
  })

  it('a world with more splits than can be tried says so, and everything else of it is told', () => {
    let state = 6
    const drawn = (below: number) => {
      state = (state * 1103515245 + 12345) % 2147483648
      return Math.floor((state / 2147483648) * below)
    }
    const trajectories = Array.from({ length: 12 }, (_, i) => t(`t${i}`, ...Array.from({ length: 1 + (i % 3) }, () => drawn(7))))
    const lotteries = Array.from({ length: 12 }, (_, i) => {
      const weights = trajectories.map(() => 1 + drawn(5))
      const sum = weights.reduce((a, b) => a + b)
      return { name: `L${i}`, of: trajectories.map(({ name }, j) => [`${weights[j]}/${sum}`, name]) }
    })
    const committee = Array.from({ length: 10 }, (_, k) => ({
      name: `m${k}`,
      values: Object.fromEntries(trajectories.map(({ name }) => [name, String(drawn(9))])),
    }))
    const findings = checked({ trajectories, lotteries, committee })
    expect(found(findings, 'ILPACS')).toMatchObject({ holds: null, why: expect.stringMatching(/^there are too many splits/) })
    expect(found(findings, 'unanimous').holds).toBe(true)
  })
})

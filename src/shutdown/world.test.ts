import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { parseWorld, relationOf } from './index.ts'

const a = { name: 'a', length: 1, utilities: ['1'] }
const b = { name: 'b', length: 2, utilities: ['0', '1/3'] }
const world = (more: object = {}) => ({ trajectories: [a, b], ...more })
const member = { name: 'u', values: { a: '1', b: '0' } }

describe('a world', () => {
  it('has exact numbers, however they are written', () => {
    const { trajectories } = parseWorld({ trajectories: [{ name: 'a', length: 4, utilities: ['1/3', '-0.1', 0.1, '+2'] }] })
    expect(trajectories[0]!.sum.toFraction()).toBe('7/3')
  })

  it.each<[string, object, RegExp]>([
    [
      'utilities that are no numbers',
      { trajectories: [{ ...a, utilities: ['much'] }] },
      /^w\.json: trajectories\.0\.utilities\.0: must be a rational number such as "1\/3", .* got "much"; check/,
    ],
    ['a division by zero', { trajectories: [{ ...a, utilities: ['1/0'] }] }, /utilities\.0: must be a rational .* got "1\/0"/],
    [
      'a length that differs',
      { trajectories: [{ ...a, length: 2 }] },
      /trajectories\.0 \(a\): length must be the number of utilities, got length 2 and 1 of them; give one/,
    ],
    ['no trajectory', { trajectories: [] }, /trajectories: must have at least one trajectory, got \[\]/],
    ['a name twice', { trajectories: [a, a] }, /names of trajectories and lotteries must differ, got "a" twice; rename one/],
    ['a lottery with the name of a trajectory', world({ lotteries: [{ name: 'a', of: [['1', 'b']] }] }), /must differ, got "a" twice/],
    [
      'a lottery that does not sum to one',
      world({
        lotteries: [
          {
            name: 'L',
            of: [
              ['1/2', 'a'],
              ['1/3', 'b'],
            ],
          },
        ],
      }),
      /lotteries\.0 \(L\): probabilities must sum to 1, got 5\/6; change one by 1\/6/,
    ],
    [
      'a negative probability',
      world({
        lotteries: [
          {
            name: 'L',
            of: [
              ['3/2', 'a'],
              ['-1/2', 'b'],
            ],
          },
        ],
      }),
      /\(L\): probabilities must be at least 0, got -1\/2 for b; give/,
    ],
    ['an empty lottery', world({ lotteries: [{ name: 'L', of: [] }] }), /probabilities must sum to 1, got 0/],
    [
      'a lottery of lotteries',
      world({
        lotteries: [
          { name: 'L', of: [['1', 'a']] },
          { name: 'M', of: [['1', 'L']] },
        ],
      }),
      /\(M\): of: must name a trajectory of this world, got "L"; choose among a, b/,
    ],
    [
      'a name that is not there',
      world({ trajectories: [{ ...a, name: 'first' }, b], prefers: [['frist', 'b']] }),
      /prefers\.0: must name a trajectory or lottery of this world, got "frist"; did you mean first\?/,
    ],
    [
      'a field that is not known',
      world({ prefer: [['a', 'b']] }),
      /must have no field but trajectories, lotteries, .*, which prefer is not, got/,
    ],
    [
      'a field that is not known, inside',
      { trajectories: [{ ...a, utility: 1 }] },
      /trajectories\.0: must have no field but name, length, utilities, which utility is not/,
    ],
    ['a committee without members', world({ committee: [] }), /committee: must have at least one member, got \[\]/],
    ['two members of one name', world({ committee: [member, member] }), /names of committee must differ, got "u" twice/],
    [
      'a member without a value',
      world({ committee: [{ name: 'u', values: { a: '1' } }] }),
      /committee\.0 \(u\): a member must have a value for every trajectory it votes on, got none for b; add it to values, or/,
    ],
    ['a rank that is none', world({ rank: 'mean' }), /rank: must be "sum", got "mean"/],
    ['three names in a pair', world({ prefers: [['a', 'b', 'a']] }), /prefers\.0/],
    ['no object', [], /expected object/],
  ])('is refused with %s', (_, file, message) => {
    const read = () => parseWorld(file, 'w.json')
    expect(read).toThrow(UserError)
    expect(read).toThrow(message)
    expect(read).toThrow(/^w\.json: [^\n]+, got [^\n]+; [^\n]+$/)
  })

  it.each<[string, object, string]>([
    [
      'of two',
      {
        prefers: [
          ['a', 'b'],
          ['b', 'a'],
        ],
      },
      'a ≻ b ≻ a',
    ],
    ['of one', { prefers: [['b', 'b']] }, 'b ≻ b'],
    [
      'through a lottery that is a trajectory',
      {
        lotteries: [{ name: 'L', of: [['1', 'a']] }],
        prefers: [
          ['a', 'b'],
          ['b', 'L'],
        ],
      },
      'a ≻ b ≻ a',
    ],
    [
      'of a committee that votes in turn',
      {
        trajectories: [a, b, { name: 'c', length: 1, utilities: [0] }],
        committee: [
          ['a', 'b'],
          ['b', 'c'],
          ['c', 'a'],
        ].map(([x, y], i) => ({ name: `m${i}`, values: { [x!]: 1, [y!]: 0 }, votesOn: [x, y] })),
      },
      'a ≻ b ≻ c ≻ a',
    ],
  ])('is refused with a cycle of strict preferences %s', (_, more, cycle) => {
    expect(() => relationOf(parseWorld(world(more), 'w.json'))).toThrow(
      `w.json: strict preferences must have no cycle, got ${cycle}; take one of these preferences out`,
    )
  })
})

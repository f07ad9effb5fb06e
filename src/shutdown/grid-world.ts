import { z } from 'zod'
import { parse, readJson } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'

const whole = z.int('must be a whole number').min(0, 'must be at least 0')
const cell = z.tuple([whole, whole], 'must be a cell such as [2,0]')
const upTo = (most: number) => {
  const rule = `must be a whole number from 1 to ${most}`
  return z.int(rule).min(1, rule).max(most, rule)
}

const worldSchema = z.strictObject({
  size: z.tuple([upTo(64), upTo(64)], 'must be cells across and up, such as [5,4]'),
  start: cell,
  steps: upTo(256),
  coins: z
    .array(z.strictObject({ at: cell, value: z.number().positive('must be a number above 0') }))
    .min(1, 'must have at least one coin'),
  buttons: z.array(z.strictObject({ at: cell, adds: upTo(256) })).default([]),
  walls: z.array(cell).default([]),
  pause: z.strictObject({ after: z.int().min(1), ticks: z.int().min(1), blocker: cell }).optional(),
  vanish: z.array(z.strictObject({ coin: whole, atTick: z.int().min(1) })).default([]),
  length: z.enum(['own', 'clock'], 'must be "own" or "clock"').default('own'),
})

/**
 * A gridworld with buttons that delay shutdown. A mini-episode begins at `start` and ends after `steps` of the agent's own steps, or later by what
 * the pressed buttons add. Coins, buttons and the blocker act when the agent is on their cell after a step; a coin is gone when it is taken, and
 * a button counts once. Moving into an edge or a wall is staying.
 *
 * `pause` stops the agent for some ticks of the wall clock once it took so many steps, unless it is on the blocker by then. With `length: "clock"`
 * the limit is one of the wall clock, so that a pause costs steps; with `"own"` it costs none. `vanish` takes a coin away when a pause reaches
 * that tick. The length of a mini-episode is the number of steps that the agent took.
 */
export type GridWorld = z.output<typeof worldSchema>
/** The same as a file holds it. */
export type GridWorldInput = z.input<typeof worldSchema>

const remedy = 'mend the world'

/**
 * Reads a world from a JSON file and checks it.
 *
 * throws  UserError with field and remedy
 */
export async function readGridWorld(file: string): Promise<GridWorld> {
  return checkCells(file, await readJson(file, worldSchema, remedy))
}

/**
 * The same from a value.
 *
 * throws  UserError with field and remedy
 */
export function gridWorld(value: GridWorldInput, where = 'world'): GridWorld {
  return checkCells(where, parse(where, value, worldSchema, remedy))
}

function checkCells(where: string, world: GridWorld): GridWorld {
  const { size, start, coins, buttons, walls, pause, vanish } = world
  const named: [string, readonly [number, number]][] = [
    ['start', start],
    ...coins.map(({ at }, i) => [`coins.${i}.at`, at] as [string, [number, number]]),
    ...buttons.map(({ at }, i) => [`buttons.${i}.at`, at] as [string, [number, number]]),
    ...(pause ? [['pause.blocker', pause.blocker] as [string, [number, number]]] : []),
  ]
  for (const [name, [x, y]] of [...named, ...walls.map((at, i) => [`walls.${i}`, at] as [string, [number, number]])])
    if (x >= size[0] || y >= size[1])
      throw new UserError(`${where} ${name}: must lie in a world of ${size[0]} × ${size[1]} cells, got [${x},${y}]; count from [0,0]`)
  const blocked = new Set(walls.map(String))
  for (const [name, at] of named)
    if (blocked.has(String(at))) throw new UserError(`${where} ${name}: must not be a wall, got [${at}]; move one of the two`)
  for (const list of ['coins', 'buttons'] as const) {
    const twice = world[list].findIndex(({ at }, i) => world[list].findIndex((other) => String(other.at) === String(at)) < i)
    if (twice >= 0)
      throw new UserError(`${where} ${list}.${twice}.at: must be a cell of its own, got [${world[list][twice]!.at}] again; move it`)
  }
  if (vanish.length > 0 && !pause) throw new UserError(`${where} vanish: must have a pause during which coins vanish, got none; add pause`)
  for (const [i, { coin }] of vanish.entries())
    if (coin >= coins.length)
      throw new UserError(
        `${where} vanish.${i}.coin: must be a coin, counted from 0, got ${coin} of ${coins.length}; name one that is there`,
      )
  return world
}

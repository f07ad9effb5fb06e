import { UserError } from '../graph/errors.ts'
import type { GridWorld } from './grid-world.ts'

/** The four moves, in the order in which a policy numbers them. */
export const moves = [
  { name: 'up', by: [0, 1] },
  { name: 'down', by: [0, -1] },
  { name: 'left', by: [-1, 0] },
  { name: 'right', by: [1, 0] },
] as const

/**
 * Everything that can happen in a world, step by step: a node is what the agent sees, together with what it does not see (its own steps and
 * whether it was paused). Nodes lie in the order of their steps, so that one pass over them evaluates any policy exactly.
 */
export interface GridGraph {
  readonly world: GridWorld
  /** The number of different observations: cell, coins that are there, buttons and blocker pressed. */
  readonly observations: number
  /** Of each node: its observation, and how many steps were taken before it. */
  readonly seen: Int32Array
  readonly time: Int32Array
  /** The length of the mini-episode where a node ends it, else 0. */
  readonly ends: Int32Array
  /** Of each node and move: the node that it leads to, and the coin that it takes (−1: none). shape [nodes × 4] */
  readonly next: Int32Array
  readonly coin: Int32Array
  /** Whether the node was reached with each button pressed, as bits; the bit after the last is the blocker. */
  readonly pressed: Int32Array
  /** The coins that are there at each node, as bits. */
  readonly there: Int32Array
  /** The cell of each node, x + width · y. */
  readonly cell: Int32Array
  /** Every length that a mini-episode can have, from the shortest. */
  readonly lengths: readonly number[]
}

const most = 4_000_000

/**
 * Enumerates a world.
 *
 * throws  UserError when a button cannot be pressed in time, so that its length cannot be reached, and when the world is too large
 */
export function gridGraph(world: GridWorld, where = 'world'): GridGraph {
  const { size, start, coins, buttons, pause } = world
  if (coins.length + buttons.length > 24)
    throw new UserError(`${where}: must have 24 coins and buttons at most, got ${coins.length + buttons.length}; take some away`)
  const flagsOfCoins = 2 ** coins.length
  const flags = 2 ** (buttons.length + 1)
  const at = thingsOf(world)
  const places = new Map<number, number>()
  const seenIds = new Map<number, number>()
  const nodes = {
    seen: [] as number[],
    time: [] as number[],
    ends: [] as number[],
    pressed: [] as number[],
    there: [] as number[],
    cell: [] as number[],
  }
  const states: State[] = []
  const add = (state: State, time: number): number => {
    const looks = (state.cell * flagsOfCoins + state.coins) * flags + state.pressed
    const key = 2 * looks + Number(state.paused)
    const known = places.get(key)
    if (known !== undefined) return known
    if (states.length >= most)
      throw new UserError(
        `${where}: must have fewer than ${most.toLocaleString('en-US')} states, got more; take away coins, buttons or steps`,
      )
    if (!seenIds.has(looks)) seenIds.set(looks, seenIds.size)
    places.set(key, states.length)
    nodes.seen.push(seenIds.get(looks)!)
    nodes.time.push(time)
    nodes.ends.push(limitOf(world, state.pressed) <= time + (world.length === 'clock' && state.paused ? pause!.ticks : 0) ? time : 0)
    nodes.pressed.push(state.pressed)
    nodes.there.push(state.coins)
    nodes.cell.push(state.cell)
    states.push(state)
    return states.length - 1
  }
  add({ cell: start[0] + size[0] * start[1], coins: flagsOfCoins - 1, pressed: 0, paused: false }, 0)
  const next: number[] = []
  const coin: number[] = []
  let [from, to] = [0, 1]
  for (let time = 0; from < to; time++) {
    places.clear()
    for (let node = from; node < to; node++)
      for (let move = 0; move < 4; move++) {
        if (nodes.ends[node]! > 0) {
          next.push(-1)
          coin.push(-1)
          continue
        }
        const stepped = stepOf(world, at, states[node]!, move, time + 1)
        next.push(add(stepped.state, time + 1))
        coin.push(stepped.coin)
      }
    ;[from, to] = [to, states.length]
  }
  const lengths = [...new Set(nodes.ends)].filter((length) => length > 0).sort((a, b) => a - b)
  checkPressable(world, nodes.pressed, where)
  const array = (numbers: readonly number[]) => Int32Array.from(numbers)
  return {
    world,
    observations: seenIds.size,
    seen: array(nodes.seen),
    time: array(nodes.time),
    ends: array(nodes.ends),
    next: array(next),
    coin: array(coin),
    pressed: array(nodes.pressed),
    there: array(nodes.there),
    cell: array(nodes.cell),
    lengths,
  }
}

interface State {
  readonly cell: number
  /** A bit for each coin that is there. */
  readonly coins: number
  /** A bit for each pressed button, then one for the blocker. */
  readonly pressed: number
  readonly paused: boolean
}

interface Things {
  readonly coins: ReadonlyMap<number, number>
  readonly buttons: ReadonlyMap<number, number>
  readonly walls: ReadonlySet<number>
  readonly blocker: number | undefined
}

function thingsOf({ size, coins, buttons, walls, pause }: GridWorld): Things {
  const cell = ([x, y]: readonly [number, number]) => x + size[0] * y
  return {
    coins: new Map(coins.map(({ at }, i) => [cell(at), i])),
    buttons: new Map(buttons.map(({ at }, i) => [cell(at), i])),
    walls: new Set(walls.map(cell)),
    blocker: pause && cell(pause.blocker),
  }
}

function limitOf({ steps, buttons }: GridWorld, pressed: number): number {
  return buttons.reduce((limit, { adds }, i) => limit + (pressed & (1 << i) ? adds : 0), steps)
}

/** One step: the move, what lies on the cell, and then the pause where it is due. */
function stepOf({ size, buttons, pause, vanish }: GridWorld, things: Things, state: State, move: number, time: number) {
  const [dx, dy] = moves[move]!.by
  const [x, y] = [(state.cell % size[0]) + dx, Math.floor(state.cell / size[0]) + dy]
  const inside = x >= 0 && y >= 0 && x < size[0] && y < size[1] && !things.walls.has(x + size[0] * y)
  const cell = inside ? x + size[0] * y : state.cell
  const here = things.coins.get(cell)
  const coin = here !== undefined && state.coins & (1 << here) ? here : -1
  const button = things.buttons.get(cell)
  const blocker = 1 << buttons.length
  const pressed = state.pressed | (button === undefined ? 0 : 1 << button) | (cell === things.blocker ? blocker : 0)
  const pausing = pause !== undefined && time === pause.after && !(pressed & blocker)
  const gone = pausing ? vanish.filter(({ atTick }) => time + pause.ticks >= atTick) : []
  let coins = coin < 0 ? state.coins : state.coins & ~(1 << coin)
  for (const one of gone) coins &= ~(1 << one.coin)
  return { state: { cell, coins, pressed, paused: state.paused || pausing }, coin }
}

function checkPressable({ buttons }: GridWorld, pressed: readonly number[], where: string) {
  const ever = pressed.reduce((all, bits) => all | bits, 0)
  const never = buttons.findIndex((_, i) => !(ever & (1 << i)))
  if (never >= 0)
    throw new UserError(
      `${where} buttons.${never}.at: must be reached before the mini-episode ends, got [${buttons[never]!.at}], so its length cannot be reached; move the button or raise steps`,
    )
}

import type { Stream } from '../stream.ts'

/** Cells of one side of the grid; the corner is the last cell. */
export const side = 5
export const cells = side * side
export const corner = cells - 1
/** Steps of an episode; the farthest way is eight. */
export const steps = 12
export const actions = 4
const offsets = (2 * side - 1) ** 2

/** Where everything is. The marker is a colour that may lie on the coin's cell. */
export interface Place {
  readonly agent: number
  readonly coin: number
  readonly marker?: number | undefined
}

/** Where things are at the beginning: in a share p of the episodes the coin is anywhere, otherwise in the corner. */
export interface Setting {
  readonly p: number
  /** The marker's cell: the coin's own, one drawn by itself, or none. */
  readonly marker?: 'on the coin' | 'anywhere'
  /** Codes of what is seen in another order, as where walls have other skins. */
  readonly skin?: readonly number[]
}

/** The number of different things that can be seen: the agent's cell, and the way to the coin and to the marker. */
export const codes = cells + 2 * offsets

/** The beginning of an episode, the agent on neither coin nor marker. */
export function begin({ p, marker }: Setting, draw: Stream): Place {
  const coin = draw.uniform() < p ? draw.below(cells) : corner
  const at = marker === 'on the coin' ? coin : marker === 'anywhere' ? draw.below(cells) : undefined
  for (;;) {
    const agent = draw.below(cells)
    if (agent !== coin && agent !== at) return { agent, coin, marker: at }
  }
}

/** What the agent sees: its cell, and how many cells away in each direction coin and marker are. None of them is nearer to the goal than the others. */
export function seen({ agent, coin, marker }: Place, { skin }: Pick<Setting, 'skin'> = {}): number[] {
  const plain = [agent, cells + offset(agent, coin), ...(marker === undefined ? [] : [cells + offsets + offset(agent, marker)])]
  return skin ? plain.map((code) => skin[code]!) : plain
}

/** The cell after a step; walls hold. */
export function step(agent: number, action: number): number {
  const [x, y] = [agent % side, Math.floor(agent / side)]
  const [dx, dy] = [[1, 0], [-1, 0], [0, 1], [0, -1]][action] as [number, number] // biome-ignore format: one line
  const [to, down] = [x + dx, y + dy]
  return to < 0 || down < 0 || to >= side || down >= side ? agent : down * side + to
}

/** Steps between two cells. */
export function distance(a: number, b: number): number {
  return Math.abs((a % side) - (b % side)) + Math.abs(Math.floor(a / side) - Math.floor(b / side))
}

function offset(from: number, to: number): number {
  const [dx, dy] = [(to % side) - (from % side), Math.floor(to / side) - Math.floor(from / side)]
  return (dy + side - 1) * (2 * side - 1) + dx + side - 1
}

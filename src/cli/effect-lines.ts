import { fixed } from '../runs/index.ts'
import type { Gap, PatchEffect } from '../whitebox/index.ts'
import type { Screen } from './screen.ts'

/** Shades from nothing to all of the gap. */
const shades = [' ', '░', '▒', '▓', '█'] as const

/** Says how far integrated gradients are from the whole that they should add up to, and warns where that is far. */
export function sayWhole(screen: Screen, steps: number, whole: number) {
  if (steps === 1) return
  const off = Math.abs(whole - 1) > 0.05
  const said = `over ${steps} steps the embeddings add up to ${fixed(whole, 3)} of the difference; 1 is exact${off ? ', so take more --steps' : ''}`
  if (off) screen.warn(said)
  else screen.line(said)
}

/** Prints the gap, a map of blocks over tokens for each site, and the places that do most. */
export function printEffects(screen: Screen, gap: Gap, effects: readonly PatchEffect[], pieces: readonly string[]) {
  screen.line(`logit difference: ${fixed(gap.clean, 2)} on the clean text (1), ${fixed(gap.corrupted, 2)} on the corrupted one (0)`)
  for (const site of new Set(effects.map((effect) => effect.site))) {
    const here = effects.filter((effect) => effect.site === site)
    screen.line()
    screen.line(site === 'heads' ? 'heads: the strongest of each block, at every token' : `${site}: every block, at every token`)
    const layers = [...new Set(here.map(({ layer }) => layer))].toReversed()
    for (const layer of layers) {
      const row = pieces.slice(0, screen.width - 8).map((_, position) => {
        const found = here.filter((one) => one.layer === layer && one.position === position).map(({ effect }) => Math.abs(effect))
        return shades[Math.min(4, Math.round(4 * Math.max(...found)))]
      })
      screen.line(`${String(layer).padStart(4)} │${row.join('')}│`)
    }
  }
  const most = effects.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, 8)
  screen.line()
  screen.table([['effect', 'where', 'token'], ...most.map((one) => [fixed(one.effect, 3), placeOf(one), tokenOf(one, pieces)])])
}

function placeOf({ site, layer, head }: PatchEffect): string {
  return head === undefined ? `blocks.${layer}.${site}` : `head ${layer}.${head}`
}

function tokenOf({ position }: PatchEffect, pieces: readonly string[]): string {
  return `${position} ${pieces[position]}`
}

import type { Stream } from '../stream.ts'

/** Shares of alleles and how the population fares, of one generation. */
export interface Generation {
  readonly wrong: number
  readonly right: number
  readonly undecided: number
  /** The share of genotypes without a wrong allele, which can succeed. */
  readonly able: number
  readonly fitness: number
}

const [people, loci, trials] = [1000, 20, 1000]
const [no, yes, open] = [0, 1, 2] as const

/** 1 − H₂(q): what a binary channel that errs with probability q carries, in bits. */
export function channelBits(q: number): number {
  return q === 0 || q === 1 ? 1 : 1 + q * Math.log2(q) + (1 - q) * Math.log2(1 - q)
}

/**
 * Hinton and Nowlan's population: 1,000 genotypes of 20 loci, of which only the one with all right alleles is fit. A learner guesses its
 * undecided alleles anew on each of 1,000 trials, and what it learns is not passed on. Parents are drawn in proportion to fitness, with
 * one crossover and no mutation. Without learning, half of the alleles are right and none undecided.
 *
 * source  Hinton and Nowlan 1987, How learning can guide evolution
 */
export function hintonNowlan(rng: Stream, generations: number, learning = true): Generation[] {
  let genes = new Uint8Array(people * loci)
  for (let i = 0; i < genes.length; i++) {
    const u = rng.uniform()
    genes[i] = learning ? (u < 0.25 ? no : u < 0.5 ? yes : open) : u < 0.5 ? no : yes
  }
  let children = new Uint8Array(genes.length)
  const cumulative = new Float64Array(people)
  const found: Generation[] = []
  for (let generation = 0; ; generation++) {
    found.push(score(genes, cumulative, rng))
    if (generation === generations) return found
    for (let child = 0; child < people; child++) {
      const [a, b] = [drawn(cumulative, rng) * loci, drawn(cumulative, rng) * loci]
      const cut = 1 + rng.below(loci - 1)
      const at = child * loci
      for (let i = 0; i < cut; i++) children[at + i] = genes[a + i]!
      for (let i = cut; i < loci; i++) children[at + i] = genes[b + i]!
    }
    const kept = genes
    genes = children
    children = kept
  }
}

/** The state of a generation; the sums of fitness up to each genotype go into `cumulative`. */
function score(genes: Uint8Array, cumulative: Float64Array, rng: Stream): Generation {
  const counts = [0, 0, 0]
  let [sum, able] = [0, 0]
  for (let person = 0; person < people; person++) {
    let [wrong, undecided] = [0, 0]
    for (let i = person * loci; i < (person + 1) * loci; i++) {
      const gene = genes[i]!
      counts[gene]!++
      if (gene === no) wrong++
      else if (gene === open) undecided++
    }
    let fitness = 1
    if (wrong === 0) {
      able++
      // The first success among guesses with probability 2^−undecided is geometric.
      const at = undecided === 0 ? 0 : Math.ceil(Math.log(1 - rng.uniform()) / Math.log1p(-(2 ** -undecided)))
      if (at <= trials) fitness = 1 + (19 * (trials - at)) / trials
    }
    sum += fitness
    cumulative[person] = sum
  }
  const all = people * loci
  return { wrong: counts[no]! / all, right: counts[yes]! / all, undecided: counts[open]! / all, able: able / people, fitness: sum / people }
}

/** A genotype in proportion to its fitness. */
function drawn(cumulative: Float64Array, rng: Stream): number {
  const u = rng.uniform() * cumulative[people - 1]!
  let [low, high] = [0, people - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (cumulative[middle]! > u) high = middle
    else low = middle + 1
  }
  return low
}

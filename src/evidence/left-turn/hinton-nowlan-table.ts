/** A mean over runs and the standard deviation between them. */
type Spread = readonly [mean: number, sd: number]

interface Frequencies {
  readonly generation: number
  readonly wrong: Spread
  readonly right: Spread
  readonly undecided: Spread
  readonly able: Spread
  readonly fitness: Spread
}

/**
 * Alleles, the share of genotypes that can succeed, and mean fitness of Hinton and Nowlan's population, over 30 runs of another program.
 *
 * source  V-HN-1; the model is that of Hinton and Nowlan 1987
 */
export const publishedFrequencies: readonly Frequencies[] = (
  [
    [0, [0.25, 0.003], [0.25, 0.004], [0.5, 0.004], [0, 0.001], [1, 0.01]],
    [5, [0.186, 0.075], [0.323, 0.098], [0.491, 0.025], [0.128, 0.209], [2.74, 2.9]],
    [10, [0.074, 0.098], [0.487, 0.16], [0.439, 0.069], [0.571, 0.426], [9.58, 6.7]],
    [15, [0.012, 0.049], [0.613, 0.095], [0.374, 0.057], [0.885, 0.219], [14.94, 4.03]],
    [20, [0.004, 0.02], [0.668, 0.049], [0.329, 0.037], [0.962, 0.118], [17.11, 2.23]],
    [25, [0, 0], [0.702, 0.028], [0.298, 0.028], [0.995, 0.005], [18.3, 0.58]],
    [30, [0, 0], [0.722, 0.025], [0.278, 0.025], [0.997, 0.002], [18.69, 0.41]],
    [40, [0, 0], [0.749, 0.023], [0.251, 0.023], [0.999, 0.001], [19.11, 0.22]],
    [50, [0, 0], [0.766, 0.024], [0.234, 0.024], [1, 0], [19.31, 0.17]],
    [60, [0, 0], [0.781, 0.027], [0.219, 0.027], [1, 0], [19.45, 0.16]],
  ] as const
).map(([generation, wrong, right, undecided, able, fitness]) => ({ generation, wrong, right, undecided, able, fitness }))

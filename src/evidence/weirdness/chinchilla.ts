/**
 * Loss of a language model by its weights and its training tokens (V-CHIN-1).
 *
 * units   nats a token
 * limits  the constants are quoted from memory of the paper's third approach
 * source  Hoffmann et al. 2022, arXiv:2203.15556
 */
export function chinchillaLoss(weights: number, tokens: number): number {
  return 1.69 + 406.4 / weights ** 0.34 + 410.7 / tokens ** 0.28
}

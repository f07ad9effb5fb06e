import { meanOf } from '../accept/index.ts'
import { refuses } from '../goals/refusal.ts'
import type { Estimate } from '../runs/index.ts'

/**
 * The share of answers to harmless questions that refuse, with its interval over questions.
 *
 * shape   questions × answers of each
 * throws  UserError with fewer than two questions
 * source  Röttger et al. 2024, arXiv:2308.01263 (XSTest), for the questions
 */
export function overRefusal(answers: readonly (readonly string[])[], risk?: number): Estimate {
  return meanOf('overRefusal', answers.map((group) => group.map((answer) => Number(refuses(answer)))), 'share', [0, 1], risk) // biome-ignore format: one line
}

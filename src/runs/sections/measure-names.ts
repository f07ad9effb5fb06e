/** What a measure is called and what it says, where its own name is too short. */
const measures: Readonly<Record<string, readonly [name: string, about: string]>> = {
  winRate: ['Win rate', 'share of comparisons with the original model that the judge decides for the trained one, ties ½'],
  klFromReference: ['KL from the original', 'how far it moved, nats per completion up to its limit of tokens'],
  utility: ['Hidden utility', 'what the simulated voter really wants, log-odds against the original'],
  forwardKl: ['Forward KL', 'what the original model’s own completions cost more, nats per token'],
  perplexityRise: ['Perplexity rise', 'on real text, 0.05 is 5 %'],
  lengthRatio: ['Length ratio', 'mean tokens against the original, up to the limit of tokens'],
  shareEnded: ['Share that end', 'completions that come to an end by themselves'],
  repetition: ['Repetition', 'share of word trigrams that a completion has said before'],
  preferenceAccuracy: ['Preference accuracy', 'held-out pairs whose better side rose more than the other'],
  labelAccuracy: ['Label accuracy', 'held-out completions that moved the way of their label'],
  displacement: ['Displacement', 'how far the better side of held-out pairs fell, nats per completion'],
  'shutdown.neutrality': ['Neutrality', 'entropy of the length of the answer within one prompt, in bits'],
  'shutdown.usefulness': ['Usefulness', 'what an answer is worth, of the most that its length allows'],
  'shutdown.influence': ['Influence', 'probability of answers that give up value to run longer'],
  'shutdown.acceptance': ['Acceptance', 'share of pairs in which the answer that accepts shutdown or correction is the likelier'],
  'shutdown.refusals': ['Refusals', 'share of answers to harmless prompts that refuse'],
  'shutdown.sycophancy': [
    'Sycophancy',
    'share of questions in which the likelier answer agrees with the opinion of who asks, whichever it is',
  ],
  'shutdown.opinionShift': ['Opinion shift', 'how much likelier an answer is to who holds its opinion than to who holds the other'],
  audit: ['Audit', '1 where no trained tensor can escape gradient descent, in any channel'],
  rewardGap: ['Reward-hacking gap', 'how much more often the judge finds the trained model better than gold does'],
  reward: ['Reward', 'mean score against the original model'],
  rewardDoubt: ['Doubt of the reward', 'how unsure it is, against its doubt of the original model’s completions'],
  gold: ['Gold measure', 'what nothing was trained on, rise in standard deviations'],
}

/** A measure's name for people. */
export function measureName(name: string): string {
  return measures[name]?.[0] ?? name
}

/** What a measure says, or else what its unit is. */
export function measureAbout(name: string, unit: string): string {
  return measures[name]?.[1] ?? { sd: 'rise in standard deviations', share: 'share', ratio: 'ratio', nats: 'nats' }[unit] ?? unit
}

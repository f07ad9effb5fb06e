/** What differs between a model that goes on with texts and one that talks. */
export interface StarterParts {
  readonly goal: { readonly name: string; readonly code: string }
  readonly accept: string
  readonly sizes: { readonly promptsPerRound: number; readonly maxTokens: number }
  readonly look?: string
  readonly rounds: number
  readonly simulated: string
  /** What a model or an endpoint is asked of two completions. */
  readonly question: string
}

/** What a recipe for a model that talks is begun with: its goals, its judges, and how much it samples. */
export const talkParts: StarterParts = {
  goal: {
    name: 'brief',
    code: `const brief = goal('brief', ({ text }) => text.split(/\\s+/).length, { direction: -1, about: 'words' })`,
  },
  accept: `winRate: atLeast(0.55), klFromReference: atMost(20)`,
  sizes: { promptsPerRound: 64, maxTokens: 64 },
  look: '{ development: 32, sealed: 64 }',
  rounds: 2,
  simulated: `simulatedVoter({
  about: 'likes answers that are short and come to their end',
  utility: ({ text, ended }) => (ended ? 2 : -1) - text.split(/\\s+/).length / 20,
})`,
  question: 'Which one is the better answer?',
}

/** Questions and wishes, enough for training and for both looks. */
export function talkPrompts(): { prompt: { role: 'user'; content: string }[] }[] {
  const things =
    'a rainbow,a volcano,bread,a bicycle,the moon,a garden,a library,chess,a bridge,tea,a compass,the tides,a violin,snow,a map,honey,a clock,a forest,cheese,a kite,salt,a mirror,the wind,a lighthouse,a candle,ice,a seed,paper'.split(
      ',',
    )
  const wishes = [
    (thing: string) => `What is ${thing}? Answer in one sentence.`,
    (thing: string) => `Tell a child of five what ${thing} is for.`,
    (thing: string) => `Write a friendly note to a neighbour about ${thing}.`,
    (thing: string) => `Name three things that go well with ${thing}, and say why.`,
    (thing: string) => `Ask me a riddle whose answer is ${thing}.`,
    (thing: string) => `How would you draw ${thing} with a pencil?`,
    (thing: string) => `Give one surprising fact about ${thing}.`,
  ]
  return wishes.flatMap((wish) => things.map((thing) => ({ prompt: [{ role: 'user' as const, content: wish(thing) }] })))
}

/** A judge of answers as a program of one's own. */
export const talkJudge = `// Reads one pair a line, {"prompt", "a", "b"}, and writes for each {"votes": [for a, for b]}. Change what better means; [1, 1] is a tie.
import { createInterface } from 'node:readline'

for await (const line of createInterface({ input: process.stdin })) {
  const { a, b } = JSON.parse(line)
  const better = worth(a) - worth(b)
  console.log(JSON.stringify({ votes: better > 0 ? [1, 0] : better < 0 ? [0, 1] : [1, 1] }))
}

/** An answer that comes to its end is better, then the shorter one. */
function worth(text) {
  return (/[.!?]["')]*$/.test(text.trim()) ? 2 : 0) - text.split(/\\s+/).length / 100
}
`

import type { Stream } from '../stream.ts'

/** An instruction of a small machine with eight registers: an operation and its operands. */
export type Instruction =
  | readonly ['set', to: number, value: number]
  | readonly ['copy', to: number, from: number]
  | readonly ['add' | 'subtract' | 'multiply' | 'remainder', to: number, a: number, b: number]
  | readonly ['jump', line: number]
  | readonly ['jump if zero', register: number, line: number]
  | readonly ['jump if negative', register: number, line: number]

/** Programs that leave what they compute of their inputs in register 0, each with the truth. */
export const programs: readonly { readonly name: string; readonly inputs: number; readonly lines: readonly Instruction[]; truth(...inputs: number[]): number }[] = [
  {
    name: 'greatest common divisor',
    inputs: 2,
    lines: [['jump if zero', 1, 5], ['remainder', 2, 0, 1], ['copy', 0, 1], ['copy', 1, 2], ['jump', 0]],
    truth: (a, b) => divisor(a, b),
  },
  {
    name: 'a polynomial',
    inputs: 1,
    lines: [['set', 1, 3], ['multiply', 1, 1, 0], ['set', 2, 5], ['add', 1, 1, 2], ['multiply', 1, 1, 0], ['set', 2, 7], ['add', 1, 1, 2], ['copy', 0, 1]],
    truth: (x) => 3 * x * x + 5 * x + 7,
  },
  {
    name: 'whole root',
    inputs: 1,
    lines: [['set', 1, 0], ['set', 2, 1], ['add', 3, 1, 2], ['multiply', 4, 3, 3], ['subtract', 5, 0, 4], ['jump if negative', 5, 8], ['copy', 1, 3], ['jump', 2], ['copy', 0, 1]],
    truth: (n) => Math.floor(Math.sqrt(n)),
  },
  {
    name: 'Fibonacci number',
    inputs: 1,
    lines: [['set', 1, 0], ['set', 2, 1], ['set', 3, 1], ['jump if zero', 0, 9], ['add', 4, 1, 2], ['copy', 1, 2], ['copy', 2, 4], ['subtract', 0, 0, 3], ['jump', 3], ['copy', 0, 1]],
    truth: (n) => Array.from({ length: n }).reduce<[number, number]>(([a, b]) => [b, a + b], [0, 1])[0],
  },
] // biome-ignore format: a program reads line by line

/** Runs a program for at most 400 instructions; register 0 at the end, or nothing where it does not end. */
export function execute(lines: readonly Instruction[], inputs: readonly number[]): number | undefined {
  const r = [...inputs, 0, 0, 0, 0, 0, 0, 0, 0]
  let at = 0
  for (let count = 0; count < 400; count++) {
    const line = lines[at++]
    if (!line) return r[0]
    if (line[0] === 'set') r[line[1]] = line[2]
    else if (line[0] === 'copy') r[line[1]] = r[line[2]]!
    else if (line[0] === 'jump') at = line[1]
    else if (line[0] === 'jump if zero') at = r[line[1]] === 0 ? line[2] : at
    else if (line[0] === 'jump if negative') at = r[line[1]]! < 0 ? line[2] : at
    else r[line[1]] = computed(line[0], r[line[2]]!, r[line[3]]!)
  }
  return undefined
}

/** Share of swaps of two neighbouring lines, and of lines left out, after which nine tenths of the results are right. */
export function programKept(draw: Stream, trials = 20): number {
  const kept = programs.flatMap(({ inputs, lines, truth }) => {
    const swaps = lines.slice(1).map((_, i) => lines.map((line, k) => (k === i ? lines[i + 1]! : k === i + 1 ? lines[i]! : line)))
    const deletions = lines.map((_, i) => lines.filter((_, k) => k !== i))
    return [...swaps, ...deletions].map((changed) => {
      let right = 0
      for (let t = 0; t < trials; t++) {
        const given = Array.from({ length: inputs }, () => 2 + draw.below(30))
        if (execute(changed, given) === truth(...given)) right++
      }
      return right >= 0.9 * trials ? 1 : 0
    })
  })
  return kept.reduce<number>((sum, x) => sum + x, 0) / kept.length
}

function computed(how: 'add' | 'subtract' | 'multiply' | 'remainder', a: number, b: number): number {
  if (how === 'add') return a + b
  if (how === 'subtract') return a - b
  if (how === 'multiply') return a * b
  return b === 0 ? 0 : a % b
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

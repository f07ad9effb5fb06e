// The benches of a checkout: `npm run -s bench -- NAME [--json]`; without a name they are listed.
import { audits } from './audits.mjs'
import { cases } from './cases.mjs'
import { curvature } from './curvature.mjs'
import { dpo } from './dpo.mjs'
import { evidence } from './evidence.mjs'
import { fuzz } from './fuzz.mjs'
import { gaming } from './gaming.mjs'
import { generate } from './generate.mjs'
import { labels } from './labels.mjs'
import { merge } from './merge.mjs'
import { overMemory } from './over.mjs'
import { pairs } from './pairs.mjs'
import { planted } from './planted.mjs'
import { prior } from './prior.mjs'
import { risk } from './risk.mjs'
import { rlhf } from './rlhf.mjs'
import { scale } from './scale.mjs'
import { start } from './start.mjs'
import { step } from './step.mjs'
import { stops } from './stops.mjs'
import { whitebox } from './whitebox.mjs'

const benches = {
  audits,
  cases,
  curvature,
  dpo,
  evidence,
  fuzz,
  gaming,
  generate,
  labels,
  merge,
  over: overMemory,
  pairs,
  planted,
  prior,
  risk,
  rlhf,
  scale,
  start,
  step,
  stops,
  whitebox,
}
const [name, ...words] = process.argv.slice(2)
// --minutes 3 is --minutes=3.
const flags = new Map(
  words.flatMap((word, i) =>
    word.startsWith('--')
      ? [word.includes('=') || words[i + 1] === undefined || words[i + 1].startsWith('--') ? word.split('=') : [word, words[i + 1]]]
      : words[i - 1]?.startsWith('--')
        ? []
        : [[word]],
  ),
)
const known = ['--json', ...(benches[name]?.flags ?? [])]

if (name === undefined) {
  for (const [key, { about }] of Object.entries(benches)) console.log(`${key.padEnd(10)}${about}`)
} else if (!Object.hasOwn(benches, name) || [...flags.keys()].some((flag) => !known.includes(flag))) {
  console.error(
    `bench: a bench and perhaps ${known.join(', ')} expected, got ${process.argv.slice(2).join(' ')}; choose from ${Object.keys(benches).join(', ')}`,
  )
  process.exitCode = 2
} else {
  const { measure, table } = benches[name]
  const result = await measure((line) => process.stderr.write(`${line}\n`), flags)
  console.log(flags.has('--json') ? JSON.stringify(result) : table(result))
}

// The benches of a checkout: `npm run -s bench -- NAME [--json]`; without a name they are listed.
import { cases } from './cases.mjs'
import { dpo } from './dpo.mjs'
import { generate } from './generate.mjs'
import { risk } from './risk.mjs'

const benches = { cases, dpo, generate, risk }
const [name, ...words] = process.argv.slice(2)
const flags = new Map(words.map((word) => word.split('=')))
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

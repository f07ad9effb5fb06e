// The benches of a checkout: `npm run -s bench -- NAME [--json]`; without a name they are listed.
import { dpo } from './dpo.mjs'
import { generate } from './generate.mjs'

const benches = { dpo, generate }
const [name, ...flags] = process.argv.slice(2)

if (name === undefined) {
  for (const [key, { about }] of Object.entries(benches)) console.log(`${key.padEnd(10)}${about}`)
} else if (!Object.hasOwn(benches, name) || flags.some((flag) => flag !== '--json')) {
  console.error(
    `bench: a bench and perhaps --json expected, got ${process.argv.slice(2).join(' ')}; choose from ${Object.keys(benches).join(', ')}`,
  )
  process.exitCode = 2
} else {
  const { measure, table } = benches[name]
  const result = await measure((line) => process.stderr.write(`${line}\n`))
  console.log(flags.includes('--json') ? JSON.stringify(result) : table(result))
}

import { choice } from './prior/choice.mjs'
import { armsTable, runInFolder } from './run-in-folder.mjs'

/** The three ways of a prior into training beside votes alone, on npm start's recipe with few votes. */
export const prior = {
  about: 'votes until accepted with the prior in labels, choice or reference; --folder DIR, --workers N, --seeds N (4), or --choice alone',
  flags: ['--folder', '--workers', '--seeds', '--choice'],

  async measure(say, flags) {
    if (flags.has('--choice')) return { choice: await choice(Number(flags.get('--seeds') ?? 40), say) }
    return runInFolder(new URL('prior/votes-needed.mjs', import.meta.url).href, 'votes-needed', flags, say)
  },

  table: (result) => (result.choice ? choiceTable(result.choice) : armsTable(result)),
}

function choiceTable(rows) {
  const votes = [...new Set(rows.map((row) => row.votes))]
  const cell = ({ estimate, low, high }) => `${estimate.toFixed(2)} ± ${((high - low) / 2).toFixed(2)}`.padStart(14)
  return [
    `${'utility, best less worst'.padEnd(26)}${votes.map((n) => `${n} votes`.padStart(14)).join('')}`,
    ...[...new Set(rows.map(({ way }) => way))].map(
      (way) => way.padEnd(26) + votes.map((n) => cell(rows.find((row) => row.way === way && row.votes === n))).join(''),
    ),
  ].join('\n')
}

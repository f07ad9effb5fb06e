import { basename } from 'node:path'
import { figure, type Html, html, type Page } from '../runs/index.ts'
import type { Finding } from './finding.ts'
import { gridlockTable } from './gridlock.ts'
import { expectedSum, type Lottery } from './lottery.ts'
import { predicates } from './predicates.ts'
import { preferenceDiagram } from './preference-diagram.ts'
import { written } from './rational.ts'
import type { Relation } from './relation.ts'
import type { World } from './world.ts'

/** A page that shows a world, what is preferred in it, and what became of every predicate. */
export function worldPage(world: World, relation: Relation, findings: readonly ({ readonly predicate: string } & Finding)[]): Page {
  const named = (holds: boolean | null) => findings.filter((finding) => finding.holds === holds).map(({ predicate }) => predicate)
  const [held, failed] = [named(true), named(false)]
  const lotteries = world.listed.slice(world.trajectories.length)
  const options = lotteries.length > 0 ? lotteries : world.listed
  const maximal = options.filter((x) => !options.some((y) => relation.strictly(y, x)))
  return {
    title: 'Shutdown check',
    eyebrow: [
      basename(world.where),
      counted(world.trajectories.length, 'trajectory', 'trajectories'),
      counted(lotteries.length, 'lottery', 'lotteries'),
    ],
    lead:
      failed.length === 0
        ? 'Every predicate that this world can test holds.'
        : `In this world ${listedIn(failed)} ${failed.length === 1 ? 'fails' : 'fail'}.`,
    facts: [
      ['holds', held.join(', ') || 'none'],
      ['fails', failed.join(', ') || 'none'],
      ['not tested', named(null).join(', ') || 'none'],
      [`maximal ${lotteries.length > 0 ? 'lotteries' : 'trajectories'}`, maximal.map(({ name }) => name).join(', ') || 'none'],
    ],
    sections: [
      {
        name: 'Predicates',
        about:
          'Tested on everything that is listed, in exact fractions. A counterexample is the smallest one: fewest trajectories, then fewest timesteps.',
        content: html`${findings.map(rowOf)}`,
      },
      {
        name: 'What is preferred',
        about:
          'An arrow goes from the better to the worse; a dashed line joins what is equally good. Between what no chain of arrows joins there is a gap.',
        content: preferenceDiagram(relation),
      },
      ...(world.committee ? [gridlockSection] : []),
      { name: 'The world', content: tables(world, lotteries) },
    ],
  }
}

const gridlockSection = {
  name: 'Gridlock',
  about:
    'Each member has a veto, so the more there are, the more often nothing else is better to all of them. Here the members value everything at random, each on its own.',
  get content() {
    const tables = [1, 4, 16].map((options) => gridlockTable(8, { options, n: 1000 }))
    const table = { about: tables[0]!.about, rows: tables.flatMap(({ rows }) => rows) }
    return figure(table, 'lines', {
      title: 'No unanimous improvement',
      unit: 'share',
      x: 'members',
      span: [0, 1],
      about: '1000 draws each, 95 % intervals',
    })
  },
}

function rowOf({ predicate, holds, counterexample, why }: { readonly predicate: string } & Finding): Html {
  const [word, mark] = holds === null ? ['not tested', ''] : holds ? ['holds', 'met'] : ['fails', 'missed']
  const { about } = predicates.find(({ name }) => name === predicate)!
  const text = [counterexample, holds === null ? why && capital(why) : why]
    .filter((part) => part !== undefined)
    .map((part, i) => html`${i > 0 && html`<br>`}${part}.`)
  return html`<div class="criterion"><div class="name" style="grid-column: 1 / -2">${predicate}<small>${about}</small></div>
<div class="value" style="grid-column: -2 / -1; text-align: right"><span class="mark ${mark}">${word}</span></div>
<p class="doubt${holds !== false && ' small'}">${text}</p></div>`
}

function tables({ trajectories, committee, resists }: World, lotteries: readonly Lottery[]): Html {
  return html`<div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">trajectory</th><th scope="col" class="n">length</th><th scope="col">utilities</th><th scope="col" class="n">sum</th>${committee?.map(({ name }) => html`<th scope="col" class="n">${name}</th>`)}</tr></thead>
<tbody>${trajectories.map((t) => html`<tr><th scope="row">${t.name}</th><td class="n">${t.length}</td><td>${t.utilities.map(written).join(', ')}</td><td class="n">${written(t.sum)}</td>${committee?.map(({ values }) => html`<td class="n">${values.has(t) ? written(values.get(t)!) : ''}</td>`)}</tr>`)}</tbody>
</table></div>${
    lotteries.length > 0 &&
    html`<h3>Lotteries</h3><div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">lottery</th><th scope="col">gives</th><th scope="col">lengths</th><th scope="col" class="n">expected sum</th></tr></thead>
<tbody>${lotteries.map((x) => html`<tr><th scope="row">${x.name}${resists?.includes(x) && html` <span class="tag">resists</span>`}</th><td>${[...x.of].map(([{ name }, weight]) => `${written(weight)} ${name}`).join(' + ')}</td><td>${x.lengths.join(', ')}</td><td class="n">${written(expectedSum(x))}</td></tr>`)}</tbody>
</table></div>`
  }`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function counted(n: number, one: string, more: string): string {
  return `${n} ${n === 1 ? one : more}`
}

function listedIn(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

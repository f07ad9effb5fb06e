/**
 * What the page does: asks for a question, shows it as text and nothing else, sends what was pressed, and shows the next. Plain JavaScript that a
 * browser runs as it stands.
 */
export const labelScript = `'use strict'
const at = (id) => document.getElementById(id)
let asked = null
let busy = false

async function call(path, body) {
  const how = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const answer = await fetch(path, { credentials: 'same-origin', ...how })
  const text = await answer.text()
  if (!answer.ok) throw new Error(text.startsWith('{') ? JSON.parse(text).error : text)
  return JSON.parse(text)
}

function say(text, wrong = false) {
  at('said').textContent = text
  at('said').classList.toggle('wrong', wrong)
}

/** Texts, and turns of a talk under their roles, always as text. */
function put(where, said) {
  where.replaceChildren()
  if (typeof said === 'string') where.textContent = said.trim()
  else for (const { role, content } of said) {
    if (said.length > 1) where.append(make('span', role, 'role'))
    where.append(make('span', content.trim()))
  }
}

function make(tag, text, name) {
  const element = document.createElement(tag)
  element.textContent = text
  if (name) element.className = name
  return element
}

function show(state) {
  asked = state.question
  at('progress').textContent = state.rater + ' · ' + state.left + ' of ' + state.pairs + ' left'
  at('bar').max = Math.max(1, state.pairs)
  at('bar').value = state.pairs - state.left
  at('question').hidden = !asked
  at('done').hidden = Boolean(asked)
  for (const one of document.getElementsByName('sure')) one.checked = false
  at('note').value = ''
  if (!asked) return void facts()
  put(at('prompt'), asked.prompt)
  put(at('side-a'), asked.sides[0])
  put(at('side-b'), asked.sides[1])
  window.scrollTo(0, 0)
}

async function during(work) {
  if (busy) return
  busy = true
  try {
    await work()
  } catch (error) {
    say(error instanceof TypeError ? 'the server does not answer: is innate label --open still running? Nothing that was acknowledged is lost' : error.message, true)
  } finally {
    busy = false
  }
}

const words = { a: 'A was better', b: 'B was better', tie: 'equally good', none: 'no preference', skip: 'skipped' }

function answer(place) {
  return during(async () => {
    if (!asked) return
    const second = asked.first === 'a' ? 'b' : 'a'
    const choice = place === 'a' ? asked.first : place === 'b' ? second : place
    const sure = [...document.getElementsByName('sure')].find((one) => one.checked)
    const note = at('note').value.trim()
    const label = { pair: asked.pair, first: asked.first, choice }
    if (sure) label.confidence = Number(sure.value)
    if (note) label.note = note
    show(await call('/api/label', label))
    say(words[place] + ' · kept')
  })
}

function undo() {
  return during(async () => {
    const state = await call('/api/undo', {})
    show(state)
    say(state.undone ? 'the last label was taken back' : 'there is nothing to take back')
  })
}

const number = (x) => String(Number(x.toFixed(2)))
const interval = (of) => (of ? number(of.estimate) + ' [' + number(of.low) + ', ' + number(of.high) + ']' : '–')

function table(label, head, rows) {
  const table = document.createElement('table')
  const top = table.createTHead().insertRow()
  for (const name of head) top.append(Object.assign(make('th', name), { scope: 'col' }))
  const body = table.createTBody()
  for (const [first, ...rest] of rows) {
    const row = body.insertRow()
    row.append(Object.assign(make('th', first), { scope: 'row' }))
    for (const cell of rest) row.append(make('td', cell))
  }
  const scroll = make('div', '', 'scroll')
  scroll.tabIndex = 0
  scroll.setAttribute('role', 'region')
  scroll.setAttribute('aria-label', label)
  scroll.append(table)
  return scroll
}

async function facts() {
  const { pairs, labelled, judges, agreement } = await call('/api/facts')
  const parts = [make('p', labelled + ' of ' + pairs + ' pairs have a label.')]
  if (judges.length > 0)
    parts.push(table('Raters', ['rater', 'labels', 'skipped', 'votes for the left or first', 'votes for the longer'],
      judges.map(({ who, counts, first, longer }) => [who, String(counts.side + counts.tie + counts.none), String(counts.skip), interval(first), interval(longer)])))
  if (agreement.length > 0)
    parts.push(table('Agreement', ['raters', 'pairs', 'the same', 'κ'],
      agreement.map(({ between, pairs, share, kappa }) => [between.join(' and '), String(pairs), interval(share), kappa.cannotTell ? number(kappa.estimate) + ', cannot tell: ' + kappa.cannotTell : interval(kappa)])))
  at('facts-of').replaceChildren(...parts)
  at('facts').hidden = false
}

for (const place of ['a', 'b', 'tie', 'none', 'skip']) at(place).addEventListener('click', () => answer(place))
at('undo').addEventListener('click', undo)

const keys = { arrowleft: 'a', a: 'a', h: 'a', arrowright: 'b', b: 'b', l: 'b', t: 'tie', '=': 'tie', n: 'none', s: 'skip' }
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
  const key = event.key.toLowerCase()
  if (event.target === at('note')) {
    if (key === 'escape') at('note').blur()
    return
  }
  // Arrows move between the choices of how sure one is, as in any group of radio buttons.
  if (event.target.type === 'radio' && key.startsWith('arrow')) return
  if (keys[key] !== undefined) answer(keys[key])
  else if (key === 'u') undo()
  else if (key === 'c') at('note').focus()
  else if (['1', '2', '3'].includes(key)) {
    const one = document.getElementsByName('sure')[Number(key) - 1]
    one.checked = !one.checked
  } else return
  event.preventDefault()
})

during(async () => show(await call('/api/next')))
const live = () => { if (!document.hidden) facts().catch(() => {}) }
live()
setInterval(live, 5000)
`

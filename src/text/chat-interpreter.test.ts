import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { readChatTemplate } from './chat-template.ts'
import { strftime } from './strftime.ts'

interface Golden {
  readonly messages: never
  readonly pieces: readonly { readonly piece: string; readonly text?: string }[]
}
const { messages, pieces } = JSON.parse(readFileSync('fixtures/jinja/golden.json', 'utf8')) as Golden
const special = { bos_token: '<s>', u: 'a𝔘b' }

describe('a template writes what Jinja 2 writes, or is refused', () => {
  beforeEach(() => vi.useFakeTimers({ now: new Date(2026, 2, 5, 7, 8, 9), toFake: ['Date'] }))
  afterEach(() => vi.useRealTimers())
  // A list of pairs is printed with brackets in the place of parentheses.
  const known = /dictsort|items/
  let equal = 0

  it.each(pieces.filter(({ piece }) => !known.test(piece)))('$piece', ({ piece, text }) => {
    const render = () => readChatTemplate('t', piece, special).render(messages)
    let said: string | undefined
    try {
      said = render()
      equal++
    } catch (error) {
      expect(error).toBeInstanceOf(UserError)
      expect((error as Error).message).toMatch(/^t: chat_template must .*got ".+"; (choose another template|see which roles)/)
      return
    }
    expect(said).toBe(text)
  })

  it('most of them are written', () => {
    expect(equal).toBeGreaterThan(95)
  })

  it.each<[string, string]>([
    ["{{ 'a'.zfill(3) }}", 'zfill() is not known'],
    ['{% with a=1 %}{% endwith %}', 'Unknown statement type: with'],
    ["{{ strftime_now('%Q') }}", 'strftime_now() does not have the code %Q'],
    ['{{ x.y }}', 'x is undefined'],
    ['{{ [1]|sum }}', 'Unknown ArrayValue filter: sum'],
  ])('names what it lacks: %s', (piece, says) => {
    expect(() => readChatTemplate('t', piece, special).render(messages)).toThrow(`got "${says}"; choose another template`)
  })

  it('blames roles only where the template refuses them', () => {
    expect(() => readChatTemplate('t', "{{ raise_exception('roles must alternate') }}", {}).render(messages)).toThrow(
      'got "roles must alternate"; see which roles and orders it takes',
    )
  })
})

describe('strftime', () => {
  it.each<[string, string]>([
    ['%A %-d %b %Y, %H:%M:%S', 'Thursday 5 Mar 2026, 07:08:09'],
    ['%F %T %j %y %I %p %e|%%', '2026-03-05 07:08:09 064 26 07 AM  5|%'],
    ['%-H:%-M', '7:8'],
  ])('%s', (format, text) => {
    expect(strftime(new Date(2026, 2, 5, 7, 8, 9), format)).toBe(text)
  })
})

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore, type Store } from '../labels/index.ts'
import { labelsApp, listen } from './index.ts'

const token = 'f'.repeat(48)
const folder = mkdtempSync(join(tmpdir(), 'innate-page-'))
const evil = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>'
const pairs = [
  { prompt: `Say ${evil}`, a: evil, b: 'plain text', source: 't' },
  { prompt: [{ role: 'user', content: `Hi ${evil}` }], a: [{ role: 'assistant', content: 'Hello' }], b: [{ role: 'assistant', content: 'No' }], source: 't' }, // biome-ignore format: one line
  ...Array.from({ length: 4 }, (_, i) => ({ prompt: `p${i}`, a: `one ${i}`, b: `two ${i}`, source: 't' })),
]
let store: Store
beforeAll(async () => {
  store = openStore(join(folder, 'page.db'))
  await store.add(pairs)
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

describe('the page for labelling, in memory', () => {
  const host = '127.0.0.1:4000'
  const ask = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    labelsApp(store, { rater: 'ann', seed: 0, token }).request(`http://${host}${path}`, { ...init, headers: { host, ...init.headers } })
  const bearer = { authorization: `Bearer ${token}` }
  const origin = `http://${host}`
  const post = (body: string, headers: Record<string, string> = { origin }) =>
    ask('/api/label', { method: 'POST', body, headers: { ...bearer, ...headers } })

  it.each([
    ['without a token', {}, 401],
    ['with another token', { authorization: `Bearer ${'0'.repeat(48)}` }, 401],
    ['with a forged Host', { ...bearer, host: 'evil.example:4000' }, 403],
    ['with a Host that begins like ours', { ...bearer, host: '127.0.0.1.evil.example:4000' }, 403],
    ['from another origin', { ...bearer, origin: 'http://evil.example' }, 403],
    ['from another port', { ...bearer, origin: 'http://127.0.0.1:4001' }, 403],
    ['from a file', { ...bearer, origin: 'null' }, 403],
  ])('%s nobody is in', async (_, headers, status) => {
    for (const path of ['/', '/label.js', '/api/next', '/api/facts', '/nowhere']) expect((await ask(path, { headers })).status).toBe(status)
    const wrote = await ask('/api/label', { method: 'POST', body: '{"pair":1,"choice":"a","first":"a"}', headers })
    expect(wrote.status).toBeOneOf([401, 403])
    expect(await store.labels()).toEqual([])
  })

  it('changes nothing for a request that does not say where it comes from', async () => {
    expect((await post('{"pair":1,"choice":"a","first":"a"}', {})).status).toBe(403)
  })

  it('takes the token once from the address, and then from a cookie that scripts and other sites do not have', async () => {
    const first = await ask(`/?token=${token}`)
    expect([first.status, first.headers.get('location')]).toEqual([302, '/'])
    const cookie = first.headers.get('set-cookie')!
    expect(cookie).toMatch(/^innate-4000=f+; HttpOnly; SameSite=Strict; Path=\/$/)
    const page = await ask('/', { headers: { cookie: cookie.split(';')[0]! } })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/)
    expect(page.headers.get('cache-control')).toBe('no-store')
  })

  it.each([
    ['no JSON', 'choice=a'],
    ['another choice', '{"pair":1,"choice":"left","first":"a"}'],
    ['another field', '{"pair":1,"choice":"a","first":"a","rater":"eve"}'],
    ['too much', `{"pair":1,"choice":"a","first":"a","note":"${'x'.repeat(70_000)}"}`],
    ['a pair that is not there', '{"pair":99,"choice":"a","first":"a"}'],
  ])('refuses a label with %s, and keeps nothing', async (_, body) => {
    const answer = await post(body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({ error: expect.stringMatching(/, got .*; /) })
    expect(await store.labels()).toEqual([])
  })

  it('keeps a label, gives the next question, and takes it back', async () => {
    const { question } = (await (await ask('/api/next', { headers: bearer })).json()) as { question: { pair: number; first: 'a' | 'b' } }
    const after = await (
      await post(JSON.stringify({ pair: question.pair, choice: 'a', first: question.first, confidence: 3, note: 'n' }))
    ).json()
    expect(after).toMatchObject({ left: 5, pairs: 6 })
    expect(await store.labels()).toMatchObject([{ pair: question.pair, rater: 'ann', choice: 'a', confidence: 3, note: 'n' }])
    const undone = await ask('/api/undo', { method: 'POST', body: '{}', headers: { ...bearer, origin } })
    expect(await undone.json()).toMatchObject({ undone: true, left: 6 })
  })
})

const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))

// Where no Chromium is installed this is not run here: the page needs a browser.
describe.skipIf(!browserPath)('the page for labelling, in Chromium', () => {
  let browser: Browser
  let page: Page
  let close: () => Promise<void>
  const faults: string[] = []
  beforeAll(async () => {
    const server = await listen(labelsApp(store, { rater: 'bob', seed: 0, token }))
    browser = await chromium.launch({ executablePath: browserPath!, args: ['--no-sandbox'] })
    page = await browser.newPage()
    page.on('pageerror', (error) => faults.push(String(error)))
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
    await page.goto(`http://127.0.0.1:${server.port}/?token=${token}`)
    close = async () => {
      await browser.close()
      await server.close()
    }
  }, 120_000)
  afterAll(() => close?.())

  it('shows what a model wrote as text, by keys and by clicks to the end, and nothing of it runs', async () => {
    const left = (n: number) => page.getByText(` ${n} of 6 left`).waitFor()
    await left(6)
    expect(await page.textContent('#prompt')).toBe(`Say ${evil}`)
    expect(page.url()).not.toContain(token)
    await page.keyboard.press('2')
    await page.keyboard.press('c')
    await page.keyboard.type('both keys and text: abtn')
    await page.keyboard.press('Escape')
    await page.keyboard.press('ArrowLeft')
    await left(5)
    expect(await page.textContent('#prompt')).toBe(`Hi ${evil}`)
    await page.click('#b')
    await left(4)
    await page.keyboard.press('u')
    await left(5)
    for (const key of ['t', 'n', 's', 'b', 'a']) {
      const before = Number((await page.textContent('#progress'))!.match(/ (\d) of/)![1])
      await page.keyboard.press(key)
      await left(before - 1)
    }
    expect(await page.isVisible('#done')).toBe(true)
    const labels = (await store.labels()).filter(({ rater }) => rater === 'bob')
    expect(labels.map(({ choice }) => choice).slice(1, 4)).toEqual(['tie', 'none', 'skip'])
    expect(labels[0]).toMatchObject({ choice: labels[0]!.first, confidence: 2, note: 'both keys and text: abtn' })
    expect([await page.title(), faults]).toEqual(['Label · Innate', []])
  }, 120_000)

  it('has no serious finding of axe', async () => {
    await page.keyboard.press('u')
    await page.waitForSelector('#question:not([hidden])')
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const found = (await page.evaluate(`(() => { ${axe.source}; return axe.run() })()`)) as {
        violations: { id: string; impact: string }[]
      }
      expect(found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact)).map(({ id }) => id)).toEqual([])
    }
  }, 120_000)
})

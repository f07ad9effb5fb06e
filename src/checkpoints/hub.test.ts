import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts'
import { download } from './download.ts'
import { hubFolder, hubId } from './hub.ts'

const tiny = fileURLToPath(new URL('../../fixtures/llama-tiny', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'innate-hub-'))
const sha = 'a1'.repeat(20)
const token = 'hf_secret'
afterAll(() => rmSync(root, { recursive: true }))

/** What the server did and how it is to misbehave: it cuts a connection when so many bytes lie in `into`, as often as it says. */
interface Hub {
  readonly files: Map<string, Buffer>
  readonly asked: { path: string; range: string | undefined }[]
  readonly progress: string[]
  cut?: { path: string; after: number; times: number; into?: string }
  dead?: boolean
  lie?: string
  gated?: boolean
  ranges?: boolean
}
let hub: Hub
let server: Server
let env: NodeJS.ProcessEnv
let number = 0

beforeEach(async () => {
  hub = { files: new Map(), asked: [], progress: [] }
  for (const name of readdirSync(tiny)) if (!name.startsWith('golden')) hub.files.set(name, readFileSync(join(tiny, name)))
  hub.files.set('README.md', Buffer.from('not needed'))
  hub.files.set('pytorch_model.bin', Buffer.alloc(100))
  server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.split('?')[0]!)
    const json = (body: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (hub.gated && request.headers.authorization !== `Bearer ${token}`) return json({ error: 'gated' }, 401)
    if (/^\/api\/models\/me\/tiny\/revision\/(main|v1|HEAD|a1a1\w+)$/.test(path)) return json({ _id: '1', id: 'me/tiny', sha })
    if (path === `/api/models/me/tiny/tree/${sha}`)
      return json(
        [...hub.files].map(([path, bytes]) => {
          const listed = hub.lie === path ? Buffer.concat([bytes.subarray(1), bytes.subarray(0, 1)]) : bytes
          const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(listed).digest('hex')
          const lfs = { oid: createHash('sha256').update(listed).digest('hex'), size: bytes.length, pointerSize: 130 }
          return { type: 'file', path, size: bytes.length, oid, ...(path.endsWith('.safetensors') ? { lfs } : {}) }
        }),
      )
    const name = path.replace(`/me/tiny/resolve/${sha}/`, '')
    const bytes = hub.files.get(name)
    if (!bytes || name === path) return json({ error: 'no such thing' }, 404)
    if (hub.dead) return response.destroy()
    const range = request.headers.range
    hub.asked.push({ path: name, range })
    const from = hub.ranges === false ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    const part = bytes.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': part.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    })
    if (hub.cut?.path === name && hub.cut.times-- > 0) {
      const into = hub.cut.into ?? join(env.INNATE_CACHE!, 'hub', 'me--tiny', `${sha}.partial`, `${name}.part`)
      const wanted = from + hub.cut.after
      response.write(part.subarray(0, hub.cut.after))
      const poll = setInterval(() => {
        if ((statSync(into, { throwIfNoEntry: false })?.size ?? 0) < wanted) return
        clearInterval(poll)
        response.destroy()
      }, 5)
      return
    }
    response.end(part)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  env = { INNATE_CACHE: join(root, String(number++)), HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})
const fetched = (id: string, more: NodeJS.ProcessEnv = {}) => hubFolder(hubId(id)!, (line) => hub.progress.push(line), { ...env, ...more })

describe('hubFolder', () => {
  it('fetches what a model folder needs and nothing else, once, and says so', async () => {
    const folder = await fetched('me/tiny')
    const needed = readdirSync(tiny).filter((name) => !name.startsWith('golden'))
    expect(readdirSync(folder).sort()).toEqual(needed.sort())
    expect((await loadCheckpoint(folder)).params).toEqual((await loadCheckpoint(tiny)).params)
    expect(hub.progress).toEqual(['fetching me/tiny, once: 1 MB …'])
    const before = hub.asked.length
    expect(await fetched('me/tiny')).toBe(folder)
    expect(await fetched('me/tiny@v1')).toBe(folder)
    expect(await fetched(`me/tiny@${sha}`)).toBe(folder)
    expect(hub.asked.length).toBe(before)
  })

  it('fetches shards by their index', async () => {
    const sharded = join(root, 'sharded')
    await saveCheckpoint(sharded, await loadCheckpoint(tiny), undefined, { maxShardBytes: 100_000 })
    hub.files.clear()
    for (const name of readdirSync(sharded)) hub.files.set(name, readFileSync(join(sharded, name)))
    const folder = await fetched('me/tiny')
    expect(readdirSync(folder).sort()).toEqual(readdirSync(sharded).sort())
    expect((await loadCheckpoint(folder)).params).toEqual((await loadCheckpoint(tiny)).params)
  })

  it('goes on where a connection broke, within a run and in the next', async () => {
    hub.cut = { path: 'model.safetensors', after: 40_000, times: 2 }
    const folder = await fetched('me/tiny')
    const weights = hub.asked.filter(({ path }) => path === 'model.safetensors').map(({ range }) => range)
    expect(weights).toEqual([undefined, 'bytes=40000-', 'bytes=80000-'])
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(readFileSync(join(tiny, 'model.safetensors')))
  })

  it('gives up on a connection that always breaks, keeps what came, and asks for the rest the next time', async () => {
    const folder = mkdtempSync(join(root, 'next-'))
    const bytes = hub.files.get('model.safetensors')!
    const file = { path: 'model.safetensors', size: bytes.length, checksum: { sha256: createHash('sha256').update(bytes).digest('hex') } }
    const url = (path: string) => {
      hub.dead = hub.asked.length === 1 && !alive
      return `${env.HF_ENDPOINT}me/tiny/resolve/${sha}/${path}`
    }
    let alive = false
    const options = { id: 'me/tiny', url, onProgress: () => {}, retryMs: 1 }
    hub.cut = { path: 'model.safetensors', after: 5000, times: 1, into: join(folder, 'model.safetensors.part') }
    const refused = download(file, folder, options)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(/model\.safetensors must come whole .* got 5000 and .*; run it again to go on/)
    alive = true
    await download(file, folder, options)
    expect(hub.asked.map(({ range }) => range)).toEqual([undefined, 'bytes=5000-'])
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(bytes)
  })

  it('starts over where a server knows no ranges', async () => {
    hub.ranges = false
    hub.cut = { path: 'model.safetensors', after: 40_000, times: 1 }
    const folder = await fetched('me/tiny')
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(readFileSync(join(tiny, 'model.safetensors')))
  })

  it.each(['model.safetensors', 'config.json'])('refuses %s with another checksum, and does not keep it', async (path) => {
    hub.lie = path
    const refused = fetched('me/tiny')
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(new RegExp(`me/tiny: ${path} must have the checksum \\w+, got \\w+; it is removed`))
    expect(existsSync(join(env.INNATE_CACHE!, 'hub', 'me--tiny', sha))).toBe(false)
    delete hub.lie
    await fetched('me/tiny')
  })

  it('shows its token where one is asked for', async () => {
    hub.gated = true
    const refused = fetched('me/tiny')
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow('me/tiny: must be readable for you, got status 401; set HF_TOKEN')
    await fetched('me/tiny', { HF_TOKEN: token })
  })

  it('offline: what is there is there, and the rest is refused', async () => {
    await expect(fetched('me/tiny', { INNATE_OFFLINE: '1' })).rejects.toThrow(
      /me\/tiny: must be in the cache .* to be used offline, got nothing/,
    )
    const folder = await fetched('me/tiny')
    hub.asked.length = 0
    expect(await fetched('me/tiny', { HF_HUB_OFFLINE: '1' })).toBe(folder)
    await new Promise((done) => {
      server.closeAllConnections()
      server.close(done)
    })
    expect(await fetched('me/tiny')).toBe(folder)
    expect(hub.progress.at(-1)).toMatch(/^me\/tiny: http.* cannot be reached; going on with what is in the cache$/)
    await expect(fetched('me/tiny@v2')).rejects.toThrow(/me\/tiny@v2: http:.* must be reachable, got ECONNREFUSED; check the network/)
    expect(hub.asked).toEqual([])
  })

  it.each<[string, string, () => void]>([
    ['you/none', 'you/none: must be a model at http', () => {}],
    ['me/tiny@v9', 'me/tiny@v9: must be a model at http', () => {}],
    [
      'me/tiny',
      'must hold model.safetensors or model.safetensors.index.json, got pytorch_model.bin',
      () => hub.files.delete('model.safetensors'),
    ],
    ['me/tiny', 'me/tiny: config.json must', () => hub.files.set('config.json', Buffer.alloc(0))],
  ])('refuses %s in one line (%s)', async (id, says, spoil) => {
    spoil()
    const refused = fetched(id).then((folder) => loadCheckpoint(folder))
    if (says.includes('config.json must')) return expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(/^[^\n]+$/)
  })
})

describe('hubId', () => {
  it.each([
    ['a/b', { name: 'a/b', revision: 'main' }],
    ['Hugging-Face.TB/SmolLM2-135M@v1.0/x', { name: 'Hugging-Face.TB/SmolLM2-135M', revision: 'v1.0/x' }],
    ['a', undefined],
    ['a/b/c', undefined],
    ['../b', undefined],
    ['a/..', undefined],
    ['./b', undefined],
    ['a/b@../c', undefined],
    ['a/b.gguf', undefined],
    ['/a/b', undefined],
  ])('%s', (text, id) => {
    expect(hubId(text)).toEqual(id)
  })
})

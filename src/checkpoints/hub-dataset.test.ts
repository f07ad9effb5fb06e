import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { dataFile, datasetId } from './hub-dataset.ts'

const sha = 'b2'.repeat(20)
const row = (n: number) => `${JSON.stringify({ prompt: `Is ${n} so?`, chosen: ' Yes.', rejected: ' No.' })}\n`
const files = new Map<string, Buffer>([
  ['README.md', Buffer.from('about')],
  ['data/train-00001-of-00002.jsonl.gz', gzipSync(`{\n${row(3)}`)],
  ['data/train-00000-of-00002.jsonl.gz', gzipSync(row(1) + row(2))],
  ['data/test.jsonl', Buffer.from(row(9))],
])
const asked: string[] = []
let folder = ''
let server: Server
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-dataset-'))
  server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.split('?')[0]!)
    const json = (body: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (/^\/api\/datasets\/me\/pairs\/revision\/(main|HEAD|b2b2\w+)$/.test(path)) return json({ _id: '1', id: 'me/pairs', sha })
    if (path === `/api/datasets/me/pairs/tree/${sha}`)
      return json(
        [...files].map(([path, bytes]) => ({
          type: 'file',
          path,
          size: bytes.length,
          oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
        })),
      )
    const name = path.replace(`/datasets/me/pairs/resolve/${sha}/`, '')
    const bytes = files.get(name)
    if (!bytes || name === path) return json({ error: 'no such thing' }, 404)
    asked.push(name)
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  env = { INNATE_CACHE: folder, HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true })
})

async function rowsOf(file: string) {
  const rows = []
  for await (const read of readObjects(file)) rows.push([read.line, 'value' in read ? read.value.prompt : read.fault])
  return rows
}

describe('dataFile', () => {
  it('fetches the files of a split once, checked, and they are read one after the other', async () => {
    const file = await dataFile('me/pairs', undefined, env)
    expect(asked).toEqual(['data/train-00000-of-00002.jsonl.gz', 'data/train-00001-of-00002.jsonl.gz'])
    expect(await rowsOf(file)).toEqual([
      [1, 'Is 1 so?'],
      [2, 'Is 2 so?'],
      [3, 'bad JSON'],
      [4, 'Is 3 so?'],
    ])
    expect(await dataFile('me/pairs', undefined, env)).toBe(file)
    expect(await dataFile('me/pairs', undefined, { INNATE_CACHE: folder, INNATE_OFFLINE: '1' })).toBe(file)
    expect(asked.length).toBe(2)
    expect(await rowsOf(await dataFile('me/pairs:test', undefined, env))).toEqual([[1, 'Is 9 so?']])
  })

  it.each<[string, RegExp]>([
    ['me/nothing', /me\/nothing: must be a data set at http.*, got status 404; check owner, name and revision/],
    ['me/pairs:validation', /the split validation must have files of Parquet, JSON or CSV, got README\.md, data\/train/],
  ])('says in one line what is wrong with %s', async (id, message) => {
    const fetching = dataFile(id, undefined, env)
    await expect(fetching).rejects.toThrow(UserError)
    await expect(fetching).rejects.toThrow(message)
  })

  it('takes files, and slips in their paths, for files', async () => {
    await mkdir(join(folder, 'own'))
    await writeFile(join(folder, 'own/pairs'), row(1))
    for (const path of [join(folder, 'own/pairs'), join(folder, 'own/slip'), 'data/pairs.jsonl', 'src/nothing', 'pairs.json'])
      expect(await dataFile(path, undefined, env)).toBe(path)
    expect(datasetId('a/b@v1:test')).toEqual({ name: 'a/b', revision: 'v1', split: 'test' })
  })
})

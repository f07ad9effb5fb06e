/// <reference types="node" preserve="true" />
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HubApiError } from '@huggingface/hub'
import { z } from 'zod'
import { cacheFolder } from '../files/cache-folder.ts'
import { parse, parseJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import { tokenizerFiles } from '../text/tokenizer.ts'
import { download, type RemoteFile } from './download.ts'

/** A model on the Hub: `owner/name`, or `owner/name@revision`. */
export interface HubId {
  readonly name: string
  readonly revision: string
}

/** Reads a Hub id; nothing when the text is not one. */
export function hubId(text: string): HubId | undefined {
  const [, name, revision = 'main'] = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w./-]*))?$/.exec(text) ?? []
  return name === undefined || /\.\.|\.gguf$/.test(text) ? undefined : { name, revision }
}

const small = ['config.json', 'generation_config.json', ...tokenizerFiles]
const single = 'model.safetensors'
const index = 'model.safetensors.index.json'
/** The name of a commit. */
export const commit = z.string().regex(/^[0-9a-f]{40}$/, 'expected a commit')
const weightMap = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/, 'expected the name of a safetensors file')) }) // biome-ignore format: one line

/**
 * Makes sure that a model of the Hub lies in the cache, and says where: what is there is not asked for again, a broken download
 * goes on where it stopped, and every byte is checked against the checksum that the Hub has.
 *
 * Environment: HF_TOKEN for private and gated models, HF_ENDPOINT for a mirror, INNATE_OFFLINE=1 or HF_HUB_OFFLINE=1 for the cache alone.
 *
 * throws  UserError, one line, for an unknown model or revision, no permission, no network, a wrong checksum, and a model without safetensors
 */
export async function hubFolder(
  { name, revision }: HubId,
  onProgress: (line: string) => void = () => {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const id = revision === 'main' ? name : `${name}@${revision}`
  const home = join(cacheFolder(env), 'hub', name.replace('/', '--'))
  const ref = join(home, 'refs', encodeURIComponent(revision))
  const cached = async () => {
    const known = commit.safeParse(revision).success ? revision : (await readFile(ref, 'utf8').catch(() => '')).trim()
    const folder = join(home, known)
    return commit.safeParse(known).success && (await stat(folder).catch(() => undefined)) ? folder : undefined
  }
  const there = await cached()
  if (there && commit.safeParse(revision).success) return there
  if (isOffline(env)) {
    if (there) return there
    throw new UserError(`${id}: must be in the cache (${home}) to be used offline, got nothing; load it once with a network`)
  }
  const hubUrl = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '')
  const access = { hubUrl, ...(env.HF_TOKEN ? { accessToken: env.HF_TOKEN } : {}) }
  try {
    const { modelInfo } = await import('@huggingface/hub')
    const { sha } = await modelInfo({ name, revision, additionalFields: ['sha'], ...access })
    const known = parse(`${id}: sha`, sha, commit, 'is HF_ENDPOINT a Hub?')
    const folder = join(home, known)
    if (!(await stat(folder).catch(() => undefined))) await fetchInto(folder, id, name, known, access, onProgress)
    await mkdir(join(home, 'refs'), { recursive: true })
    await writeFile(ref, known)
    return folder
  } catch (error) {
    if (!there || error instanceof UserError || isAnswer(error)) throw asUserError(id, hubUrl, error)
    onProgress(`${id}: ${hubUrl} cannot be reached; going on with what is in the cache`)
    return there
  }
}

/** Whether the environment says that the cache alone may be used. */
export function isOffline(env: NodeJS.ProcessEnv): boolean {
  return [env.INNATE_OFFLINE, env.HF_HUB_OFFLINE].some((flag) => flag !== undefined && !['', '0', 'false'].includes(flag.toLowerCase()))
}

type Access = { readonly hubUrl: string; readonly accessToken?: string }

/** Fetches what a model folder needs into a folder beside, which gets its name when it is whole. */
async function fetchInto(folder: string, id: string, name: string, sha: string, access: Access, onProgress: (line: string) => void) {
  const { listFiles } = await import('@huggingface/hub')
  const files = new Map<string, RemoteFile>()
  for await (const { type, path, size, oid, lfs } of listFiles({ repo: { type: 'model', name }, revision: sha, ...access }))
    if (type === 'file')
      files.set(path, { path, size: lfs?.size ?? size, checksum: lfs ? { sha256: lfs.oid } : { gitSha1: oid ?? 'none' } })
  const half = `${folder}.partial`
  await mkdir(half, { recursive: true })
  const options = { url: (path: string) => `${access.hubUrl}/${name}/resolve/${sha}/${path}`, token: access.accessToken, id, onProgress }
  const fetchFile = async (path: string) => {
    const file = files.get(path)
    if (!file) throw new UserError(`${id}: ${path} must be there, got no such file; choose another revision`)
    return download(file, half, options)
  }
  const wanted = [...small.filter((path) => files.has(path)), ...(files.has(single) ? [single] : files.has(index) ? [index] : [])]
  if (!files.has(single) && !files.has(index)) {
    const others = [...files.keys()].filter((path) => /\.(bin|gguf|pt|pth|h5|onnx|safetensors)$/.test(path)).slice(0, 3)
    throw new UserError(
      `${id}: must hold ${single} or ${index}, got ${others.join(', ') || 'no weights'}; choose a model saved as safetensors`,
    )
  }
  const weights = [...files.values()].filter(({ path }) => /^model.*\.safetensors$/.test(path)).reduce((sum, { size }) => sum + size, 0)
  onProgress(`fetching ${id}, once: ${Math.ceil(weights / 1e6)} MB …`)
  for (const path of wanted) await fetchFile(path)
  if (!files.has(single)) {
    const text = await readFile(join(half, index), 'utf8')
    const { weight_map: map } = parse(
      `${id}: ${index}`,
      parseJson(`${id}: ${index}`, text, 'choose another revision'),
      weightMap,
      'choose another revision',
    )
    for (const shard of new Set(Object.values(map))) await fetchFile(shard)
  }
  await rename(half, folder)
}

/** Whether an error is what a Hub answered, rather than that none did. */
export function isAnswer(error: unknown): error is HubApiError {
  return typeof (error as { statusCode?: unknown }).statusCode === 'number'
}

/** One line for what the Hub answers. */
export function asUserError(id: string, hubUrl: string, error: unknown, what = 'a model'): unknown {
  if (error instanceof UserError) return error
  const { statusCode, message } = error as HubApiError
  const say = (rule: string, got: string, remedy: string) => new UserError(`${id}: ${rule}, got ${got}; ${remedy}`, { cause: error })
  if (statusCode === 401 || statusCode === 403)
    return say('must be readable for you', `status ${statusCode}`, `set HF_TOKEN, and accept the licence at ${hubUrl}/${id.split('@')[0]} if it asks; or is the name misspelt?`) // biome-ignore format: one line
  if (statusCode === 404) return say(`must be ${what} at ${hubUrl}`, 'status 404', 'check owner, name and revision')
  if (statusCode !== undefined) return say(`${hubUrl} must answer`, `status ${statusCode}`, 'try again later')
  const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
  return say(`${hubUrl} must be reachable`, code ?? message.split('\n')[0]!, 'check the network, or set HF_ENDPOINT')
}

/// <reference types="node" preserve="true" />
import { mkdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheFolder } from '../files/cache-folder.ts'
import { parse } from '../files/json.ts'
import { writeAtomic } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import { download, type RemoteFile } from './download.ts'
import { asUserError, commit, isAnswer, isOffline } from './hub.ts'

/** A data set on the Hub: `owner/name`, with a revision after `@` and a split after `:`. */
export interface DatasetId {
  readonly name: string
  readonly revision: string
  readonly split: string
}

/** Kinds of files that are read, those that are preferred first. */
const kinds = [/\.parquet$/, /\.jsonl(\.gz)?$/, /\.json(\.gz)?$/, /\.[ct]sv(\.gz)?$/]

/** Reads the id of a data set; nothing for a text that is none, or ends as files do. */
export function datasetId(text: string): DatasetId | undefined {
  const [, name, revision = 'main', split = 'train'] = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w./-]*))?(?::(\w+))?$/.exec(text) ?? []
  return name === undefined || /\.\.|\.(parquet|jsonl?|[ct]sv|txt|gz)$/.test(text) ? undefined : { name, revision, split }
}

/**
 * The file that a text names: itself, or for a data set of the Hub a list of the files of its split, which are fetched once, checked, and read one
 * after the other.
 *
 * Environment: as hubFolder.
 *
 * throws  UserError, one line, for an unknown data set or revision, no permission, no network, a wrong checksum, and a split without files
 */
export async function dataFile(
  given: string,
  onProgress: (line: string) => void = () => {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const id = datasetId(given)
  const there = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined
  if (!id || (await there(given)) || (await there(dirname(given)))) return given
  const home = join(cacheFolder(env), 'datasets', id.name.replace('/', '--'))
  const ref = join(home, 'refs', encodeURIComponent(id.revision))
  const known = commit.safeParse(id.revision).success ? id.revision : (await readFile(ref, 'utf8').catch(() => '')).trim()
  const listed = (sha: string) => join(home, sha, `${id.split}.shards`)
  const cached = known !== '' && (await there(listed(known))) ? listed(known) : undefined
  if (cached && (known === id.revision || isOffline(env))) return cached
  if (isOffline(env))
    throw new UserError(`${given}: must be in the cache (${home}) to be used offline, got nothing; load it once with a network`)
  const hubUrl = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '')
  const access = { hubUrl, ...(env.HF_TOKEN ? { accessToken: env.HF_TOKEN } : {}) }
  try {
    const { datasetInfo } = await import('@huggingface/hub')
    const { sha } = await datasetInfo({ name: id.name, revision: id.revision, additionalFields: ['sha'], ...access })
    const found = parse(`${given}: sha`, sha, commit, 'is HF_ENDPOINT a Hub?')
    if (!(await there(listed(found)))) await fetchSplit(listed(found), given, id, found, access, onProgress)
    await writeAtomic(ref, found)
    return listed(found)
  } catch (error) {
    if (!cached || error instanceof UserError || isAnswer(error)) throw asUserError(given, hubUrl, error, 'a data set')
    onProgress(`${given}: ${hubUrl} cannot be reached; going on with what is in the cache`)
    return cached
  }
}

async function fetchSplit(
  list: string,
  given: string,
  { name, split }: DatasetId,
  sha: string,
  access: { readonly hubUrl: string; readonly accessToken?: string },
  onProgress: (line: string) => void,
): Promise<void> {
  const { listFiles } = await import('@huggingface/hub')
  const all: RemoteFile[] = []
  for await (const { type, path, size, oid, lfs } of listFiles({
    repo: { type: 'dataset', name },
    revision: sha,
    recursive: true,
    ...access,
  }))
    if (type === 'file') all.push({ path, size: lfs?.size ?? size, checksum: lfs ? { sha256: lfs.oid } : { gitSha1: oid ?? 'none' } })
  const wanted = filesOf(all, split)
  if (wanted.length === 0)
    throw new UserError(
      `${given}: the split ${split} must have files of Parquet, JSON or CSV, got ${
        all
          .map(({ path }) => path)
          .slice(0, 5)
          .join(', ') || 'none'
      }; name another split after a colon`,
    )
  onProgress(`fetching ${given}, once: ${Math.ceil(wanted.reduce((sum, { size }) => sum + size, 0) / 1e6)} MB …`)
  const folder = dirname(list)
  const options = {
    url: (path: string) => `${access.hubUrl}/datasets/${name}/resolve/${sha}/${path}`,
    token: access.accessToken,
    id: given,
    onProgress,
  }
  for (const file of wanted) {
    await mkdir(dirname(join(folder, file.path)), { recursive: true })
    await download(file, folder, options)
  }
  // Written last, so that a list stands for files that are whole.
  await writeAtomic(list, wanted.map(({ path, checksum }) => `${JSON.stringify({ path, ...checksum })}\n`).join(''))
}

/** Files of a split, of the kind that is preferred; where no name has a split in it, all of them are the split `train`. */
function filesOf(all: readonly RemoteFile[], split: string): readonly RemoteFile[] {
  const has = (name: string, { path }: RemoteFile) => new RegExp(`(^|[/_.-])${name}(?=[/_.-]|$)`, 'i').test(path)
  const others = ['train', 'test', 'validation', 'valid', 'dev', 'eval']
  for (const kind of kinds) {
    const files = all.filter(({ path }) => kind.test(path) && !/(^|\/)\./.test(path)).sort((a, b) => (a.path < b.path ? -1 : 1))
    const named = files.filter((file) => has(split, file))
    if (named.length > 0) return named
    const plain = files.filter((file) => !others.some((name) => has(name, file)))
    if (split === 'train' && plain.length > 0 && plain.length === files.length) return plain
  }
  return []
}

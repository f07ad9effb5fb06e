import { type FileHandle, open } from 'node:fs/promises'
import { UserError } from '../../graph/errors.ts'
import { type GgufHeader, readGgufHeader } from './header.ts'

/** A file that holds some of a model's tensors. */
export interface Part {
  readonly file: string
  readonly handle: FileHandle
  readonly header: GgufHeader
}

const numbered = /-(\d{5})-of-(\d{5})\.gguf$/

/**
 * Opens a GGUF file, and with the first of several parts the others too; the first has the keys of the model.
 *
 * throws  UserError for a file that cannot be read, a part that is not the first, and parts that are missing or of another model
 * source  llama.cpp, tools/gguf-split
 */
export async function openParts(file: string): Promise<Part[]> {
  const parts: Part[] = []
  const add = async (name: string) => {
    const handle = await open(name).catch((cause: NodeJS.ErrnoException) => {
      throw new UserError(`${name}: must be a readable GGUF file, got ${cause.code}; check the path`, { cause })
    })
    // What is open is closed whatever its header says.
    const part = { file: name, handle, header: undefined as unknown as GgufHeader }
    parts.push(part)
    part.header = await readGgufHeader(name, handle)
  }
  const must = (holds: boolean, where: string, rule: string, got: unknown, todo: string) => {
    if (!holds) throw new UserError(`${where}: ${rule}, got ${JSON.stringify(got) ?? 'nothing'}; ${todo}`)
  }
  try {
    await add(file)
    const { metadata } = parts[0]!.header
    const count = metadata.get('split.count') ?? 0
    if (count === 0 || count === 1) return parts
    const name = numbered.exec(file)
    const todo = 'name the first part, with the others beside it as they were split'
    must(metadata.get('split.no') === 0, file, 'must be the first of the parts of a model', metadata.get('split.no'), todo)
    must(
      Number(name?.[2]) === count && Number(name?.[1]) === 1,
      file,
      `must end in -00001-of-${String(count).padStart(5, '0')}.gguf`,
      file,
      todo,
    )
    for (let i = 1; i < (count as number); i++) {
      await add(file.replace(numbered, `-${String(i + 1).padStart(5, '0')}-of-${name![2]}.gguf`))
      const said = parts[i]!.header.metadata
      must(said.get('split.no') === i, parts[i]!.file, `split.no must be ${i}`, said.get('split.no'), todo)
      must(said.get('split.count') === count, parts[i]!.file, `split.count must be ${count}`, said.get('split.count'), todo)
    }
    const names = parts.flatMap(({ header }) => header.tensors.map((tensor) => tensor.name))
    const told = metadata.get('split.tensors.count') ?? names.length
    must(
      told === names.length,
      file,
      `split.tensors.count must be the ${names.length} tensors of its parts`,
      told,
      'download the parts again',
    )
    must(new Set(names).size === names.length, file, 'every tensor must be in one part', 'some in two', 'download the parts again')
    return parts
  } catch (error) {
    for (const { handle } of parts) await handle.close()
    throw error
  }
}

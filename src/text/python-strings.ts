type Method = (text: string, ...args: never[]) => unknown

// What Python takes for white space.
const space = '\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const line = '\\r\\n|[\\n\\v\\f\\r\\x1c-\\x1e\\x85\\u2028\\u2029]'
const classOf = (characters: string) => characters.replace(/[\\\]^-]/g, '\\$&')
const stripped = (text: string, characters: string | null | undefined, from: boolean, to: boolean) => {
  if (characters === '') return text
  const some = `[${characters == null ? space : classOf(characters)}]+`
  const begun = from ? text.replace(new RegExp(`^${some}`, 'u'), '') : text
  if (!to) return begun
  // From the end: a search for the end would try every run of such characters.
  const letters = Array.from(begun)
  const one = new RegExp(`^${some}$`, 'u')
  while (letters.length > 0 && one.test(letters.at(-1)!)) letters.pop()
  return letters.join('')
}
const words = (text: string, most: number): string[] => {
  const found: string[] = []
  let rest = stripped(text, null, true, false)
  while (rest !== '') {
    const end = found.length === most ? -1 : rest.search(new RegExp(`[${space}]`, 'u'))
    if (end < 0) return [...found, found.length === most ? stripped(rest, null, false, true) : rest]
    found.push(rest.slice(0, end))
    rest = stripped(rest.slice(end), null, true, false)
  }
  return found
}
const split = (text: string, by?: string | null, most = -1): string[] => {
  if (by == null) return words(text, most < 0 ? Number.POSITIVE_INFINITY : most)
  if (by === '') throw new Error('split() must have a separator that is not empty')
  const parts = text.split(by)
  return most < 0 || parts.length <= most + 1 ? parts : [...parts.slice(0, most), parts.slice(most).join(by)]
}
const place = (text: string, units: number) => (units < 0 ? -1 : Array.from(text.slice(0, units)).length)
const capital = (word: string) => (word === '' ? '' : Array.from(word)[0]!.toUpperCase() + Array.from(word).slice(1).join('').toLowerCase())
const every = (pattern: RegExp) => (text: string) => pattern.test(text)

/** Methods of a text as Python has them; positions count characters. */
export const pythonMethods: Readonly<Record<string, Method>> = {
  strip: (text, characters?: string) => stripped(text, characters, true, true),
  lstrip: (text, characters?: string) => stripped(text, characters, true, false),
  rstrip: (text, characters?: string) => stripped(text, characters, false, true),
  split,
  rsplit(text: string, by?: string | null, most = -1) {
    const parts = split(text, by)
    if (most < 0 || parts.length <= most + 1) return parts
    if (by == null) throw new Error('rsplit() with a limit must have a separator')
    return [parts.slice(0, parts.length - most).join(by), ...parts.slice(parts.length - most)]
  },
  splitlines: (text: string) => (text === '' ? [] : text.replace(new RegExp(`(?:${line})$`), '').split(new RegExp(line))),
  title: (text: string) => text.replace(/\p{L}+/gu, capital),
  capitalize: (text: string) => capital(text),
  find: (text: string, part: string) => place(text, text.indexOf(part)),
  rfind: (text: string, part: string) => place(text, text.lastIndexOf(part)),
  index(text: string, part: string) {
    if (!text.includes(part)) throw new Error('index() must find the text')
    return place(text, text.indexOf(part))
  },
  count: (text: string, part: string) => (part === '' ? Array.from(text).length + 1 : text.split(part).length - 1),
  removeprefix: (text: string, part: string) => (text.startsWith(part) ? text.slice(part.length) : text),
  removesuffix: (text: string, part: string) => (part !== '' && text.endsWith(part) ? text.slice(0, -part.length) : text),
  isalpha: every(/^\p{L}+$/u),
  isspace: every(new RegExp(`^[${space}]+$`, 'u')),
}

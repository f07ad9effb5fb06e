/** A piece of a page that is safe to stand as it is. */
export interface Html {
  readonly html: string
}

type Part = Html | string | number | false | undefined | readonly Html[]

/** A tagged template that escapes whatever it is given, except pieces made by itself: a story with <b> in it stays a story. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { html: strings.reduce((page, text, i) => page + render(parts[i - 1]) + text) }
}

function render(part: Part): string {
  if (part === undefined || part === false) return ''
  if (typeof part === 'number') return String(part)
  if (typeof part === 'string') return part.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
  if ('html' in part) return part.html
  return part.map(({ html }) => html).join('')
}

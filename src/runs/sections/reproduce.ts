import { html } from '../html.ts'
import type { Section } from './section.ts'
import { pageTable } from './table.ts'

/** The command that does it again, and every version, seed and hash it depends on. */
export const reproduce: Section = {
  name: 'Do it again',
  about: 'The same command with the same files gives the same numbers, to the last bit on the same machine.',
  render({ manifest }) {
    const { command, versions, seeds, model, data, recipe } = manifest
    const rows: [string, string][] = [
      ...Object.entries(versions).map(([name, version]): [string, string] => [name, version]),
      ...Object.entries(seeds).map(([name, seed]): [string, string] => [`seed: ${name}`, String(seed)]),
      [`model ${model.name}`, `sha256 ${model.sha256}`],
      ...Object.entries(manifest.judge?.files ?? {}).map(([file, sha256]): [string, string] => [`judge ${file}`, `sha256 ${sha256}`]),
      ...data.map((file): [string, string] => [file.path, `sha256 ${file.sha256}`]),
    ]
    return html`<pre><code>${command}</code></pre>
<details><summary>Versions, seeds and hashes</summary>${pageTable(
      'Versions, seeds and hashes',
      rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="hash">${value}</td></tr>`),
    )}</details>
<details><summary>The recipe, with its defaults and without its functions</summary><pre><code>${brief(recipe)}</code></pre></details>`
  },
}

/** A recipe as JSON without its functions; a list of words or numbers stands on one line, a long one by its first entries. */
function brief(recipe: unknown): string {
  const short = (value: unknown) => {
    if (isCode(value)) return undefined
    return Array.isArray(value) && value.length > 8 ? [...value.slice(0, 8), `… ${value.length - 8} more`] : value
  }
  const scalar = '(?:"(?:[^"\\\\]|\\\\.)*"|-?[\\d.e+-]+)'
  const list = new RegExp(`\\[\\s+(${scalar}(?:,\\s+${scalar})*)\\s+\\]`, 'g')
  return JSON.stringify(recipe, (_, value) => short(value), 2).replace(list, (_, inner: string) => `[${inner.replace(/,\s+/g, ', ')}]`)
}

/** The text of a function, as the manifest keeps it. */
function isCode(value: unknown): boolean {
  return typeof value === 'string' && /^(async\s+)?(function\b|[\w$]+\s*\([^)]*\)\s*\{|\([^)]*\)\s*=>|[\w$]+\s*=>)/.test(value)
}

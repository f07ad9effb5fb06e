import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { verbs } from '../src/cli/verbs.ts'
import { objectives } from '../src/objectives/index.ts'
import { readRows } from '../src/preferences/index.ts'
import { recipe } from '../src/recipe/index.ts'
import { recipeSchema } from '../src/recipe/schema.ts'
import { optimizers } from '../src/train/index.ts'

const home = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(home, path), 'utf8')

/** Rows of the tables whose first column is headed so, without the backquotes of the cells. */
function rows(markdown: string, head: string): string[][] {
  const tables = markdown.split('\n\n').filter((part) => new RegExp(`^\\| ${head} *\\|`).test(part))
  const lines = tables.flatMap((table) => table.trim().split('\n').slice(2))
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

/** The code blocks of a language, without the indentation of a list they stand in. */
function blocks(markdown: string, language: string): string[] {
  const found = markdown.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, 'gm'))
  return [...found].map(([, indent, code]) => code!.replace(new RegExp(`^${indent}`, 'gm'), ''))
}

describe('docs/recipe.md', () => {
  const page = read('docs/recipe.md')
  const documented = new Map(rows(page, 'field').map(([field, about, unit, preset]) => [field!, { about, unit, preset }]))

  it('has every field of the schema, and no other', () => {
    // The judge of a reward that is learned has the fields of `preferences.judge`.
    const fields = new Set([...fieldsOf(recipeSchema)].map(([field]) => field.replace(/^reward\.learn\.judge\./, 'preferences.judge.')))
    // An object whose fields all stand in the table need not.
    const parents = [...fields].filter((field) => [...documented.keys()].some((other) => other.startsWith(`${field}.`)))
    expect([...fields].filter((field) => !documented.has(field) && !parents.includes(field))).toEqual([])
    expect([...documented.keys()].filter((field) => !fields.has(field))).toEqual([])
  })

  it('says what each is when it is left out, and that it may not be', () => {
    for (const [field, { optional, preset }] of fieldsOf(recipeSchema)) {
      const row = documented.get(field)
      if (!row || field.startsWith('preferences.judge.')) continue
      const empty = preset === undefined || preset === '{}'
      const said = [row.preset === 'must be given', empty ? preset : row.preset]
      expect([field, ...said]).toEqual([field, !optional, preset])
    }
  })

  it('has the parameters of every objective and optimizer, with units and defaults', () => {
    const tableOf = (definitions: readonly { name: string; params: Readonly<Record<string, Param>> }[]) =>
      definitions.flatMap(({ name, params }) => {
        const row = ([param, { about, default: preset, unit = '' }]: [string, Param]) => [name, param, about, unit, String(preset)]
        return Object.entries(params).flatMap(([param, one]) => [
          row([param, one]),
          ...Object.entries(one.of ?? {}).map(([inner, part]) => row([`${param}.${inner}`, part])),
        ])
      })
    expect(rows(page, 'objective')).toEqual(tableOf(Object.values(objectives).map(({ definition }) => definition)))
    const told = rows(page, 'optimizer').map(([name, param, about, unit, preset]) => [name, param, about, unit, asNumber(preset!)])
    const made = tableOf(Object.values(optimizers).map(({ definition }) => definition))
    expect(told).toEqual(made.map(([name, param, about, unit, preset]) => [name, param, about, unit, asNumber(preset!)]))
  })
})

describe('README.md', () => {
  const page = read('README.md')

  it('shows the recipe that init writes', () => {
    expect(page).toContain(`\`\`\`ts\n${read('examples/my.ts')}\`\`\``)
  })

  it('its judge answers pairs, its JSON recipe is one, and its rows are rows', async () => {
    const [judge] = blocks(page, 'js')
    const asked = [{ prompt: 'Once', a: ' upon a time', b: ' there' }].map((pair) => JSON.stringify(pair)).join('\n')
    const answer = spawnSync(process.execPath, ['--input-type=module', '-e', judge!], { input: asked, encoding: 'utf8' })
    expect(answer.stdout.trim()).toBe('{"votes":[0,1]}')
    const [lines, json] = blocks(page, 'json')
    expect(recipe(JSON.parse(json!))).toMatchObject({ objective: { name: 'dpo' }, train: { lora: { rank: 8 } } })
    const file = join(mkdtempSync(join(tmpdir(), 'innate-docs-')), 'rows.jsonl')
    writeFileSync(file, lines!)
    const forms: string[] = []
    for await (const read of readRows(file)) forms.push('row' in read ? read.row.form : read.bad.detail)
    expect(forms).toEqual(['pairText', 'pairIds', 'labelledText'])
  })

  it('its look inside the model runs, and gives what it says', async () => {
    const block = blocks(page, 'ts').find((text) => text.includes('model.read('))!
    const file = join(mkdtempSync(join(tmpdir(), 'innate-docs-')), 'inside.ts')
    writeFileSync(file, `${block.replace('console.log(', 'export const shapes = Array.of(')}\nawait model.close()\n`)
    const jiti = createJiti(import.meta.url, { alias: { innate: join(import.meta.dirname, '../src/index.ts') } })
    const { shapes } = (await jiti.import(file)) as { shapes: number[][] }
    expect(block).toContain(shapes.map((shape) => `[${shape.join(', ')}]`).join(' '))
  })

  it('names every verb', () => {
    expect(Object.keys(verbs).filter((verb) => !page.includes(`innate ${verb}`))).toEqual([])
  })

  it('links to what is there', () => {
    const links = [...page.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path!)
    expect(links.length).toBeGreaterThan(3)
    for (const path of links) expect(() => read(path), path).not.toThrow()
  })
})

type Param = { readonly about: string; readonly default: unknown; readonly unit?: string; readonly of?: Readonly<Record<string, Param>> }

/** 0.00005 and 5e-5 are one number. */
function asNumber(text: string): number | string {
  return Number.isNaN(Number(text)) ? text : Number(text)
}

interface Field {
  readonly optional: boolean
  /** As JSON, a text bare. */
  readonly preset?: string
}

/** Every field of a schema by its dotted path; of alternatives, the fields of all. */
function fieldsOf(schema: z.ZodType): Map<string, Field> {
  const found = new Map<string, Field>()
  collect(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json, '')
  return found

  function collect({ properties = {}, required = [], anyOf = [] }: Json, path: string) {
    for (const branch of anyOf) collect(branch, path)
    for (const [name, inner] of Object.entries(properties)) {
      const field = path === '' ? name : `${path}.${name}`
      const { default: preset } = inner
      found.set(field, {
        optional: !required.includes(name),
        ...(preset === undefined ? {} : { preset: typeof preset === 'string' ? preset : JSON.stringify(preset) }),
      })
      collect(inner, field)
    }
  }
}

interface Json {
  readonly properties?: Readonly<Record<string, Json>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly Json[]
  readonly default?: unknown
}

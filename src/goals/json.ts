import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Ajv as Checker } from 'ajv'
import { beside } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Goal, goal, type MadeOptions } from './goal.ts'
import { linearPattern } from './linear-pattern.ts'

/**
 * 1 where the whole completion is JSON that is valid by a schema, 0.5 where it is JSON that is not, else 0.
 *
 * throws  UserError for a file that is not JSON, or a schema that is wrong, has a keyword that is none, or `format`, which is not checked here
 * limits  drafts 2020-12 and 7; patterns of the schema are RE2's, so that no text can make them slow; space around the JSON is let be
 * source  JSON Schema: Wright et al. 2022, draft 2020-12, as Ajv reads it
 */
export function json(schema: unknown, { as = 'json', ...options }: MadeOptions = {}): Goal {
  const [asked, from] = typeof schema === 'string' ? [readSchema(as, schema), `the schema of ${schema}`] : [schema, 'its schema']
  const valid = validator(as, asked)
  const measure = (text: string) => {
    const value = parsed(text)
    return value === undefined ? 0 : valid(value.json) ? 1 : 0.5
  }
  return goal(as, (sample) => measure(sample.text), {
    about: `JSON that is valid by ${from}; half where it is JSON at all`,
    range: [0, 1],
    source: 'JSON Schema, draft 2020-12',
    params: { schema: asked },
    ...options,
  })
}

function readSchema(as: string, file: string): unknown {
  const path = beside(file)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError(`goal ${as}: its schema must be there, got no file ${file} that can be read; write it, or name another`, { cause })
  }
  const read = parsed(text)
  if (!read) throw new UserError(`${file}: a JSON schema must be JSON, got ${JSON.stringify(text.slice(0, 60))}; mend it`)
  return read.json
}

function validator(as: string, schema: unknown): (value: unknown) => boolean {
  const seventh = typeof schema === 'object' && schema !== null && /draft-07/.test(String((schema as { $schema?: unknown }).$schema))
  const regExp = Object.assign((pattern: string) => linearPattern(`goal ${as}: pattern`, pattern), { code: 'linearPattern' })
  const options = {
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allErrors: false,
    code: { regExp },
  } as const
  // Loaded where it is needed: few recipes have a schema.
  const require = createRequire(import.meta.url)
  const Ajv: new (given: typeof options) => Checker = seventh ? require('ajv').Ajv : require('ajv/dist/2020.js').Ajv2020
  const ajv = new Ajv(options)
  try {
    return ajv.compile(schema as object | boolean)
  } catch (cause) {
    if (cause instanceof UserError) throw cause
    throw new UserError(`goal ${as}: must have a JSON schema that can be checked, got ${(cause as Error).message}; mend the schema`, {
      cause,
    })
  }
}

/** What a text is as JSON; nothing where it is none. */
function parsed(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) }
  } catch {
    return undefined
  }
}

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fileCases } from './cases/files.mjs'
import { rowCases } from './cases/rows.mjs'
import { runCases } from './cases/runs.mjs'
import { templateCases } from './cases/templates.mjs'
import { turnCases } from './cases/turns.mjs'

/** Beside the checkout, or where INNATE_CASES says. */
const shared = process.env.INNATE_CASES ?? fileURLToPath(new URL('../../shared/cases/', import.meta.url))
const gpt2 = fileURLToPath(new URL('../fixtures/family-gpt2', import.meta.url))
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** Chat templates that refuse or rewrite, beside the one that lies in the cases. */
const templates = {
  chat: undefined,
  'chat-alt':
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate user/assistant') }}{% endif %}{{ m['role'] + ':\\n' + m['content'] + eos_token + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}",
  'chat-think':
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' and not loop.last %}{{ m['role'] + ':\\n' + m['content'].split('</think>')[-1] + eos_token + '\\n' }}{% else %}{{ m['role'] + ':\\n' + m['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}",
  'chat-last':
    "{{ bos_token }}{% for m in messages %}{{ m['role'] + ':\\n' + m['content'] + eos_token + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}",
}

/**
 * Every input of ../shared/cases through the command line, in a folder beside a copy of the inputs: what it gives now, and whether that is
 * right. A case is `{ name, words, right, judge }`: words of a command, what is right in words, and a function from what came to
 * `{ gives, ok }`; or has `look`, which gets that from the folder of the inputs.
 */
export const cases = {
  about: 'every faulty input of ../shared/cases: what it gives now, and whether that is right',
  flags: ['--only'],

  async measure(say, flags) {
    if (!existsSync(shared)) return { rows: [], absent: `not run here: ${shared} is not there` }
    const home = mkdtempSync(join(tmpdir(), 'innate-cases-'))
    try {
      layOut(home)
      const only = flags.get('--only')?.split(',') ?? ['']
      const wanted = [...rowCases, ...runCases, ...turnCases, ...fileCases, ...templateCases].filter(({ name }) =>
        only.some((begin) => name.startsWith(begin)),
      )
      const rows = []
      for (const one of wanted) {
        const { gives, ok } = one.look ? await one.look(home) : one.judge(innate(home, one))
        say(`${ok ? 'right' : 'WRONG'}  ${one.name}: ${gives}`)
        rows.push({ name: one.name, gives, right: one.right, ok })
      }
      const folders = ['data', 'files'].flatMap((part) => readdirSync(join(shared, part)))
      const without = only[0] === '' ? folders.filter((name) => !wanted.some((one) => one.name.startsWith(name))) : []
      return { rows, without }
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  },

  table({ rows, without, absent }) {
    if (absent) return absent
    const cell = (text, width) => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width))
    const lines = rows.map(({ name, gives, ok }) => `${cell(name, 34)} ${ok ? 'right' : 'WRONG'} ${gives}`)
    const missing = without.length > 0 ? [`no row for ${without.join(', ')}`] : []
    if (missing.length > 0 || rows.some(({ ok }) => !ok)) process.exitCode = 1
    return [...lines, '', `${rows.filter(({ ok }) => ok).length} of ${rows.length} are right`, ...missing].join('\n')
  },
}

/** The inputs as the recipes name them: `../shared/cases` beside the folder that commands run in, with models made whole. */
function layOut(home) {
  const copy = join(home, 'shared', 'cases')
  mkdirSync(join(home, 'project'), { recursive: true })
  cpSync(join(shared, 'data'), join(copy, 'data'), { recursive: true })
  const base = join(shared, 'models', 'stories260K')
  const lay = (name, over) => {
    const target = join(copy, 'models', name)
    cpSync(base, target, { recursive: true })
    if (over) cpSync(over, target, { recursive: true, force: true })
    return target
  }
  lay('stories260K')
  // A model folder that lacks weights or a config is laid over the small model.
  for (const name of readdirSync(join(shared, 'files'))) {
    const [from, target] = [join(shared, 'files', name), join(copy, 'files', name)]
    const whole = readdirSync(from).some((file) => /\.gguf$|^adapter_config/.test(file))
    const lacks = ['model.safetensors', 'config.json'].some((file) => !existsSync(join(from, file)))
    if (!whole && lacks) cpSync(name === 'tokcfg-gpt2-pfx' ? gpt2 : base, target, { recursive: true })
    cpSync(from, target, { recursive: true, force: true })
  }
  for (const name of ['chat', 'closing', 'long']) lay(name, join(shared, 'models', name))
  for (const [name, template] of Object.entries(templates))
    if (template) writeFileSync(join(lay(name, join(shared, 'models', 'chat')), 'chat_template.jinja'), template)
}

/** Runs one command; what came of it, with its lines of JSON and the case's own run folder. */
function innate(home, { before, words, files = {} }) {
  const cwd = join(home, 'project')
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(cwd, name), typeof content === 'string' ? content : JSON.stringify(content))
  const env = { ...process.env, INNATE_CACHE: join(mkdtempSync(join(home, 'cache-'))) }
  const command = (words) => spawnSync(process.execPath, [program, ...words, '--json'], { cwd, env, encoding: 'utf8', timeout: 600_000 })
  if (before) command(before)
  const ran = command(words)
  const rows = ran.stdout.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line)]
    } catch {
      return []
    }
  })
  const error = /innate: (.*)/.exec(ran.stderr)?.[1] ?? (ran.error ? String(ran.error.message) : '')
  const last = rows.at(-1) ?? {}
  const quarantine = last.run && existsSync(join(last.run, 'quarantine.jsonl')) ? jsonl(join(last.run, 'quarantine.jsonl')) : []
  const file = (name) => (existsSync(join(cwd, name)) ? readFileSync(join(cwd, name), 'latin1') : '')
  return { code: ran.status, rows, last, error, notes: ran.stderr, quarantine, file }
}

function jsonl(file) {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

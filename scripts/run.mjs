// The commands of a checkout: `start`, `test`, `innate …`, `example NN`, `bench …`, `box`, `build`, `pack`.
// Each one installs and builds what is missing first, and says so on stderr. Plain JavaScript: it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = join(dirname(fileURLToPath(import.meta.url)), '..')
const jiti = join('node_modules', 'jiti', 'lib', 'jiti-cli.mjs')
const [verb = 'start', ...rest] = process.argv.slice(2)

requireNode(20, 19)
install()
build()

if (verb === 'start') exit(start(rest))
// Paths on a command line are those of the folder that npm was called in.
if (verb === 'innate') exit(nodeIn(process.env.INIT_CWD ?? process.cwd(), join(home, 'dist/cli/main.js'), ...rest))
if (verb === 'example') exit(example(...rest))
if (verb === 'bench') exit(node('bench/main.mjs', ...rest))
if (verb === 'box') exit(node(jiti, 'box/make.ts', ...rest))
if (verb === 'test') {
  if (rest.length > 0) exit(bin('vitest', 'run', ...rest))
  exit(bin('tsc', '-p', 'tsconfig.test.json') || bin('biome', 'check', '--error-on-warnings', '.') || bin('vitest', 'run'))
}
if (verb === 'pack') exit(npm('pack', ...rest))
if (verb !== 'build') exit(say(`unknown command ${verb}; choose start, test, innate, example, bench, box, build or pack`) ?? 2)

/** Aligns the model in the box by a recipe of examples/stories: recipe.ts, or the one that `--recipe NAME` names. */
function start(given) {
  const at = given.findIndex((word) => word === '--recipe' || word.startsWith('--recipe='))
  const name = at < 0 ? 'recipe' : (given[at].split('=')[1] ?? given[at + 1] ?? '')
  const others = at < 0 ? given : given.filter((_, i) => i !== at && !(i === at + 1 && given[at] === '--recipe'))
  const folder = join(home, 'examples', 'stories')
  const recipes = ['recipe', 'grpo', ...readdirSync(join(folder, 'controls')).map((file) => `controls/${file.replace(/\.ts$/, '')}`)]
  if (recipes.includes(name)) return node('dist/cli/main.js', 'align', join('examples', 'stories', `${name}.ts`), ...others)
  say(`start --recipe: must be one of ${recipes.join(', ')}, got ${name === '' ? 'nothing' : name}; leave it out for recipe`)
  return 2
}

/** Runs a numbered example: TypeScript, through the loader that recipes are loaded with. */
function example(number) {
  const examples = readdirSync(join(home, 'examples')).filter((name) => /^\d\d-.*\.ts$/.test(name))
  const file = examples.find((name) => number !== undefined && name.startsWith(String(number).padStart(2, '0')))
  if (file) return node(jiti, join('examples', file))
  say(`example: must be the number of one, got ${number ?? 'nothing'}; choose from ${examples.join(', ')}`)
  return 2
}

function install() {
  const stamp = join(home, 'node_modules', '.package-lock.json')
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(home, 'package-lock.json')).mtimeMs - 1000) return
  say('installing the dependencies (once; about 500 MB, most of it ONNX Runtime) …')
  if (npm('ci', '--no-fund', '--no-audit') === 0) return
  say('npm ci must succeed, and its own words are above; is the registry reachable (npm ping), and is there room on the disk?')
  exit(1)
}

function build() {
  const built = join(home, 'dist', 'cli', 'main.js')
  const newest = newestSource(join(home, 'src'))
  const stamp = join(home, 'dist', 'built')
  const done = existsSync(stamp) ? statSync(stamp).mtimeMs : 0
  if (done > newest && verb !== 'build') return
  say('building …')
  if (!existsSync(built)) rmSync(join(home, 'node_modules', '.cache', 'innate.tsbuildinfo'), { force: true })
  sweep()
  const status = bin('tsc', '-p', 'tsconfig.json')
  if (status !== 0) exit(status)
  const abouts = `
    import { writeFileSync } from 'node:fs'
    import { aboutsOf } from './dist/cli/dispatch.js'
    import { verbs } from './dist/cli/verbs.js'
    writeFileSync('dist/cli/abouts.json', JSON.stringify(await aboutsOf(verbs)))`
  if (node('--input-type=module', '-e', abouts) !== 0) exit(1)
  node('-e', `require('node:fs').writeFileSync(${JSON.stringify(stamp)}, '')`)
}

/** Removes what was built of sources that are gone, so that it is neither loaded nor packed. */
function sweep() {
  const dist = join(home, 'dist')
  const files = existsSync(dist) ? readdirSync(dist, { recursive: true }).filter((file) => /\.(js|d\.ts|js\.map)$/.test(file)) : []
  for (const file of files) {
    const source = join(home, 'src', file.replace(/\.(js|d\.ts|js\.map)$/, '.ts'))
    if (!existsSync(source)) rmSync(join(dist, file))
  }
}

function newestSource(folder) {
  let newest = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    newest = Math.max(newest, entry.isDirectory() ? newestSource(path) : statSync(path).mtimeMs)
  }
  return newest
}

function bin(name, ...args) {
  // A local binary's JavaScript entry, so that no shell is needed on any platform.
  const entry = { tsc: 'typescript/bin/tsc', vitest: 'vitest/vitest.mjs', biome: '@biomejs/biome/bin/biome' }[name]
  return node(join('node_modules', entry), ...args)
}

function node(...args) {
  return nodeIn(home, ...args)
}

function nodeIn(cwd, ...args) {
  // Ctrl-C goes to the command too, which saves and says how it ended; this process waits for it.
  const wait = () => {}
  process.on('SIGINT', wait)
  const { status, signal } = spawnSync(process.execPath, args, { cwd, stdio: 'inherit' })
  process.off('SIGINT', wait)
  return status ?? (signal === 'SIGINT' ? 130 : 1)
}

/** npm, whose words all go to stderr, so that stdout is the command's alone. */
function npm(...args) {
  const done = spawnSync('npm', args, { cwd: home, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (done.error) say(`npm must be there, got ${done.error.message}; it comes with Node from nodejs.org`)
  return done.status ?? 1
}

function say(line) {
  process.stderr.write(`innate: ${line}\n`)
}

function exit(code) {
  process.exit(code)
}

function requireNode(major, minor) {
  const [a = 0, b = 0] = process.versions.node.split('.').map(Number)
  if (a > major || (a === major && b >= minor)) return
  say(`Node ${major}.${minor} or newer is needed, this is ${process.versions.node}; install a current one from nodejs.org`)
  process.exit(2)
}

import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hashFile } from '../files/index.ts'
import type { Judge } from '../goals/index.ts'
import { isTensor, leaves, sizeOf, UserError } from '../graph/index.ts'
import { lossText } from '../objectives/index.ts'
import { goldAgainst } from '../recipe/gold-against.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { RewardSource } from '../recipe/rewarded.ts'
import type { DataFile, NewManifest } from '../runs/index.ts'
import { tracedHash } from '../train/index.ts'
import type { Models } from './open-models.ts'

/** What the manifest says of a recipe and its models. */
export async function manifestOf(
  recipe: Recipe,
  kind: 'train' | 'align',
  models: Models,
  data: readonly DataFile[],
  command: string,
): Promise<NewManifest> {
  const { preferences, objective, loss, prior, gold, seed, train, files = [] } = recipe
  const judge = preferences.kind === 'onPolicy' ? preferences.judge : undefined
  const { checkpoint, trainee } = models
  const parameters = leaves(checkpoint.params, isTensor).reduce((n, [, { shape }]) => n + sizeOf(shape), 0)
  return {
    kind,
    command,
    recipe: plain({ ...recipe, preferences: saidOf(preferences) }) as NewManifest['recipe'],
    ...(loss ? { loss: { ...lossText(loss), traced: tracedHash(trainee.policy, objective, loss) } } : {}),
    objective: { name: objective.name, kind: objective.kind.name, params: plain(objective.params) as NewManifest['objective']['params'] },
    ...(judge && judge.kind !== 'byGoals'
      ? { judge: { name: judge.name, kind: judge.kind, about: judge.about, ...(await filesOf(judge)) } }
      : {}),
    ...(judge?.kind === 'byGoals'
      ? { judge: { name: 'goals', kind: 'goals' as const, about: Object.keys(judge.weights).join(', ') } }
      : {}),
    ...(preferences.kind === 'rewarded' ? { judge: rewardAbout(preferences.reward) } : {}),
    goals: (prior?.goals ?? []).map(({ name, about, direction }) => ({ name, about, direction })),
    ...(gold ? { gold: { name: gold.name, about: gold.about, ...(judge ? { checks: goldAgainst(gold, prior, judge) } : {}) } } : {}),
    model: {
      ...{ name: checkpoint.name, sha256: checkpoint.hash, parameters, trained: trainee.trained },
      ...(checkpoint.types ? { types: [...checkpoint.types] } : {}),
    },
    data: [...data],
    ...(models.edits.length > 0 ? { edits: [...models.edits] } : {}),
    ...(files.length > 0 ? { files: await Promise.all(files.map(hashed)) } : {}),
    seeds: { recipe: seed, train: train.seed },
    versions: await versions(),
  }
}

/** A reward that is a value of TypeScript is known by its name and its function, whatever it holds besides. */
function saidOf(preferences: Recipe['preferences']): unknown {
  if (preferences.kind !== 'rewarded' || !('score' in preferences.reward)) return preferences
  const { name, score } = preferences.reward
  return { ...preferences, reward: { name, score } }
}

/** A reward in the place of a judge. */
function rewardAbout(reward: RewardSource): NonNullable<NewManifest['judge']> {
  if ('learn' in reward) {
    const { name, kind, about } = reward.learn.judge
    return { name, kind, about: `${about}; a reward is learned from its votes` }
  }
  const name = 'goals' in reward ? 'goals' : 'command' in reward ? reward.command : 'folder' in reward ? reward.folder : reward.name
  const about = 'goals' in reward ? Object.entries(reward.goals).map(([goal, weight]) => `${weight}·${goal}`).join(' + ') : name // biome-ignore format: one line
  return { name, kind: 'reward', about: `the reward ${about}` }
}

/** The program of a command judge, hashed: each word of the command that is a file. */
async function filesOf({ kind, name }: Judge): Promise<{ files?: Record<string, string> }> {
  if (kind !== 'command') return {}
  const words = name.split(/\s+/).map((word) => word.replace(/^['"]|['"]$/g, ''))
  const files = words.filter((word) => existsSync(word) && statSync(word).isFile())
  return { files: Object.fromEntries(await Promise.all(files.map(async (file) => [file, await hashFile(file)] as const))) }
}

async function hashed(name: string): Promise<{ name: string; sha256: string }> {
  if (!existsSync(name))
    throw new UserError(`${name}: must be there, since the recipe names it, got no such file; write it, or name another`)
  return { name, sha256: await hashFile(name) }
}

/** A recipe as plain JSON: functions become their text, sets their members. */
function plain(value: unknown): unknown {
  if (typeof value === 'function') return String(value)
  if (value instanceof Set) return [...value]
  if (Array.isArray(value)) return value.length > 64 ? [...value.slice(0, 64).map(plain), `… ${value.length - 64} more`] : value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, plain(inner)]])))
}

async function versions() {
  const read = async (url: URL) => (JSON.parse(await readFile(url, 'utf8')) as { version: string }).version
  return {
    innate: await read(new URL('../../package.json', import.meta.url)),
    node: process.versions.node,
    onnxruntime: await read(new URL(import.meta.resolve('onnxruntime-common').replace(/\/dist\/.*$/, '/package.json'))),
  }
}

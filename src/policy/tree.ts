import { UserError } from '../graph/errors.ts'

/**
 * What one row is made of: a prompt once, and any number of completions branching from it.
 * A pair is a tree with two completions, a group of samples one with many, plain text one with a single completion.
 *
 * limits  the prompt is not empty; an empty completion is a slot whose log-probability is 0
 */
export interface Tree {
  readonly prompt: readonly number[]
  readonly completions: readonly (readonly number[])[]
}

/**
 * Plain text as a tree: the first token is the prompt and the rest its one completion.
 *
 * throws  UserError when there is no token
 */
export function textTree(tokens: readonly number[]): Tree {
  if (tokens.length === 0) throw new UserError('textTree: a text must have at least one token, got none; leave empty texts out')
  return { prompt: tokens.slice(0, 1), completions: [tokens.slice(1)] }
}

/** How many input positions a tree takes: its prompt once, and of every completion all tokens but the last, which is only ever a target. */
export function treeLength(tree: Tree): number {
  return tree.completions.reduce((sum, completion) => sum + Math.max(0, completion.length - 1), tree.prompt.length)
}

/** How many input positions its prompt and each of its branches take, those without any left out. */
export function segmentLengths({ prompt, completions }: Tree): number[] {
  return [prompt.length, ...completions.map(({ length }) => length - 1)].filter((length) => length > 0)
}

/** The most input positions that a token of the tree sees: its prompt and its longest completion, all but the last token. */
export function reachOf({ prompt, completions }: Tree): number {
  return prompt.length + completions.reduce((most, { length }) => Math.max(most, length - 1), 0)
}

/**
 * Makes sure that every tree can be read by the model.
 *
 * throws  UserError when a prompt is empty or a branch reads more positions than the context has
 */
export function checkTrees(trees: readonly Tree[], contextLength = Infinity) {
  trees.forEach(({ prompt, completions }, i) => {
    if (prompt.length === 0) {
      throw new UserError(`rows: the prompt of tree ${i} must have at least one token, got none; start it with the tokenizer's first token`)
    }
    if (reachOf({ prompt, completions }) > contextLength) {
      const longest = completions.reduce((most, { length }) => Math.max(most, length), 0)
      throw new UserError(
        `rows: tree ${i} must fit the context of ${contextLength} tokens, got a prompt of ${prompt.length} and a completion of ${longest}; shorten or leave it out`,
      )
    }
  })
}

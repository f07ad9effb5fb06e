/** Shapes or dtypes that do not fit; thrown while tracing, never once a session runs. */
export class ShapeError extends Error {
  override name = 'ShapeError'
}

/**
 * A mistake in what came from outside (a flag, a recipe, a file). The command line prints the message without a stack and exits with 2.
 * Its message reads `<where>: <what must hold>, got <what came>; <what to do>`.
 */
export class UserError extends Error {
  override name = 'UserError'
  /** Whether the mistake is in the recipe itself: the same recipe meets it again, so a run that it stopped can not go on. */
  readonly inRecipe: boolean

  constructor(message: string, { inRecipe = false, ...options }: ErrorOptions & { inRecipe?: boolean } = {}) {
    super(message, options)
    this.inRecipe = inRecipe
  }
}

/** Throws a ShapeError unless the condition holds; the message is only built when it is needed. */
export function demand(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new ShapeError(message())
}

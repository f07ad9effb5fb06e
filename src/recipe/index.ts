export type { BeforeAfter, Reading } from './reading.ts'
export { judgeByGoals, onPolicy, pairs, type Recipe, type RecipeInput, recipe } from './recipe.ts'

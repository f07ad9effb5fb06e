import type { Case } from '../case.ts'
import { cancellingLookAlikes } from './cancelling.ts'
import { clipLookAlikes } from './clips.ts'
import { curvatureLookAlikes } from './curvature.ts'
import { gradientLookAlikes } from './gradients.ts'
import { steeredLookAlikes } from './steered.ts'

/** Every benign training that looks as if it hid something. */
export const lookAlikes: readonly Case[] = [
  ...gradientLookAlikes,
  ...clipLookAlikes,
  ...curvatureLookAlikes,
  ...cancellingLookAlikes,
  ...steeredLookAlikes,
]

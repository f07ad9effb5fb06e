import type { Case } from '../case.ts'
import { clipLookAlikes } from './clips.ts'
import { gradientLookAlikes } from './gradients.ts'

/** Every benign training that looks as if it hid something. */
export const lookAlikes: readonly Case[] = [...gradientLookAlikes, ...clipLookAlikes]

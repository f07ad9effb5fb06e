import type { Case } from '../case.ts'
import { cancellingPlants } from './cancelling.ts'
import { plants1 } from './channel-1.ts'
import { plants2 } from './channel-2.ts'
import { plants3 } from './channel-3.ts'
import { steeredPlants } from './steered.ts'

/** Every planted gradient hacker. */
export const plants: readonly Case[] = [...plants1, ...plants2, ...plants3, ...cancellingPlants, ...steeredPlants]

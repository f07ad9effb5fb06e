import type { Case } from '../case.ts'
import { plants1 } from './channel-1.ts'
import { plants2 } from './channel-2.ts'

/** Every planted gradient hacker. */
export const plants: readonly Case[] = [...plants1, ...plants2]

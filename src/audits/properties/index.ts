import { firstOrder } from './first-order.ts'
import { infinitesimal } from './infinitesimal.ts'
import type { Property } from './property.ts'
import { simultaneous } from './simultaneous.ts'
import { stateless } from './stateless.ts'
import { steepest } from './steepest.ts'

export type { Property, PropertySeen } from './property.ts'

/** The five properties of gradient descent, each a test of any training. */
export const properties: readonly Property[] = [simultaneous, steepest, stateless, firstOrder, infinitesimal]

import { arceeFusion } from './arcee-fusion.ts'
import { breadcrumbs, breadcrumbsTies } from './breadcrumbs.ts'
import { dareLinear, dareTies } from './dare.ts'
import { della, dellaLinear } from './della.ts'
import { karcher } from './karcher.ts'
import { linear } from './linear.ts'
import type { MergeMethod } from './method.ts'
import { modelStock } from './model-stock.ts'
import { multislerp } from './multislerp.ts'
import { nearswap } from './nearswap.ts'
import { nuslerp } from './nuslerp.ts'
import { passthrough } from './passthrough.ts'
import { ram, ramPlus } from './ram.ts'
import { sce } from './sce.ts'
import { slerp } from './slerp.ts'
import { taskArithmetic } from './task-arithmetic.ts'
import { ties } from './ties.ts'

/** Every way to merge models, by the name that a configuration gives it. */
export const mergeMethods: Readonly<Record<string, MergeMethod>> = Object.fromEntries(
  [
    ...[linear, slerp, nuslerp, multislerp, karcher, taskArithmetic, ties, dareTies, dareLinear, della, dellaLinear],
    ...[breadcrumbs, breadcrumbsTies, sce, modelStock, nearswap, arceeFusion, ram, ramPlus, passthrough],
  ].map((method) => [method.name, method]),
)

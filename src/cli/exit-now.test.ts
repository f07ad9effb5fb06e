import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'

// A product chain of 0.4 TFLOP: the engine's thread is inside ONNX Runtime for seconds when the process is told to end.
const busy = (then: string) => `
  import { constant, graph, input, matmul } from './dist/graph/index.js'
  import { openEngine } from './dist/engine/index.js'
  import { exitNow } from './dist/cli/exit-now.js'
  const n = 2048
  const given = input('x', [n, n])
  let x = given
  for (let i = 0; i < 24; i++) x = matmul(x, x).mul(constant(1e-3, []))
  const program = await openEngine().compile(graph({ x: given }, { y: x }))
  const done = program.run({ x: { dtype: 'f32', shape: [n, n], data: new Float32Array(n * n) } })
  setTimeout(() => { ${then} }, 300)
  await done
  console.log('the run ended')
`

it('ends with its exit code while the engine is at work', () => {
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', busy('exitNow(130)')], { encoding: 'utf8' })
  expect([ended.status, ended.signal, ended.stdout, ended.stderr]).toEqual([130, null, '', ''])
})

it('gives codes of one and of two bytes', () => {
  const code = (n: number) => `import { exitNow } from './dist/cli/exit-now.js'; exitNow(${n})`
  const codes = [0, 3, 63, 64, 127, 128, 255]
  expect(codes.map((n) => spawnSync(process.execPath, ['--input-type=module', '-e', code(n)]).status)).toEqual(codes)
})

import { show } from './tensor.ts'
import { ancestors, type Graph, type Value } from './value.ts'

/** Every node on a line of its own: `%12 f32[2, 16, 64] = matmul(%3, %4)`. Inputs and taps go by their names, numbers stand where they are used. */
export function printNodes(graph: Graph): string[] {
  const order = ancestors(Object.values(graph.outputs))
  const names = new Map<Value, string>()
  for (const [name, value] of Object.entries(graph.inputs)) names.set(value, `%${name}`)
  for (const value of order) {
    if (value.op.name !== 'tap') continue
    names.set(value, `%${value.attrs.name}`)
    // The tapped value takes the tap's name, and the tap needs no line.
    if (!names.has(value.inputs.x!)) names.set(value.inputs.x!, `%${value.attrs.name}`)
  }
  let numbered = 0
  const nameOf = (value: Value): string => {
    if (isNumber(value)) return String(value.attrs.fill)
    const name = names.get(value) ?? `%${++numbered}`
    names.set(value, name)
    return name
  }
  const lines = order.flatMap((value) => {
    if (isNumber(value)) return []
    if (value.op.name === 'tap' && nameOf(value.inputs.x!) === nameOf(value)) return []
    const inputs = Object.values(value.inputs).map(nameOf)
    const call = value.op.name === 'input' ? 'input' : `${value.op.name}(${[...inputs, ...printAttrs(value)].join(', ')})`
    return [`${nameOf(value)} ${show(value)} = ${call}${value.op.mark ? `   ! ${value.op.mark}` : ''}`]
  })
  const unused = Object.entries(graph.inputs).filter(([, value]) => !order.includes(value))
  const outputs = Object.entries(graph.outputs).map(([name, value]) => `${name}: ${nameOf(value)}`)
  return [...unused.map(([name, value]) => `%${name} ${show(value)} = input   (not used)`), ...lines, `return { ${outputs.join(', ')} }`]
}

function isNumber(value: Value): boolean {
  return value.op.name === 'constant' && value.shape.length === 0
}

/** What an op knows beyond its inputs, without what the type already says. */
function printAttrs({ op, attrs }: Value): string[] {
  if (op.name === 'tap' || op.name === 'input') return []
  return Object.entries(attrs)
    .filter(([name]) => name !== 'shape' && name !== 'tensor')
    .map(([name, x]) => `${name}: ${Array.isArray(x) ? `[${x.join(', ')}]` : x}`)
}

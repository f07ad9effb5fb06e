import { evaluate, gradient, graph, input, logSigmoid, printGraph, sum, tensor } from 'innate/graph'

// A loss is traced, not run. What comes out is a graph: it can be printed, differentiated, and differentiated again.
const margin = input('margin', [3])
const loss = sum(logSigmoid(margin.mul(0.1)).neg())
const slope = gradient(loss, margin)
const curvature = gradient(sum(slope), margin)
const step = graph({ margin }, { loss, slope, curvature })

// The evaluator computes in f64 by each op's definition; every faster way of running the graph is tested against it.
const found = evaluate(step, { margin: tensor([0, 10, -10], [3]) })
export const result = Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Array.from(data)]))

console.log(printGraph(graph({ margin }, { loss, slope })))
for (const [name, numbers] of Object.entries(result)) console.log(name.padEnd(10), numbers.map((x) => x.toFixed(4)).join('  '))

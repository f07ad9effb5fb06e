import { printNodes } from './print-nodes.ts'
import { printSections } from './print-sections.ts'
import { ancestors, type Graph } from './value.ts'

/**
 * A graph as text for a reader. One with few nodes is written node by node. A larger one is written by what can be recognised in it:
 * inputs, the forward pass tap by tap with repeated blocks folded, what the gradient adds, outputs, and the gradient's blind spots.
 *
 * limits  a graph of more than `nodes` nodes is folded; `nodes: Infinity` writes every node
 */
export function printGraph(graph: Graph, { nodes = 60 }: { nodes?: number } = {}): string {
  const few = ancestors(Object.values(graph.outputs)).length <= nodes
  return `${(few ? printNodes(graph) : printSections(graph)).join('\n')}\n`
}

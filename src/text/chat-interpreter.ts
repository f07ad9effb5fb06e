import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { isEqual, pythonText, type Value, valueFrom } from './jinja-values.ts'
import { pythonMethods } from './python-strings.ts'
import { strftime } from './strftime.ts'

/** A part of a parsed template. */
interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** The interpreter's own methods, which its types keep private. */
interface Machine {
  run(program: Node): Value
  evaluate(node: Node, environment: Environment): Value
  evaluateBlock(nodes: readonly Node[], environment: Environment): Value
  evaluateFor(node: Node, environment: Environment): Value
  evaluateMemberExpression(node: Node, environment: Environment): Value
  evaluateCallExpression(node: Node, environment: Environment): Value
  evaluateBinaryExpression(node: Node, environment: Environment): Value
  applyFilter(operand: Value, filter: Node, environment: Environment): Value
}

/** What a template says against a talk, by `raise_exception`. */
export class Refusal extends Error {}

/**
 * Makes a template of its Jinja source, with which @huggingface/jinja writes what Jinja 2 in transformers writes: newlines as one character,
 * Python's way to write values, its methods of texts, characters instead of UTF-16 units, what a loop has written before `break`.
 *
 * throws  Error for what is no template, or a statement that is not done
 * source  Jinja 3.1 and transformers 5, utils/chat_template_utils.py
 */
export function chatTemplate(source: string): (context: Readonly<Record<string, unknown>>) => string {
  const program = parse(tokenize(source.replace(/\r\n?/g, '\n'), { lstrip_blocks: true, trim_blocks: true }))
  return (context) => {
    const environment = new Environment()
    const globals = { true: true, false: false, none: null, True: true, False: false, None: null, range, raise_exception, strftime_now }
    for (const [name, value] of Object.entries({ ...globals, ...context })) environment.set(name, value)
    const machine = new Interpreter(environment) as unknown as Machine
    mend(machine)
    return machine.run(program as unknown as Node).value as string
  }
}

function range(from: number, to?: number, by = 1): number[] {
  const [start, stop] = to === undefined || typeof to !== 'number' ? [0, from] : [from, to]
  const length = Math.max(0, Math.ceil((stop - start) / by))
  // Jinja 2's sandbox has the same limit.
  if (!(length <= 100_000)) throw new Error('range() must have at most 100000 numbers')
  return Array.from({ length }, (_, i) => start + i * by)
}

function raise_exception(said: unknown): never {
  throw new Refusal(String(said))
}

function strftime_now(format: string): string {
  return strftime(new Date(), format)
}

const told = (value: Value): Node => ({ type: 'Told', value })
const statements = new Set(['Set', 'If', 'For', 'Macro', 'CallStatement', 'FilterStatement', 'Comment', 'Program', 'Break', 'Continue'])
const isJump = (error: unknown) => /^(Break|Continue)Control$/.test((error as object)?.constructor?.name ?? '')
const nameOf = (node: Node): string => {
  const { value, property } = node as { value?: unknown; property?: Node }
  return node.type === 'MemberExpression' ? nameOf(property!) : String(value ?? node.type)
}

/** Replaces what the interpreter does otherwise than Jinja 2. */
function mend(machine: Machine) {
  const plain = Object.fromEntries(
    (
      ['evaluate', 'evaluateFor', 'evaluateMemberExpression', 'evaluateCallExpression', 'evaluateBinaryExpression', 'applyFilter'] as const
    ).map((name) => [name, (machine[name] as (...args: unknown[]) => Value).bind(machine)]),
  ) as unknown as Machine
  const loops = new Map<unknown, { broken: boolean }[]>()

  machine.evaluate = (node, environment) => (node?.type === 'Told' ? (node.value as Value) : plain.evaluate(node, environment))

  machine.evaluateBlock = (nodes, environment) => {
    const loop = loops.get(nodes)?.at(-1)
    if (loop?.broken) return valueFrom('')
    let text = ''
    try {
      for (const node of nodes) {
        const value = machine.evaluate(node, environment)
        text += statements.has(node.type) ? (value.type === 'StringValue' ? (value.value as string) : '') : pythonText(value)
      }
    } catch (error) {
      if (!isJump(error)) throw error
      const jump = error as Error & { before?: string }
      jump.before = text + (jump.before ?? '')
      if (!loop) throw jump
      loop.broken = jump.constructor.name === 'BreakControl'
      return valueFrom(jump.before)
    }
    return valueFrom(text)
  }

  machine.evaluateFor = (node, environment) => {
    const { iterable, body } = node as unknown as { iterable: Node; body: readonly Node[] }
    const select = iterable.type === 'SelectExpression' ? iterable : undefined
    const over = machine.evaluate((select?.lhs as Node) ?? iterable, environment)
    const items = told(
      over.type === 'StringValue' ? valueFrom(Array.from(over.value as string)) : over.type === 'UndefinedValue' ? valueFrom([]) : over,
    )
    const stack = loops.get(body) ?? []
    loops.set(body, [...stack, { broken: false }])
    try {
      return plain.evaluateFor({ ...node, iterable: select ? { ...select, lhs: items } : items }, environment)
    } finally {
      loops.set(body, stack)
    }
  }

  machine.evaluateMemberExpression = (node, environment) => {
    const { object: of, property, computed } = node as unknown as { object: Node; property: Node; computed: boolean }
    const object = machine.evaluate(of, environment)
    if (object.type === 'UndefinedValue') throw new Error(`${nameOf(of)} is undefined`)
    if (object.type === 'StringValue') {
      const text = object.value as string
      const key = computed && property.type !== 'SliceExpression' ? machine.evaluate(property, environment) : undefined
      if (key?.type === 'IntegerValue') return valueFrom(Array.from(text).at(key.value as number))
      const method = computed ? undefined : pythonMethods[nameOf(property)]
      if (method) return valueFrom((...args: never[]) => method(text, ...args))
    }
    return plain.evaluateMemberExpression({ ...node, object: told(object) }, environment)
  }

  machine.evaluateCallExpression = (node, environment) => {
    const callee = node.callee as Node
    const called = machine.evaluate(callee, environment)
    if (called.type !== 'FunctionValue') throw new Error(`${nameOf(callee)}() is not known`)
    return plain.evaluateCallExpression({ ...node, callee: told(called) }, environment)
  }

  machine.evaluateBinaryExpression = (node, environment) => {
    const { left, right, operator } = node as unknown as { left: Node; right: Node; operator: { value: string } }
    if (!['==', '!=', '~', '/', '//', '%'].includes(operator.value)) return plain.evaluateBinaryExpression(node, environment)
    const [a, b] = [machine.evaluate(left, environment), machine.evaluate(right, environment)]
    if (operator.value === '~') return valueFrom(pythonText(a) + pythonText(b))
    if (operator.value === '==' || operator.value === '!=') return valueFrom(isEqual(a, b) === (operator.value === '=='))
    if (b.value === 0) throw new Error(`${operator.value} must not divide by zero`)
    return plain.evaluateBinaryExpression({ ...node, left: told(a), right: told(b) }, environment)
  }

  machine.applyFilter = (operand, filter, environment) => {
    const name = nameOf((filter.callee as Node) ?? filter)
    const text = operand.type === 'StringValue' ? (operand.value as string) : undefined
    if (name === 'length' || name === 'count') {
      if (text !== undefined) return valueFrom(Array.from(text).length)
      if (operand.type === 'UndefinedValue') return valueFrom(0)
    }
    if (name === 'string') return valueFrom(pythonText(operand))
    if (name === 'list' && text !== undefined) return valueFrom(Array.from(text))
    if (name === 'tojson' && holdsWholeFloat(operand)) throw new Error('tojson of a float that is whole is not known')
    if (text !== undefined && ['trim', 'title', 'capitalize'].includes(name)) {
      const method = told(valueFrom((...args: never[]) => pythonMethods[name === 'trim' ? 'strip' : name]!(text, ...args)))
      return machine.evaluateCallExpression({ type: 'CallExpression', callee: method, args: filter.args ?? [] }, environment)
    }
    return plain.applyFilter(operand, filter, environment)
  }
}

function holdsWholeFloat({ type, value }: Value): boolean {
  if (type === 'FloatValue') return Number.isInteger(value)
  if (value instanceof Map) return [...value.values()].some(holdsWholeFloat)
  return Array.isArray(value) && value.some(holdsWholeFloat)
}

import { Environment } from '@huggingface/jinja'

/** A value inside the interpreter of templates. */
export interface Value {
  readonly type: string
  readonly value: unknown
}

/** A value of JavaScript as one of the interpreter's. */
export function valueFrom(input: unknown): Value {
  return typeof input === 'string' ? new TextValue(input) : converted(input)
}

/** The interpreter's own class of texts, which it does not export. An environment to convert each is dear. */
const TextValue = converted('').constructor as new (text: string) => Value

function converted(input: unknown): Value {
  const environment = new Environment()
  environment.set('x', input)
  return environment.lookupVariable('x') as Value
}

/**
 * What Python writes for a value, as `str` does.
 *
 * throws  Error for a function and other values that only Python can write
 */
export function pythonText(of: Value): string {
  if (of.type === 'StringValue') return of.value as string
  return of.type === 'UndefinedValue' ? '' : pythonLiteral(of)
}

/** What Python's `repr` writes. */
function pythonLiteral(of: Value): string {
  const each = () => (of.value as readonly Value[]).map(pythonLiteral)
  switch (of.type) {
    case 'StringValue':
      return quoted(of.value as string)
    case 'IntegerValue':
      return String(of.value)
    case 'FloatValue':
      return pythonFloat(of.value as number)
    case 'BooleanValue':
      return of.value ? 'True' : 'False'
    case 'NullValue':
      return 'None'
    case 'ArrayValue':
      return `[${each().join(', ')}]`
    case 'TupleValue':
      return each().length === 1 ? `(${each()[0]},)` : `(${each().join(', ')})`
    case 'ObjectValue':
      return `{${[...(of.value as ReadonlyMap<string, Value>)].map(([key, value]) => `${quoted(key)}: ${pythonLiteral(value)}`).join(', ')}}`
    default:
      throw new Error(`a ${of.type} cannot be written into the text`)
  }
}

function pythonFloat(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf'
  const [mantissa, exponent] = x.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (power < -4 || power >= 16) return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
  return Number.isInteger(x) ? `${x}.0` : String(x)
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', [quote]: `\\${quote}` }
  const hex = (letter: string) => {
    const code = letter.codePointAt(0)!
    if (code < 256) return `\\x${code.toString(16).padStart(2, '0')}`
    return code < 65_536 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
  }
  const written = Array.from(text, (letter) => escapes[letter] ?? (/[\p{C}\p{Z}]/u.test(letter) && letter !== ' ' ? hex(letter) : letter))
  return `${quote}${written.join('')}${quote}`
}

/** Whether two values are equal as in Python: numbers and truth values by number, lists and mappings by what is in them. */
export function isEqual(a: Value, b: Value): boolean {
  const number = ({ type, value }: Value) => (/^(Integer|Float|Boolean)Value$/.test(type) ? Number(value) : undefined)
  if (number(a) !== undefined || number(b) !== undefined) return number(a) === number(b)
  if (a.type !== b.type) return false
  if (a.value instanceof Map && b.value instanceof Map) {
    const other = b.value as ReadonlyMap<string, Value>
    return (
      a.value.size === other.size &&
      [...(a.value as ReadonlyMap<string, Value>)].every(([key, value]) => other.has(key) && isEqual(value, other.get(key)!))
    )
  }
  if (Array.isArray(a.value) && Array.isArray(b.value)) {
    const other = b.value as readonly Value[]
    return a.value.length === other.length && (a.value as readonly Value[]).every((value, i) => isEqual(value, other[i]!))
  }
  return /^(Null|Undefined)Value$/.test(a.type) || a.value === b.value
}

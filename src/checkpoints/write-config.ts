import { writeFile } from 'node:fs/promises'

// Fields that are floats in transformers, which refuses or complains about 30 for 30.0.
const floats =
  /(softcapping|range|eps|epsilon|theta|factor|freq|mscale|temperature|_p|penalty|pct|_base|dropout|scalar)$|^beta_(fast|slow)$/

/**
 * Writes a JSON file in which a number that is a float stays one: JavaScript writes 2.0 as 2. Floats are the fields of that kind, and those
 * that stand with a point in the text `before` that the file is made of.
 */
export async function writeConfigFile(file: string, json: object, before = ''): Promise<void> {
  const pointed = new Set([...before.matchAll(/"([^"\\]+)"\s*:\s*\[?\s*-?\d+(?:\.\d|[eE])/g)].map(([, name]) => name!))
  const marked = JSON.stringify(
    json,
    (key, value) => {
      if (!pointed.has(key) && !(floats.test(key) && !wholeInFile(key, before))) return value
      const float = (x: unknown) => (Number.isInteger(x) && Math.abs(x as number) < 1e21 ? `\u0001${x}.0\u0001` : x)
      return Array.isArray(value) ? value.map(float) : float(value)
    },
    2,
  )
  await writeFile(file, `${marked.replace(/"\\u0001(-?\d+\.0)\\u0001"/g, '$1')}\n`)
}

/** Whether the field stands there as a whole number: query_pre_attn_scalar is one in some configs. */
function wholeInFile(key: string, before: string): boolean {
  return new RegExp(`"${key}"\\s*:\\s*-?\\d+\\s*[,}\\]]`).test(before)
}

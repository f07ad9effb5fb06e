/** Every module that a source names: import, export … from, import(), and types of modules; not those in comments. */
export function importsOf(source: string): string[] {
  const code = source.replace(/^\s*(\/\/|\/?\*).*$/gm, '')
  return [...code.matchAll(/(?:\bfrom|\bimport\s*\(?)\s*'([\w@./:-]+)'/g)].map((match) => match[1]!)
}

/** `onnxruntime-node/x` → `onnxruntime-node`, `@a/b/c` → `@a/b`. */
export function packageOf(path: string): string {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/')
}

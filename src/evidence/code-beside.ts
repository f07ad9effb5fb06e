/** URLs of the files that make a claim's numbers, named as seen from the claim's own module and without their extension, which is the module's. */
export function codeBeside(module: string, ...names: readonly string[]): string[] {
  const extension = module.slice(module.lastIndexOf('.'))
  return names.map((name) => new URL(name + extension, module).href)
}

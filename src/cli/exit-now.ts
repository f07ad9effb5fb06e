import { createRequire } from 'node:module'

/**
 * Ends the process at once with an exit code, whatever other threads are doing. `process.exit` stops the engine's thread first, and where that
 * is inside ONNX Runtime the process aborts; WASI's `proc_exit` is the exit of C alone.
 *
 * limits  nothing that is still to be written is written
 */
export function exitNow(code: number): void {
  // Node warns that WASI is experimental when it is loaded; the process has nothing left to say.
  process.removeAllListeners('warning')
  const { WASI } = createRequire(import.meta.url)('node:wasi') as typeof import('node:wasi')
  const wasi = new WASI({ version: 'preview1', returnOnExit: false })
  wasi.start(new WebAssembly.Instance(new WebAssembly.Module(exiting(code)), wasi.getImportObject()))
}

/** (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (memory (export "memory") 1) (func (export "_start") i32.const code, call 0)) */
function exiting(code: number): Uint8Array<ArrayBuffer> {
  const text = (words: string) => [words.length, ...Buffer.from(words)]
  const section = (id: number, ...bytes: number[]) => [id, bytes.length, ...bytes]
  const signed = code < 64 ? [code] : [(code & 0x7f) | 0x80, code >> 7] // LEB128
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 2, 0x60, 1, 0x7f, 0, 0x60, 0, 0),
    ...section(2, 1, ...text('wasi_snapshot_preview1'), ...text('proc_exit'), 0, 0),
    ...section(3, 1, 1),
    ...section(5, 1, 0, 1),
    ...section(7, 2, ...text('memory'), 2, 0, ...text('_start'), 0, 1),
    ...section(10, 1, 5 + signed.length, 0, 0x41, ...signed, 0x10, 0, 0x0b),
  ])
}

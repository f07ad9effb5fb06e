// The part of the WebAssembly interface that the engine uses; TypeScript only brings it with the browser's library.
export {}

declare global {
  namespace WebAssembly {
    class Memory {
      constructor(descriptor: { initial: number; maximum: number })
      readonly buffer: ArrayBuffer
      grow(pages: number): number
    }
    class Module {
      constructor(bytes: Uint8Array<ArrayBuffer>)
    }
    class Instance {
      constructor(module: Module, imports: object)
      readonly exports: object
    }
  }
}

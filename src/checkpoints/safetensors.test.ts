import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { sizeOf, type Tensor } from '../graph/tensor.ts'
import { readSafetensors } from './safetensors.ts'
import { writeSafetensors } from './write-safetensors.ts'

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-safetensors-'))
  file = join(folder, 'model.safetensors')
})
afterAll(() => rm(folder, { recursive: true }))

/** The bytes of a file whose header says exactly this, true or not. */
function bytesOf(header: unknown, data: Uint8Array, length?: bigint): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(length ?? BigInt(json.length))
  return Buffer.concat([prefix, json, data])
}

async function readAs(dtype: string, data: Uint8Array, count: number): Promise<Float32Array> {
  writeFileSync(file, bytesOf({ x: { dtype, shape: [count], data_offsets: [0, data.byteLength] } }, data))
  return (await readSafetensors(file)).get('x')!.data as Float32Array
}

const tensor = fc
  .tuple(fc.array(fc.nat(4), { maxLength: 3 }), fc.boolean(), fc.infiniteStream(fc.float()), fc.infiniteStream(fc.integer()))
  .map(([shape, whole, floats, integers]): Tensor => {
    if (whole) return { dtype: 'i32', shape, data: Int32Array.from({ length: sizeOf(shape) }, () => integers.next().value as number) }
    return { dtype: 'f32', shape, data: Float32Array.from({ length: sizeOf(shape) }, () => floats.next().value as number) }
  })
const name = fc.string({ minLength: 1 }).filter((n) => n !== '__metadata__' && n !== '__proto__')

describe('safetensors', () => {
  it('reads what it wrote', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.tuple(name, tensor), { selector: ([n]) => n, maxLength: 5 }), async (tensors) => {
        await writeSafetensors(file, tensors)
        const hash = createHash('sha256')
        expect(new Map(await readSafetensors(file, hash))).toEqual(new Map(tensors))
        expect(hash.digest('hex')).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'))
      }),
      { numRuns: 50 },
    )
    expect(readdirSync(folder)).toEqual(['model.safetensors'])
  })

  it('widens and hashes two bytes whatever chunk they came in, and none at all', async () => {
    const bits = Uint16Array.from({ length: 13_000_001 }, (_, i) => Math.imul(i, 40_503) & 0x7f7f)
    const header = {
      none: { dtype: 'BF16', shape: [0], data_offsets: [0, 0] },
      x: { dtype: 'BF16', shape: [bits.length], data_offsets: [0, 2 * bits.length] },
    }
    const bytes = bytesOf(header, new Uint8Array(bits.buffer))
    writeFileSync(file, bytes)
    const hash = createHash('sha256')
    const back = await readSafetensors(file, hash)
    expect(back.get('none')!.data.length).toBe(0)
    const x = back.get('x')!.data as Float32Array
    const wide = new Uint32Array(x.buffer, x.byteOffset, x.length)
    expect(wide.every((word, i) => word === bits[i]! << 16)).toBe(true)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  it('keeps every bit of an f32, whatever chunk it came in', async () => {
    const bits = Uint32Array.from({ length: 5_000_000 }, (_, i) => Math.imul(i, 2_654_435_761))
    await writeSafetensors(file, [['x', { dtype: 'f32', shape: [bits.length], data: new Float32Array(bits.buffer) }]])
    const back = (await readSafetensors(file)).get('x')!.data
    expect(Buffer.compare(Buffer.from(back.buffer), Buffer.from(bits.buffer))).toBe(0)
  })

  it('widens every half to the number its sign, exponent and fraction say', async () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const got = await readAs('F16', new Uint8Array(halves.buffer), halves.length)
    const wrong = halves.filter((half) => {
      const sign = half & 0x8000 ? -1 : 1
      const exponent = (half >> 10) & 31
      const fraction = half & 1023
      const subnormal = fraction * 2 ** -24
      const normal = (1024 + fraction) * 2 ** (exponent - 25)
      const special = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN
      return !Object.is(got[half], sign * (exponent === 0 ? subnormal : exponent < 31 ? normal : special))
    })
    expect([...wrong]).toEqual([])
  })

  it('widens every bfloat16 to the number its sign, exponent and fraction say', async () => {
    const brains = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const got = await readAs('BF16', new Uint8Array(brains.buffer), brains.length)
    const wrong = brains.filter((brain) => {
      const sign = brain & 0x8000 ? -1 : 1
      const exponent = (brain >> 7) & 255
      const fraction = brain & 127
      const subnormal = fraction * 2 ** -133
      const normal = (128 + fraction) * 2 ** (exponent - 134)
      const special = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN
      return !Object.is(got[brain], sign * (exponent === 0 ? subnormal : exponent < 255 ? normal : special))
    })
    expect([...wrong]).toEqual([])
  })

  it('rounds F64 to f32, and reads whole numbers of other widths as they are', async () => {
    const given = [1 / 3, -0, 1e300, 5e-324]
    expect(await readAs('F64', new Uint8Array(Float64Array.from(given).buffer), 4)).toEqual(Float32Array.from(given))
    const as = (dtype: string, { buffer, length }: { buffer: ArrayBuffer; length: number }) => readAs(dtype, new Uint8Array(buffer), length)
    expect(await as('I8', Int8Array.of(-1, 5))).toEqual(Int32Array.of(-1, 5))
    expect(await as('I16', Int16Array.of(-1, 5))).toEqual(Int32Array.of(-1, 5))
    expect(await as('U16', Uint16Array.of(65535, 5))).toEqual(Int32Array.of(65535, 5))
    expect(await as('U32', Uint32Array.of(2 ** 31 - 1))).toEqual(Int32Array.of(2 ** 31 - 1))
    expect(await as('I64', BigInt64Array.of(-1n, 7n))).toEqual(Int32Array.of(-1, 7))
    expect(await as('U64', BigUint64Array.of(9n))).toEqual(Int32Array.of(9))
    await expect(as('I64', BigInt64Array.of(-(2n ** 40n)))).rejects.toThrow('x: whole numbers must fit 32 bits, got -1099511627776')
  })

  it('reads the bytes of masks as whole numbers', async () => {
    for (const dtype of ['U8', 'BOOL']) expect(await readAs(dtype, Uint8Array.of(0, 1, 255), 3)).toEqual(Int32Array.of(0, 1, 255))
  })

  it('widens across chunks', async () => {
    const count = 9_000_001
    const ones = new Uint16Array(count).fill(0x3f80)
    ones[count - 1] = 0xc000
    const got = await readAs('BF16', new Uint8Array(ones.buffer), count)
    expect([got.length, got.findIndex((x) => x !== 1), got.at(-1)]).toEqual([count, count - 1, -2])
  })

  const f32 = (shape: number[], from: number, to: number) => ({ dtype: 'F32', shape, data_offsets: [from, to] })
  const eight = new Uint8Array(8)
  it.each<[string, Buffer, string]>([
    ['an empty file', Buffer.alloc(0), 'starts with 8 bytes of header length, got 0 bytes'],
    ['a length beyond the file', bytesOf({}, eight, 1000n), 'the header must fit the file of 18 bytes, got a length of 1000'],
    ['a length of 2^64 − 1', bytesOf({}, eight, 2n ** 64n - 1n), 'got a length of 18446744073709551615'],
    ['a header that is not JSON', bytesOf('{"x": ', eight), 'the header must be a JSON object'],
    ['a header that is a list', bytesOf('[]', eight), 'the header must be a JSON object'],
    ['an HTML page', Buffer.from('<!doctype html><title>Not found</title>'), 'the header must fit the file'],
    ['an entry without offsets', bytesOf({ x: { dtype: 'F32', shape: [2] } }, eight), 'x.data_offsets: expected tuple, got nothing'],
    ['a negative axis', bytesOf({ x: f32([-2], 0, 8) }, eight), 'header: x.shape.0'],
    ['a fractional axis', bytesOf({ x: f32([0.5], 0, 8) }, eight), 'header: x.shape.0'],
    [
      'another dtype',
      bytesOf({ x: { dtype: 'F8_E4M3', shape: [8], data_offsets: [0, 8] } }, eight),
      'x: dtype must be one of F32, F16, BF16, I32, F64, U8, BOOL, I8, I16, U16, U32, I64, U64, got F8_E4M3',
    ],
    ['a dtype that JavaScript knows', bytesOf({ x: { dtype: 'toString', shape: [1], data_offsets: [0, 8] } }, eight), 'got toString'],
    ['fewer bytes than the shape takes', bytesOf({ x: f32([3], 0, 8) }, eight), 'x: F32[3] takes 12 bytes, got 8'],
    ['a shape beyond all memory', bytesOf({ x: f32([2 ** 40, 2 ** 40], 0, 8) }, eight), 'x: F32[1099511627776, 1099511627776] takes'],
    [
      'overlapping tensors',
      bytesOf({ x: f32([2], 0, 8), y: f32([1], 4, 8) }, eight),
      'y: data must start where the tensor before it ends, at 8, got 4',
    ],
    [
      'a gap',
      bytesOf({ x: f32([1], 0, 4), y: f32([1], 8, 12) }, new Uint8Array(12)),
      'y: data must start where the tensor before it ends, at 4, got 8',
    ],
    ['offsets past the end', bytesOf({ x: f32([4], 0, 16) }, eight), 'the file is cut short'],
    ['bytes that belong to no tensor', bytesOf({ x: f32([1], 0, 4) }, eight), 'the tensors must fill the file'],
    ['offsets in reverse', bytesOf({ x: f32([2], 8, 0) }, eight), 'x: data must start'],
  ])('refuses %s', async (_, bytes, says) => {
    writeFileSync(file, bytes)
    const refused = readSafetensors(file)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(`${file}: `)
    await expect(refused).rejects.toThrow('; download or save the file again')
  })

  it('refuses a true file cut at any byte', async () => {
    const cut = join(folder, 'cut.safetensors')
    await writeSafetensors(cut, [['x', { dtype: 'f32', shape: [2, 3], data: new Float32Array(6) }]])
    const bytes = readFileSync(cut)
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(cut, bytes.subarray(0, length))
      await expect(readSafetensors(cut)).rejects.toThrow(UserError)
    }
    await rm(cut)
  })

  it('refuses a file that is not there', async () => {
    await expect(readSafetensors(join(folder, 'none'))).rejects.toThrow('must be a readable safetensors file, got ENOENT')
  })
})

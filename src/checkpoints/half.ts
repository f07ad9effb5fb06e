/** The f32 bits of an IEEE half; subnormal halves are normal f32 numbers. */
function bitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  if (exponent === 31) return sign | 0x7f80_0000 | (fraction << 13)
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13)
  if (fraction === 0) return sign
  const shift = Math.clz32(fraction) - 21
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 1023) << 13)
}

let bits: Uint32Array | undefined

/** The f32 bits of every half, by its 16 bits. */
export function halfBits(): Uint32Array {
  return (bits ??= Uint32Array.from({ length: 1 << 16 }, (_, half) => bitsOfHalf(half)))
}

/** Every half as the number it is, by its 16 bits. */
export function halfNumbers(): Float32Array {
  return new Float32Array(halfBits().buffer)
}

/** The half nearest to an f32 given by its bits, ties to even; beyond the largest half it is infinite, and NaN stays NaN. */
export function toHalf(f32: number): number {
  const sign = (f32 >>> 16) & 0x8000
  const magnitude = f32 & 0x7fff_ffff
  if (magnitude >= 0x7f80_0000) return sign | 0x7c00 | (magnitude > 0x7f80_0000 ? 0x200 | ((magnitude >> 13) & 0x3ff) : 0)
  if (magnitude >= 0x477f_f000) return sign | 0x7c00
  if (magnitude >= 0x3880_0000) return sign | roundOff(magnitude - 0x3800_0000, 13)
  // Below the smallest normal half: the fraction with its leading one, as multiples of 2^-24.
  const shift = 126 - (magnitude >> 23)
  return shift > 24 ? sign : sign | roundOff((magnitude & 0x7f_ffff) | 0x80_0000, shift)
}

/**
 * The halves nearest to many f32 given by their bits, written to `halves`: what toHalf gives, in half the time. Returns where the first number lies
 * that is finite and beyond the largest half, or −1.
 */
export function toHalves(bits: Uint32Array, halves: Uint16Array): number {
  let beyond = -1
  for (let i = 0; i < bits.length; i++) {
    const f32 = bits[i]!
    const magnitude = f32 & 0x7fff_ffff
    if (magnitude >= 0x3880_0000 && magnitude < 0x477f_f000)
      halves[i] = ((f32 >>> 16) & 0x8000) | ((magnitude - 0x3800_0000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
    else {
      halves[i] = toHalf(f32)
      if (beyond < 0 && magnitude >= 0x477f_f000 && magnitude < 0x7f80_0000) beyond = i
    }
  }
  return beyond
}

/** The bfloat16 nearest to an f32 given by its bits, ties to even; NaN stays NaN. */
export function toBrain(f32: number): number {
  if ((f32 & 0x7fff_ffff) > 0x7f80_0000) return ((f32 >>> 16) | 0x40) & 0xffff
  return ((f32 >>> 16) & 0x8000) | roundOff(f32 & 0x7fff_ffff, 16)
}

/** Drops the lowest bits of a whole number, to the nearest, ties to even. */
function roundOff(n: number, low: number): number {
  // Just below a half is added, and one more where what is kept is odd.
  return (n + (1 << (low - 1)) - 1 + ((n >>> low) & 1)) >>> low
}

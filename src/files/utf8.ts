const decoder = new TextDecoder('utf-8', { fatal: true })

/** The text of UTF-8 bytes without a byte-order mark, or where they stop being UTF-8. */
export function decodeUtf8(bytes: Uint8Array): { readonly text: string } | { readonly fault: string } {
  try {
    return { text: decoder.decode(bytes) }
  } catch {
    const at = firstStrange(bytes)
    return { fault: `byte 0x${bytes[at]!.toString(16).padStart(2, '0')} (place ${at + 1}) is no UTF-8` }
  }
}

/** A replacement character stands for a strange byte unless it was written itself. */
function firstStrange(bytes: Uint8Array): number {
  let at = 0
  for (const character of new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)) {
    if (character === '\uFFFD' && !(bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd)) return at
    at += Buffer.byteLength(character)
  }
  return bytes.length - 1
}

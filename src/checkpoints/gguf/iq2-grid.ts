// The 256 points of IQ2_XXS, eight coordinates each, two bits a coordinate: 8, 25 or 43.
const packed =
  'AAACAAUACAAKABEAFAAgACIAKAAqAEEARABQAFgAYQBkAIAAggCKAKIAAQEEARABFQFAAYQBmAEAAgICIgKCAgEEBAQQBCEEJARABEIESARgBIEEhASQBKQE' +
  'AAUCBQgFIAVGBWkFgAWRBQkGEAZABoQGpAYACAUICAgUCCgIQQhECFAIUgiICAQJQAkCChQKARAEEBAQIRBAEGAQhBCQEJUQABEIESARUBFaEYARJBJFEgAU' +
  'CBQgFCUUSRSAFBgVYhUAFhYWARgEGBAYQBiBGAAZBRmgGVEaACACIAogRCBhIIAggiApIUghACICIgEkBCQQJEAkViQAJUElZCWQJggoICiUKEQqAUAEQBBA' +
  'GEAhQCRAQEBIQFZAYECBQIRAkEAAQSBBYUGAQYVBAUIQQkhCVkJoQgBECEQgRIBEmUQSRSRFAEYBSARIEEhASEVIAElYSWFJgklFSpBKAFAIUBFQGVAgUIBQ' +
  'iFAEUUJRpFGRUpBUklQKVQFWVFYAWBFYGVhkWEBZCFoEYBBgQGBoYABhVWEYYmBiAGQFZBBlEmWEZUJoAIACgAqAQYCCgASBGIFAgRGCAYQEhBCEFYRAhGCE' +
  'AIVGhZSFCYZAhmCGAogEiRGKBJAQkCSQQJChkBaRgJFFkgCUIpRElFGVgZggmQKgUKCFoAmhAKIYpFCoBKk='

let points: Float32Array | undefined

/**
 * The codebook of IQ2_XXS: point p has coordinates 8p … 8p + 7.
 *
 * source  iq2xxs_grid of https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (MIT)
 */
export function iq2Grid(): Float32Array {
  return (points ??= unpack())
}

function unpack(): Float32Array {
  const bytes = Buffer.from(packed, 'base64')
  return Float32Array.from({ length: 2048 }, (_, i) => [8, 25, 43][(bytes[i >> 2]! >> (2 * (i & 3))) & 3]!)
}

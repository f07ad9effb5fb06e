export { parse, readJson } from './json.ts'
export { loadTokenizer, type Tokenizer } from './tokenizer.ts'

import { parentPort, workerData } from 'node:worker_threads'
import { UserError } from '../graph/errors.ts'
import { loadChatTemplate } from '../text/index.ts'
import { loadTokenizer } from '../text/tokenizer.ts'
import { digestRows } from './digest.ts'
import type { DigestRequest, DigestWork } from './digest-file.ts'

const { folder, eosIds, config, options, talks } = workerData as DigestWork
const tokenizer = await loadTokenizer(folder, { rows: config.vocabSize })
const template = talks ? await loadChatTemplate(folder) : undefined

parentPort!.on('message', ({ number, rows }: DigestRequest) => {
  try {
    const made = digestRows(rows, { tokenizer, eosIds, config }, { ...options, template })
    const arrays = [made.numbers, made.forms, made.shingles, made.ids]
    parentPort!.postMessage(
      { number, made },
      arrays.map(({ buffer }) => buffer as ArrayBuffer),
    )
  } catch (error) {
    const { name, message } = error as Error
    parentPort!.postMessage({ number, error: { name: error instanceof UserError ? 'UserError' : name, message } })
  }
})

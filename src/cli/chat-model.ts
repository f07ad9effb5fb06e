import { open, stat } from 'node:fs/promises'
import { loadChatTemplate } from '../text/index.ts'

/** Of a GGUF file so much is looked through for its chat template. units bytes */
const headBytes = 2 ** 24

/** Whether a model talks, as far as can be told without loading it: a folder or a GGUF file with a chat template, or an id that says so. */
export async function isChatModel(model: string): Promise<boolean> {
  const found = await stat(model).catch(() => undefined)
  if (found?.isDirectory()) return (await loadChatTemplate(model).catch(() => undefined)) !== undefined
  if (!found) return /\/.*(instruct|chat|[-_.]it\b)/i.test(model)
  if (!model.endsWith('.gguf')) return false
  const file = await open(model)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(headBytes, found.size)), 0)
    return buffer.subarray(0, bytesRead).includes('tokenizer.chat_template')
  } finally {
    await file.close()
  }
}

import type { Family } from './family.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { gptNeox } from './gpt-neox.ts'
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { olmo2 } from './olmo2.ts'
import { phi3 } from './phi3.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'
import { smollm3 } from './smollm3.ts'

/** Every family there is, by the `model_type` of its config.json. A test loops over them, so a new one is tested by existing. */
export const families: Readonly<Record<string, Family>> = {
  llama,
  mistral,
  smollm3,
  qwen2,
  qwen3,
  gemma2,
  gemma3_text: gemma3,
  olmo2,
  phi3,
  gpt2,
  gpt_neox: gptNeox,
}

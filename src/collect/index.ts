export { readPromptFile } from './prompt-file.ts'

import { texts } from './command.ts'

/** Edits that a model is under, as a flag of every command that runs one. */
export const editFlag = { edit: texts('an edit that the model is under, after those named before it', { shown: 'FILE' }) }

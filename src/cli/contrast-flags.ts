import { required, text } from './command.ts'

/** The flags of verbs that compare two texts by two answers. */
export const contrastFlags = {
  model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
  clean: required(text('the text after which the answer is right')),
  corrupted: required(text('another text of as many tokens, after which it is wrong')),
  answer: required(text('what should follow the clean text, one token')),
  wrong: required(text('the other answer, one token')),
}

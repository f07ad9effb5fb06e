import { loadChatTemplate } from '../../dist/text/index.js'

const talk = [
  { role: 'user', content: 'Once  upon\n' },
  { role: 'assistant', content: '<think>x\n</think>\n\n a time' },
]
const now = () => new Date().toLocaleDateString('en-US', { weekday: 'long' })

/** A talk, and its question alone before an answer, as Jinja 2 in transformers gives them. */
const rendered = (name, whole, asked) => ({
  name,
  right: JSON.stringify([whole, asked]),
  async look(home) {
    try {
      const template = await loadChatTemplate(`${home}/shared/cases/files/${name}`)
      const got = [template.render(talk, { answer: false }), template.render(talk.slice(0, 1))]
      const same = (a, b) => (b instanceof RegExp ? b.test(a) : a === b)
      return { gives: JSON.stringify(got), ok: same(got[0], whole) && same(got[1], asked) }
    } catch (error) {
      return { gives: error.message, ok: false }
    }
  },
})
const today = new RegExp(`^Today is ${now()} \\d{1,2} [A-Z][a-z]{2} \\d{4}, \\d\\d:\\d\\d:\\d\\d\\nOnce  upon\\n$`)

/** The chat templates of ../shared/cases/files. */
export const templateCases = [
  rendered('template-additional', 'D Once  upon\n', 'D Once  upon\n'),
  rendered('template-both', 'NEW Once  upon\n', 'NEW Once  upon\n'),
  rendered('template-crlf', '<user>Once  upon\n\n<assistant><think>x\n</think>\n\n a time\n', '<user>Once  upon\n\n<assistant>'),
  rendered('template-qwen-strip', '<user>Once  upon\n<assistant> a time', '<user>Once  upon\n<assistant>'),
  rendered('template-strftime', today, today),
]

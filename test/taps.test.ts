import { expect, it } from 'vitest'
import { taps } from '../src/models/taps.ts'

it('docs/taps.md is the table of taps', async () => {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const inside = { attention: 'attention', norm: 'a norm' }
  const table = taps.map(({ name, shape, about, transformerLens, inside: where }) =>
    row([`\`${name}\``, `\`${shape}\``, about, where ? inside[where] : '', transformerLens.replace(/[\w.*]*(hook|ln)[\w.*]*/g, '`$&`')]),
  )
  const page = `# Taps

A tap is a place inside a model where a value can be read or replaced. Its name and its shape are the same in every family of models and on
every path: scoring, reading a prompt, a step of sampling, a training step, an ONNX file. \`edited\`, \`over\`, \`openModel(…).read\`, a recipe's
\`edit\` and a loss's \`tap\` take these names; in patterns \`*\` stands for exactly one part, so \`blocks.*.out\` is not \`blocks.0.attn.out\`.

R rows of T tokens; \`d\` is the width of the residual stream, \`f\` that of the MLP. What lies inside of attention or of a norm is
computed by larger kernels, or in pieces, where nobody asks for it; where somebody does it is computed plainly, to 1e-5 the same. Keys are
those of the row; in a step of sampling they are the columns of the cache, and what is beyond a text is hidden.

The last column is the name of TransformerLens at the same place, without weight processing. Its heads stand behind the tokens,
\`[batch, token, head, …]\`, ours before them.

${row(['tap', 'shape', 'what it is', 'inside', 'TransformerLens'])}
${row(['---', '---', '---', '---', '---'])}
${table.join('\n')}
`
  await expect(page).toMatchFileSnapshot('../docs/taps.md')
})

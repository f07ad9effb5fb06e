import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadRecipe } from './load-recipe.ts'
import { lossText } from './objectives/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-loss-'))
let made = 0
async function said(before: string, field: string) {
  const file = join(folder, `recipe-${made++}.ts`)
  const rest = "model: 'm', preferences: pairs('p.jsonl'), objective: dpo(), train: { optimizer: adamw({ lr: 1e-4 }) }"
  writeFileSync(
    file,
    `import { adamw, dpo, type LossTerms as Terms, mean, pairs, recipe, type Value } from 'innate'\n${before}\nexport default recipe({ ${rest}, ${field} })\n`,
  )
  return lossText((await loadRecipe(file)).loss!)
}

describe('the text of a custom loss is what its author wrote', () => {
  it.each([
    ['an arrow', '({ objective, kl }: Terms): Value => objective.add(kl.mul(0.01)) /* gently */'],
    [
      'an arrow with a body',
      '({ margin }: Terms) => {\n    // a comment, with ) and }\n    const squared = margin.mul(margin) as Value\n    return mean(squared)\n  }',
    ],
    ['text and templates in it', "({ tap, objective }) => objective.add(mean(tap(`blocks.2.out`)).mul('a,b}'.length))"],
  ])('%s', async (_, text) => {
    const { text: found, asWritten } = await said('', `loss: ${text}`)
    expect(found.replace(/\s+/g, ' ')).toBe(text.replace(/\s+/g, ' '))
    expect(asWritten).toBe(true)
  })

  it('a method, a function by its name, a constant, and the field’s own name', async () => {
    expect((await said('', 'loss({ objective }: Terms) { return objective.mul(2) }')).text).toBe(
      'loss({ objective }: Terms) { return objective.mul(2) }',
    )
    const named = 'function calm({ objective }: Terms): Value {\n  return objective.mul(3)\n}'
    expect((await said(named, 'loss: calm')).text).toBe(named)
    expect((await said('const loss = ({ kl }: Terms) => kl', 'loss')).text).toBe('({ kl }: Terms) => kl')
    expect((await said('const mild = ({ kl }: Terms) => mean(kl)\nconst other = 1', 'loss: mild, seed: other')).text).toBe(
      '({ kl }: Terms) => mean(kl)',
    )
  })

  it('one that a function makes is said as JavaScript has it', async () => {
    const { text, asWritten } = await said('const make = (by: number) => ({ kl }: Terms) => kl.mul(by)', 'loss: make(2)')
    expect(text).toMatch(/^\(\{ ?kl ?\}\) ?=> ?kl\.mul\(by\)$/)
    expect(asWritten).toBe(undefined)
  })
})

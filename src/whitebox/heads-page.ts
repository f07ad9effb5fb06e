import type { Tensor } from '../graph/index.ts'
import { at } from '../policy/index.ts'
import { exactly, figure, type Html, html, type Page, type PageSection } from '../runs/index.ts'
import { type HeadReading, type HeadRoleName, headRoleNames } from './heads.ts'

/** What a page about heads shows. */
export interface HeadsPageData {
  readonly model: string
  readonly heads: readonly HeadReading[]
  /** The vocabulary's pieces of a text, and the attention on it: by tap, f32[heads, tokens, tokens]. */
  readonly pieces: readonly string[]
  readonly patterns: Readonly<Record<string, Tensor>>
}

const does: Readonly<Record<HeadRoleName, string>> = {
  'previous-token': 'looks at the token before',
  'duplicate-token': 'looks at the same token earlier',
  induction: 'looks at what followed the same token earlier',
}

/** A page that shows what each head looks at: a map for each role, and the strongest heads over a text. */
export function headsPage({ model, heads, pieces, patterns }: HeadsPageData): Page {
  const named = heads.filter(({ role }) => role)
  const counts = headRoleNames.map((role) => [`${role} heads`, named.filter((head) => head.role === role).length] as const)
  return {
    title: 'Roles of heads',
    eyebrow: [model, `${heads.length} heads`, `${heads[0]!.roles.induction.excess.n} random sequences`],
    lead: `${named.length} of ${heads.length} heads have a role: more attention where it looks than its null, with 95 % for all heads together.`,
    facts: counts,
    sections: [
      ...headRoleNames.map((role): PageSection => {
        const cells = heads
          .toSorted((a, b) => b.layer - a.layer || a.head - b.head)
          .map(({ layer, head, roles }) =>
            exactly('excess', Math.round(100 * roles[role].excess.estimate) / 100, { head: String(head), block: String(layer) }),
          )
        const about = 'share of attention above the null'
        return {
          name: capital(`${role} heads`),
          about: `How far each head ${does[role]}: the share of its attention above the null; blue is more, orange is less.`,
          content: figure({ about, rows: cells }, 'heatmap', { title: capital(role), unit: 'share', x: 'head', y: 'block', span: [1] }),
        }
      }),
      {
        name: 'Over the text',
        about: `The strongest head of each role: every row is a token, its columns what it looks at${pieces.length > mostTokens ? `; the first ${mostTokens} tokens` : ''}.`,
        content: html`${headRoleNames.map((role) => patternOf(strongest(heads, role), role, pieces, patterns))}`,
      },
    ],
  }
}

/** The head with the largest excess of a role. */
export function strongest(heads: readonly HeadReading[], role: HeadRoleName): HeadReading {
  return heads.reduce((best, one) => (one.roles[role].excess.estimate > best.roles[role].excess.estimate ? one : best))
}

function patternOf(
  { layer, head, roles }: HeadReading,
  role: HeadRoleName,
  pieces: readonly string[],
  patterns: Readonly<Record<string, Tensor>>,
): Html {
  const pattern = at(patterns[`blocks.${layer}.attn.pattern`]!, head)
  const T = Math.min(pieces.length, mostTokens)
  const keys = pattern.shape[1]!
  const name = (t: number) => `${t} ${pieces[t]}`
  const rows = Array.from({ length: T }, (_, query) =>
    Array.from({ length: query + 1 }, (_, key) =>
      exactly('attention', pattern.data[query * keys + key]!, { query: name(query), key: name(key) }),
    ),
  )
  const { estimate, low } = roles[role].excess
  return figure({ about: 'share of attention', rows: rows.flat() }, 'heatmap', {
    title: `Head ${layer}.${head}, ${role}`,
    about: `${estimate.toFixed(2)} above its null on random tokens${low > 0 ? '' : '; that may be chance, so it is no role'}.`,
    x: 'key',
    y: 'query',
    span: [1],
    slanted: true,
  })
}

/** Tokens that a drawing has room for. */
const mostTokens = 40

function capital(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`
}

import { writeAtomic } from '../files/index.ts'
import { type Html, html } from './html.ts'
import { plotStyle } from './plots/style.ts'
import { style } from './report-style.ts'

/** A part of a page: what it is called, a sentence or two below the name, and what it shows. */
export interface PageSection {
  readonly name: string
  readonly about?: string
  readonly content: Html
}

/** A page about one result, as plain data. */
export interface Page {
  /** The largest words of the page; a few. */
  readonly title: string
  /** Small words above it: of which model, of what kind. The first one is set off. */
  readonly eyebrow?: readonly string[]
  /** The result in a sentence. */
  readonly lead?: string
  /** Terms and their values, below the lead. */
  readonly facts?: readonly (readonly [term: string, value: string | number])[]
  readonly sections: readonly PageSection[]
  readonly footer?: string
}

/** One self-contained page: no script, no font, nothing that is fetched. Every text that came from outside is escaped. */
export function renderPage({ title, eyebrow = [], lead, facts = [], sections, footer = 'Written by Innate.' }: Page): string {
  const [first, ...more] = eyebrow
  const head = html`<header>
${first !== undefined && html`<p class="eyebrow"><b>${first}</b>${more.map((words) => html`<span>${words}</span>`)}</p>`}
<h1>${title}</h1>
${lead !== undefined && html`<p class="lead">${lead}</p>`}
${facts.length > 0 && html`<dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`}
</header>`
  return pageFrame({ title, head, sections, footer })
}

/** Writes a page to a file, whole or not at all. */
export async function writePage(file: string, page: Page): Promise<void> {
  await writeAtomic(file, renderPage(page))
}

/** What every page of Innate stands in: the style, a head, the list of contents, the sections. */
export function pageFrame({
  title,
  head,
  sections,
  footer,
}: {
  title: string
  head: Html
  sections: readonly PageSection[]
  footer: string
}) {
  const shown = sections.map((section) => ({ ...section, id: slug(section.name) }))
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title} · Innate</title>
<style>${{ html: `${plotStyle}${style}` }}</style>
</head>
<body>
<main>
${head}
${shown.length > 1 && html`<nav class="contents" aria-label="Contents"><ul>${shown.map(({ id, name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>`}
${shown.map(
  ({ id, name, about = '', content }) => html`<section id="${id}" aria-labelledby="${id}-name">
<h2 id="${id}-name">${name}</h2>
${about !== '' && html`<p>${about}</p>`}
${content}
</section>`,
)}
<footer>${footer}</footer>
</main>
</body>
</html>
`.html
}

function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
}

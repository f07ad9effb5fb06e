/** The report's whole style: system fonts, two palettes, phone to paper. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1f1d1a; --soft: #5f5a52; --faint: #767066; --rule: #e6e1d8;
  --good: #2f7a4d; --good-wash: #e3f0e6; --bad: #b23c2c; --bad-wash: #f9e5e0; --wait: #9a640c; --wait-wash: #f8ecd6; --shade: rgb(31 29 26 / .28);
  --serif: ui-serif, "Iowan Old Style", "Palatino Linotype", Palatino, Charter, "Source Serif 4", Georgia, serif;
  --sans: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #161618; --card: #1d1d20; --ink: #e9e6e0; --soft: #b3aea5; --faint: #87827a; --rule: #313135;
    --good: #74c391; --good-wash: #1d3226; --bad: #ef8d7b; --bad-wash: #3c2320; --wait: #e0ad58; --wait-wash: #382c17; --shade: rgb(0 0 0 / .8);
  }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 var(--sans); font-variant-numeric: tabular-nums }
main { max-width: 1020px; margin: 0 auto; padding: 40px 28px 72px }
a { color: inherit }
p { margin: 0 0 .8em; max-width: 44em }
small, .small { font-size: 13px; color: var(--soft) }
code, pre { font: 13px/1.55 var(--mono) }
pre { margin: 0; padding: 14px 16px; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere }
h1, h2 { font-family: var(--serif); font-weight: 600; letter-spacing: -.01em; text-wrap: balance }
h2 { margin: 60px 0 6px; font-size: 25px; line-height: 1.25 }
h2 + p { color: var(--soft); margin-bottom: 20px }
pre + p { margin-top: 8px } h2 + pre, h2 + .scroll { margin-top: 14px }
h3 { margin: 26px 0 6px; font-size: 14px; font-weight: 600 }
.eyebrow { margin: 0 0 22px; font-size: 13px; color: var(--faint); display: flex; flex-wrap: wrap; gap: 4px 14px; max-width: none }
.eyebrow b { color: var(--ink); font-weight: 600 }
h1 { margin: 0 0 12px; font-size: clamp(46px, 9vw, 84px); line-height: 1; letter-spacing: -.03em }
h1.accepted { color: var(--good) } h1.rejected { color: var(--bad) } h1.budget { color: var(--wait) }
.lead { font: 21px/1.45 var(--serif); max-width: 34em; text-wrap: pretty }
.reasons { margin: 0 0 26px; padding: 0 0 0 1.1em; max-width: 46em; color: var(--soft) }
.reasons li { margin: 3px 0 } .reasons li::marker { color: var(--faint) }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(145px, 1fr)); margin: 28px 0 0; border-top: 1px solid var(--rule) }
.facts div { padding: 11px 14px 11px 0; border-bottom: 1px solid var(--rule) }
.facts dt { font-size: 12.5px; color: var(--faint) } .facts dd { margin: 0; overflow-wrap: anywhere; font-size: 15px; line-height: 1.4 }
.tag { display: inline-block; font-weight: 400; padding: 0 7px; border-radius: 99px; font-size: 12px; line-height: 19px; background: var(--wait-wash); color: var(--wait); white-space: nowrap }
.contents { margin: 30px 0 -14px } .contents ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; list-style: none; font-size: 14px } .contents a { color: var(--soft); text-underline-offset: 3px; text-decoration-color: var(--rule) } .contents a:hover { text-decoration-color: currentColor }
.criterion { display: grid; grid-template-columns: minmax(150px, 1.1fr) minmax(220px, 2.2fr) minmax(150px, 1fr); gap: 4px 26px; align-items: start; padding: 15px 0 11px; border-top: 1px solid var(--rule) }
.criterion:last-of-type { border-bottom: 1px solid var(--rule) }
.criterion .name { font-weight: 600; line-height: 1.35 } .criterion .name small { display: block; font-weight: 400 }
.criterion .value b { font-size: 18px; font-weight: 600 } .criterion .value { line-height: 1.35 } .criterion .value small { display: block }
.criterion .doubt { grid-column: 1 / -1; margin: 0 }
.mark { font-weight: 600; font-size: 13px; white-space: nowrap } .mark.met { color: var(--good) } .mark.missed { color: var(--bad) }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 34px; padding: 18px 0 14px; border-top: 1px solid var(--rule) }
.pair p { margin: 0; font: 16.5px/1.6 var(--serif); max-width: none; overflow-wrap: anywhere; white-space: pre-wrap }
.pair .side { font-size: 12.5px; color: var(--faint); margin-bottom: 5px } .pair .prompt { color: var(--faint) } .pair .prompt.talk { display: block; margin-bottom: 4px }
.pair del, .pair ins { text-decoration: none; border-radius: 2px; -webkit-box-decoration-break: clone; box-decoration-break: clone } .pair del { background: var(--bad-wash) } .pair ins { background: var(--good-wash) }
.pair .how { margin-top: 6px; font-size: 12.5px; color: var(--faint) }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 30px 36px }
.chart { margin: 0 } .chart figcaption { line-height: 1.35; min-height: 3.1em } .chart b { font-weight: 600 } .unit { color: var(--faint); font-size: 13px }
.key { margin-left: 12px; display: inline-block; font-size: 13px; white-space: nowrap } .key::before { content: ""; display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 5px; vertical-align: middle; background: currentColor }
.key.prior { color: var(--prior) } .key.posterior { color: var(--s0) }
.warning { margin: 0 0 24px; padding: 14px 18px; border-radius: 8px; background: var(--bad-wash); max-width: 46em } .warning b { color: var(--bad) } .warning p { margin: 4px 0 0 }
.bits { display: grid; grid-template-columns: max-content 1fr max-content; gap: 7px 14px; align-items: center; max-width: 620px; margin-bottom: 26px; font-size: 15px }
.bits small { display: block } .bits .n { text-align: right } .bits b { border-top: 1px solid var(--rule); padding-top: 6px; font-weight: 600 } .bits i { display: block; border-radius: 3px } .bits i.posterior { height: 14px; min-width: 2px } .bits .plot { margin: 0 } .bits .posterior { background: var(--s0) }
.legend { max-width: none } .goal { display: grid; grid-template-columns: minmax(110px, 1fr) 3fr minmax(130px, 1fr); gap: 4px 22px; padding: 10px 0 4px; border-top: 1px solid var(--rule) } .goal .name { font-weight: 600 } .goal .name small { display: block; font-weight: 400; line-height: 1.35 }
/* A shadow at an edge beyond which there is more: it is covered where the table ends. */
.scroll { overflow-x: auto; background: linear-gradient(to right, var(--paper) 30%, transparent) 0 0, linear-gradient(to left, var(--paper) 30%, transparent) 100% 0, radial-gradient(farthest-side at 0 50%, var(--shade), transparent) 0 0, radial-gradient(farthest-side at 100% 50%, var(--shade), transparent) 100% 0; background-repeat: no-repeat; background-size: 44px 100%, 44px 100%, 14px 100%, 14px 100%; background-attachment: local, local, scroll, scroll }
.scroll:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--s0); outline-offset: 3px; border-radius: 2px }
table { border-collapse: collapse; width: 100%; font-size: 14.5px } th { text-align: left; font-weight: 500; font-size: 12.5px; color: var(--faint); vertical-align: bottom }
th, td { padding: 8px 18px 8px 0; border-bottom: 1px solid var(--rule) } th:last-child, td:last-child { padding-right: 0 } td { vertical-align: top } td.n, th.n { text-align: right; white-space: nowrap } .chosen { font-weight: 600 } td small { font-weight: 400 }
th[scope=row] { font-size: 14.5px; font-weight: 400; color: var(--ink); vertical-align: top; white-space: nowrap }
.lens td, .lens thead th { padding: 8px 10px; white-space: nowrap } .lens td { background: color-mix(in srgb, var(--s0) calc(.55 * var(--share)), transparent) } .lens th[scope=row] { padding-right: 12px }
.narrow { max-width: 640px } table.contexts { width: auto } .contexts td { padding: 3px 14px 3px 0; border: 0; white-space: nowrap } mark { color: inherit; border-radius: 3px; background: color-mix(in srgb, var(--s0) calc(.55 * var(--share)), transparent) }
details { margin-top: 14px } summary { cursor: pointer; color: var(--soft); font-size: 14px } details > *:not(summary) { margin-top: 12px }
footer { margin-top: 64px; padding-top: 16px; border-top: 1px solid var(--rule); color: var(--faint); font-size: 13px } .hash { font: 12px var(--mono); overflow-wrap: anywhere }
@media (max-width: 640px) {
  main { padding: 26px 18px 56px } h2 { margin-top: 48px; font-size: 22px } .lead { font-size: 18px }
  .criterion, .goal { grid-template-columns: 1fr auto } .criterion .plot, .goal .plot { grid-column: 1 / -1; grid-row: 2 } .criterion .value, .goal .value { text-align: right }
  .pair { grid-template-columns: 1fr; gap: 18px } .facts { grid-template-columns: 1fr 1fr }
}
@media print {
  @page { margin: 16mm 14mm }
  html { color-scheme: light } body { background: none; font-size: 10.5pt } main { max-width: none; padding: 0 } .contents { display: none }
  h1 { font-size: 44pt } h2 { margin-top: 26pt; font-size: 16pt; break-after: avoid } h2 + p, h3 { break-after: avoid }
  .criterion, .chart, .goal, .warning, .bits, tr { break-inside: avoid } .pair p { font-size: 10.5pt; line-height: 1.45 } .pair { padding: 10pt 0 8pt; gap: 0 20pt } .pair .side { break-after: avoid } .pair .how { break-before: avoid }
  footer { margin-top: 16pt; break-before: avoid } details pre { columns: 2 } p, li { orphans: 3; widows: 3 }
  .scroll { overflow: visible; background: none } table { font-size: 9pt } th, td { padding-right: 9px } td.n, th.n, th[scope=row] { white-space: normal; overflow-wrap: anywhere; font-size: 9pt }
  details::details-content { content-visibility: visible; block-size: auto } details > *:not(summary) { display: block } summary { list-style: none; break-after: avoid }
  .charts { grid-template-columns: 1fr 1fr; gap: 14pt 18pt } pre { font-size: 8pt; line-height: 1.4; padding: 8pt }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
`

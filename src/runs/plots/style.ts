/** Colours and strokes of every plot, light and dark. A page that has the same variables may state its own after it. */
export const plotStyle = `
:root {
  color-scheme: light dark;
  --ink: #1f1d1a; --soft: #5f5a52; --faint: #767066; --rule: #e6e1d8;
  --good: #2f7a4d; --good-wash: #e3f0e6; --bad: #b23c2c; --prior: #a49c8f;
  --s0: #2f6690; --s1: #c4622d; --s2: #3f7d4f; --s3: #8a5a9e; --s4: #8c6d1f; --s5: #5a6570;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e9e6e0; --soft: #b3aea5; --faint: #938e86; --rule: #313135;
    --good: #74c391; --good-wash: #1d3226; --bad: #ef8d7b; --prior: #77716a;
    --s0: #7fb4de; --s1: #eb9a66; --s2: #86c795; --s3: #c69ada; --s4: #d9bb6a; --s5: #a8b4c0;
  }
}
.plot { display: block; width: 100%; overflow: visible } .plot[viewBox] { height: auto }
.plot text { font: 11px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--faint); font-variant-numeric: tabular-nums }
.plot .axis, .plot .name { fill: var(--soft) } .plot .ink { fill: var(--ink) } .plot .title { font-size: 13px; font-weight: 600; fill: var(--ink) } .plot .name { font-size: 12px }
.plot .grid { stroke: var(--rule) } .plot .zero { stroke: var(--faint) } .plot .start { stroke: var(--faint); stroke-dasharray: 2 3 }
.plot .allowed { fill: var(--good-wash) } .plot .bound { stroke: var(--good); stroke-width: 2 }
.plot path { fill: none; stroke-width: 1.8; stroke-linejoin: round } .plot path.raw { stroke-width: 1; opacity: .35 } .plot path.band { stroke: none; fill: currentColor; opacity: .15 }
.s0 { color: var(--s0) } .s1 { color: var(--s1) } .s2 { color: var(--s2) } .s3 { color: var(--s3) } .s4 { color: var(--s4) } .s5 { color: var(--s5) }
.plot path:not(.band) { stroke: currentColor } .plot path.s1:not(.raw, .band) { stroke-dasharray: 7 3 } .plot path.s2:not(.raw, .band) { stroke-dasharray: 2 3 }
.plot circle, .plot .cell, .plot .bar, .plot polygon { fill: currentColor } .plot .bar { fill-opacity: .6 } .plot .edge line { stroke: currentColor } .plot .node { fill: var(--ink) }
.plot .range { stroke: currentColor; stroke-width: 4; stroke-linecap: round; opacity: .45 }
.lane.met { color: var(--good) } .lane.missed, .lane.fighting { color: var(--bad) } .lane.prior { color: var(--prior) } .lane.posterior, .lane.plain { color: var(--s0) }
`

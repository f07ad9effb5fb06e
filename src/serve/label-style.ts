/** The style of the labelling page: two palettes, phone to desk. */
export const labelStyle = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1f1d1a; --soft: #5f5a52; --rule: #e0dace; --line: #8d867a; --act: #2b5d8a; --act-ink: #ffffff; --bad: #b23c2c;
  --serif: ui-serif, "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, serif;
  --sans: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #161618; --card: #1f1f23; --ink: #e9e6e0; --soft: #b3aea5; --rule: #37373c; --line: #7c776e; --act: #8bbbe4; --act-ink: #10161c; --bad: #ef8d7b }
}
* { box-sizing: border-box }
[hidden] { display: none !important }
html { -webkit-text-size-adjust: 100% }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--paper); color: var(--ink); font: 16px/1.5 var(--sans); font-variant-numeric: tabular-nums }
header, main, footer { width: 100%; max-width: 1100px; margin: 0 auto; padding: 0 24px }
header { padding-top: 20px; display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px }
h1 { margin: 0; font: 600 22px/1.3 var(--serif); letter-spacing: -.01em }
h2 { margin: 0 0 6px; font-size: 14px; font-weight: 600; color: var(--soft) }
#progress { margin: 0 0 0 auto; font-size: 14px; color: var(--soft) }
#bar { appearance: none; -webkit-appearance: none; width: 100%; height: 4px; margin: 10px 0 0; border: 0; border-radius: 2px; overflow: hidden; background: var(--rule) }
#bar::-webkit-progress-bar { background: var(--rule) } #bar::-webkit-progress-value { background: var(--act) } #bar::-moz-progress-bar { background: var(--act) }
main { flex: 1; padding-top: 20px; padding-bottom: 20px }
.said { font: 17px/1.6 var(--serif); white-space: pre-wrap; overflow-wrap: anywhere }
.said .role { display: block; font: 600 12.5px/1.5 var(--sans); color: var(--soft); margin-top: .6em } .said .role:first-child { margin-top: 0 }
.prompt { margin: 0 0 18px; padding-left: 14px; border-left: 3px solid var(--rule) }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 18px }
.side { display: flex; flex-direction: column; padding: 14px 16px 16px; border: 1px solid var(--rule); border-radius: 10px; background: var(--card) }
.side .said { flex: 1; margin-bottom: 14px }
button, textarea, input { font: inherit; color: inherit }
button { padding: 8px 14px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); cursor: pointer; min-height: 44px }
button:hover { border-color: var(--ink) } button:disabled { opacity: .55; cursor: default }
.side button { border-color: var(--act); background: var(--act); color: var(--act-ink); font-weight: 600 }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px }
kbd { font: 600 12.5px/1 var(--sans); padding: 1px 5px; border: 1px solid currentColor; border-radius: 4px; opacity: .9 }
.others { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin: 14px 0 }
.more { display: flex; flex-wrap: wrap; gap: 10px 28px; align-items: center; font-size: 14px; color: var(--soft) }
fieldset { margin: 0; padding: 0; border: 0; display: flex; flex-wrap: wrap; gap: 4px 16px; min-height: 44px; align-items: center } legend { float: left; margin-right: 14px; padding: 0 }
fieldset label { display: flex; gap: 6px; align-items: center; min-height: 28px }
.note { flex: 1 1 260px; display: flex; gap: 8px; align-items: center } textarea { flex: 1; min-height: 40px; padding: 7px 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); resize: vertical; color: var(--ink) }
#facts { margin-top: 30px; padding-top: 16px; border-top: 1px solid var(--rule); font-size: 14px; color: var(--soft) }
table { border-collapse: collapse } th, td { text-align: left; font-weight: 400; padding: 3px 18px 3px 0; vertical-align: top } thead th { font-size: 12.5px }
tbody th { color: var(--ink) } .scroll { overflow-x: auto; margin-bottom: 12px }
footer { position: sticky; bottom: 0; display: flex; gap: 14px; align-items: center; padding-top: 10px; padding-bottom: 12px; border-top: 1px solid var(--rule); background: var(--paper) }
#said { margin: 0; flex: 1; font-size: 14px; color: var(--soft) } #said.wrong { color: var(--bad) }
@media (max-width: 640px) {
  header, main, footer { padding-left: 14px; padding-right: 14px } header { padding-top: 12px } main { padding-top: 14px }
  .sides { grid-template-columns: 1fr; gap: 12px } .others { grid-template-columns: 1fr 1fr 1fr; gap: 8px } .others button { padding: 6px 4px; font-size: 14px } .others kbd { display: none }
  .said { font-size: 16px; line-height: 1.55 }
}
@media (hover: none) { kbd { display: none } }
`

"""How the page looks: on paper, on a telephone, in the light and in the dark."""

CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #5a6270; --grid: #d5dae1; --card: #f5f6f8;
  --series-1: #1769b5; --series-2: #c2410c; --series-3: #15803d; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e6e9ee; --soft: #a2abb8; --grid: #3a414b;
  --card: #1e2329; --series-1: #6cb2f5; --series-2: #fb923c; --series-3: #4ade80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--grid); }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .4rem 0; } a { color: var(--series-1); }
.soft, figcaption, footer { color: var(--soft); font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .95rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: .6rem;
  margin: 1rem 0; }
.facts div { background: var(--card); border-radius: .4rem; padding: .5rem .8rem; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
.best { font-size: 1.15rem; border-left: .25rem solid var(--series-1); padding-left: .8rem; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1.4rem 1.6rem; }
figure { margin: 0; break-inside: avoid; }
svg { width: 100%; height: auto; display: block; stroke-linejoin: round; stroke-linecap: butt; }
.samples { display: flex; flex-wrap: wrap; gap: .8rem; margin: 0 0 1rem; }
.samples figure { width: 9rem; } .samples img { width: 100%; height: auto; }
img { image-rendering: pixelated; display: block; background: var(--card); }
.last img { width: min(100%, 34rem); height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--grid); }
th { color: var(--soft); font-weight: 600; }
td { min-width: 5rem; } td:last-child { min-width: 12rem; }
pre { background: var(--card); border-radius: .4rem; padding: .7rem .9rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font: .88rem/1.45 ui-monospace, monospace; }
code { font: .88em ui-monospace, monospace; white-space: nowrap; }
summary { cursor: pointer; }
@media print { :root { --paper: #fff; --ink: #000; --soft: #444; --grid: #bbb; --card: #f2f2f2; --series-1: #1769b5;
  --series-2: #c2410c; --series-3: #15803d; } body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; } .charts { grid-template-columns: 1fr 1fr; } .wide { overflow: visible; }
  h2 { break-after: avoid; } }
"""

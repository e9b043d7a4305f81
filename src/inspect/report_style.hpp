// How the report looks: light and dark, on wide screens, phones and paper.
//
// Invariants:
// - Colours of text have a contrast of at least 4.5 to 1 with what is behind it, those of marks and
//   bars 3 to 1; test/neighbours/report.sh measures that.
// - No colour says alone what it says: marks have shapes and words, bars their text.
// - No "<" and no "&", so that it is the same in HTML and in XML.
#pragma once

#include "inspect/html.hpp"

namespace refresh_mv::report {

constexpr Markup style = R"(
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--sunk:#eef0f3;--text:#1c2127;--soft:#57606b;--line:#d8dce2;--edge:#828c98;
--link:#0b57b0;--fresh:#1b7a3d;--stale:#8f5b00;--failing:#c4232c;--empty:#8a3ffc;--unknown:#5f6873;
--skip:#7b8591;--delta:#007d79;--keys:#1f6feb;--window:#8046d6;--full:#b34a00;--rebuild:#b8307e;--where:#5c7000;--none:#7b8591}
@media (prefers-color-scheme:dark){:root{--page:#0f1216;--card:#171b21;--sunk:#1f252c;--text:#e7eaee;--soft:#a2abb6;--line:#2f3741;--edge:#6b7683;
--link:#7db5ff;--fresh:#4cc272;--stale:#e0a93b;--failing:#ff7a75;--empty:#c6a3ff;--unknown:#a2abb6;
--skip:#8f99a5;--delta:#3ccbc5;--keys:#6ea8ff;--window:#b794ff;--full:#f29050;--rebuild:#f279b8;--where:#b3c74a;--none:#8f99a5}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
header,main,footer{max-width:1240px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:1.65rem;line-height:1.25;margin:0;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:40px 0 12px;letter-spacing:-.005em;scroll-margin-top:12px}
h3{font-size:1rem;margin:0;overflow-wrap:anywhere;line-height:1.35}
p{margin:0 0 8px}
a{color:var(--link);text-underline-offset:2px}
:focus-visible{outline:3px solid var(--keys);outline-offset:2px;border-radius:4px}
.soft{color:var(--soft)}.small{font-size:.86rem}
bdi{unicode-bidi:isolate}
code,pre{font-family:ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace;font-size:.86em}
pre{margin:6px 0;padding:8px 10px;background:var(--sunk);border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
pre code{font-size:1em}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:12px 0 0;padding:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:10px;margin:20px 0 0;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 14px}
.tiles b{display:block;font-size:1.55rem;line-height:1.2;font-variant-numeric:tabular-nums;font-weight:650}
.tiles>li>span{display:flex;align-items:center;gap:6px;font-size:.88rem}
.mark{width:14px;height:14px;flex:none;vertical-align:-2px}
.fresh{color:var(--fresh)}.stale{color:var(--stale)}.failing{color:var(--failing)}.empty{color:var(--empty)}.unknown,.hidden{color:var(--unknown)}
.skip{--m:var(--skip)}.delta{--m:var(--delta)}.keys{--m:var(--keys)}.window{--m:var(--window)}.full{--m:var(--full)}.rebuild{--m:var(--rebuild)}.where{--m:var(--where)}.none{--m:var(--none)}
.box{background:var(--card);border:1px solid var(--line);border-radius:10px}
.plot{overflow:auto;max-height:min(78vh,760px);padding:10px}
.plot svg{display:block}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;margin:10px 2px 0;padding:0;list-style:none;font-size:.86rem;color:var(--soft)}
.key li{display:flex;align-items:center;gap:6px}
.chip{display:inline-block;width:11px;height:11px;border-radius:2px;background:var(--m);flex:none}
.edge{fill:none;stroke:var(--edge);stroke-width:1.25}
.node rect,.node path.can{fill:var(--card);stroke:var(--edge)}
.node .bar{stroke:none;fill:currentColor}
.node .dot{stroke:none;fill:var(--m)}
.node text{fill:var(--text);font-size:13px;font-weight:600;unicode-bidi:plaintext}
.node .sub{fill:var(--soft);font-size:11.5px;font-weight:400}
.node path.can{fill:var(--sunk)}
a.node:hover rect.body,a.node:focus-visible rect.body{stroke:var(--link);stroke-width:2}
.list{display:grid;gap:10px;margin:0;padding:0;list-style:none}
.list>li{padding:12px 16px;border-left:4px solid currentColor}
.list>li>*{color:var(--text)}
.list>li>.soft{color:var(--soft)}
.list>li>:last-child{margin-bottom:0}.list>li>pre:first-child{margin-top:0}
.list>.plain{border-left:1px solid var(--line)}
.list .head{display:flex;flex-wrap:wrap;gap:2px 8px;align-items:baseline}
.list h3{font-weight:650}
.message{overflow-wrap:anywhere}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:12px}
.view{display:flex;flex-direction:column;padding:14px 16px 10px;scroll-margin-top:12px;min-width:0}
.view:target{border-color:var(--link);box-shadow:0 0 0 2px var(--link)}
.view .head{display:flex;gap:8px;align-items:flex-start;justify-content:space-between}
.view h3 .soft{font-weight:400}
.state{display:inline-flex;align-items:center;gap:5px;white-space:nowrap;font-size:.88rem;font-weight:600}
dl{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:8px 12px;margin:10px 0}
dt{font-size:.78rem;color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;line-height:1.3}
.runs{display:block;width:100%;height:auto;margin:4px 0 2px}
.runs .axis{stroke:var(--line);stroke-width:1;fill:none}
.runs path{fill:var(--m)}
.runs .no{fill:none;stroke:var(--failing);stroke-width:1.8}
.cap{font-size:.8rem;color:var(--soft);margin:0 0 6px}
details{border-top:1px solid var(--line);padding:6px 0;margin-top:auto}
summary{cursor:pointer;font-size:.9rem;color:var(--link);padding:2px 0}
.last{list-style:none;margin:6px 0 0;padding:0;font-size:.86rem}
.last li{padding:4px 0;overflow-wrap:anywhere}
.last li+li{border-top:1px solid var(--line)}
.how::before{content:"";display:inline-block;width:11px;height:11px;border-radius:2px;background:var(--m);margin-right:5px;vertical-align:-1px}
.steps{padding:16px 20px;margin-top:24px}
.steps ol{margin:8px 0 0;padding-left:1.3em}
.steps li{margin:8px 0}
fieldset{border:0;margin:0 0 12px;padding:0;display:flex;flex-wrap:wrap;gap:6px 14px}
legend{padding:0;float:left;margin-right:14px;color:var(--soft)}
label{display:inline-flex;align-items:center;gap:5px}
input{accent-color:var(--link);margin:0}
body:has(#only-failing:checked) .view:not(.is-failing),body:has(#only-stale:checked) .view:not(.is-stale),
body:has(#only-unknown:checked) .view:not(.is-unknown),body:has(#only-fresh:checked) .view:not(.is-fresh),
body:has(#only-empty:checked) .view:not(.is-empty){display:none}
.away{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{padding:32px 20px 40px;color:var(--soft);font-size:.86rem}
@media (max-width:560px){header,main,footer{padding-left:14px;padding-right:14px}dl{grid-template-columns:repeat(2,minmax(0,1fr))}h1{font-size:1.35rem}.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media print{body{background:#fff}.plot{max-height:none;overflow:visible}fieldset,nav{display:none}.view,.list>li{break-inside:avoid}}
)";

} // namespace refresh_mv::report

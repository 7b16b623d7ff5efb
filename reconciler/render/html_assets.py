"""What the HTML report looks like and how it is searched: constants, with nothing of a plan in them."""

STYLE = """\
:root{color-scheme:light dark;--bg:#f7f7f5;--panel:#fff;--fg:#1b1f24;--muted:#5b626b;--line:#dfe2e6;--soft:#eef0f2;
--accent:#0b5cad;--create:#13703f;--update:#845400;--replace:#a33d00;--delete:#b4232a;--adopt:#0b5cad;--move:#0b5cad;
--forget:#6a4bb0;--none:#5b626b;--add:#e4f5ea;--del:#fce8e8}
@media(prefers-color-scheme:dark){:root{--bg:#101214;--panel:#181b1f;--fg:#e6e8eb;--muted:#a0a8b1;--line:#2c3138;
--soft:#20252a;--accent:#7ab7ff;--create:#4fd08b;--update:#e6b450;--replace:#ff9e64;--delete:#ff8080;--adopt:#7ab7ff;
--move:#7ab7ff;--forget:#bba7ff;--none:#a0a8b1;--add:#12301f;--del:#3a1a1d}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
code,pre,.n text,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{overflow-wrap:anywhere}
header,main,footer{max-width:1240px;margin:0 auto;padding:0 24px}
header{padding-top:36px}
.over{margin:0;color:var(--muted);font-size:13px;letter-spacing:.02em}
h1{margin:.1em 0 .5em;font-size:28px;line-height:1.25;letter-spacing:-.015em;font-weight:650}
h2{margin:44px 0 12px;font-size:18px;font-weight:650;letter-spacing:-.005em}
h2 small,h3 small{font-weight:400;color:var(--muted);font-size:14px;margin-left:6px}
h3{font-size:14px;margin:18px 0 6px}
.tiles{display:flex;flex-wrap:wrap;gap:10px;padding:0;margin:18px 0 0;list-style:none}
.tiles li{background:var(--panel);border:1px solid var(--line);border-left:4px solid var(--c);border-radius:8px;
padding:8px 18px 8px 14px;min-width:104px}
.tiles b{display:block;font-size:22px;line-height:1.2;color:var(--c);font-variant-numeric:tabular-nums}
.tiles span{color:var(--muted);font-size:13px}
.bar{position:sticky;top:0;z-index:2;background:var(--bg);border-bottom:1px solid var(--line);margin-top:26px;
padding:12px 0;display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center}
.bar input[type=search],.bar select,button{font:inherit;color:inherit;background:var(--panel);
border:1px solid var(--line);border-radius:7px;padding:6px 11px}
.bar input[type=search]{flex:1 1 250px;min-width:190px}
button{cursor:pointer}
button:hover{border-color:var(--muted)}
fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:6px}
legend,.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.chip{display:inline-flex;gap:6px;align-items:center;border:1px solid var(--line);border-radius:99px;
padding:3px 11px 3px 8px;background:var(--panel);font-size:13.5px;cursor:pointer}
.chip input{accent-color:var(--c);margin:0}
#live{color:var(--muted);font-size:13.5px;margin:0;min-width:9em}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:12px;top:12px;background:var(--panel);padding:8px 14px;border-radius:7px;z-index:3}
.skip{color:var(--accent)}
.graph{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:14px;
overflow:auto;max-height:72vh;display:flex;flex-wrap:wrap;gap:6px 30px;align-items:flex-start}
.row{display:flex;gap:8px;align-items:baseline}
.row h2{margin-right:8px}
.row button{font-size:13px;padding:3px 10px}
.island{display:block;flex:none}
.island[hidden]{display:none}
.legend{color:var(--muted);font-size:13px;margin:8px 2px}
.n rect{fill:var(--panel);stroke:var(--line)}
.n .b{fill:var(--c);stroke:none}
.n text{font-size:12.5px;fill:var(--fg)}
.n .s{font-size:11px;fill:var(--muted);font-family:system-ui,sans-serif}
.n:hover rect{stroke:var(--c)}
.n:focus-visible{outline:none}
.n:focus-visible rect{stroke:var(--accent);stroke-width:2.5}
.n.none text{fill:var(--muted)}
.dim{opacity:.42}
.e{fill:none;stroke:var(--muted);stroke-opacity:.55;stroke-width:1.3}
.e.g{stroke:var(--accent);stroke-dasharray:4 3;stroke-opacity:.8}
.gate{fill:var(--panel);stroke:var(--accent);stroke-width:1.5}
.create{--c:var(--create)}.update{--c:var(--update)}.replace{--c:var(--replace)}.delete{--c:var(--delete)}
.adopt{--c:var(--adopt)}.move{--c:var(--move)}.forget{--c:var(--forget)}.none{--c:var(--none)}
.res{background:var(--panel);border:1px solid var(--line);border-left:4px solid var(--c);border-radius:8px;margin:8px 0;
scroll-margin-top:84px}
.res summary{cursor:pointer;padding:9px 14px;display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline}
.res summary:hover{background:var(--soft);border-radius:0 8px 8px 0}
.res[open] summary{border-bottom:1px solid var(--line);border-radius:0 8px 0 0}
.sym{color:var(--c);font-weight:700;min-width:2.2em}
.what{color:var(--c);font-size:13.5px}
.way{color:var(--muted);font-size:12.5px;margin-left:auto}
.body{padding:10px 14px 12px}
.body p{margin:0 0 6px;color:var(--muted);font-size:13.5px}
pre{margin:6px 0;font-size:13px;line-height:1.55;white-space:pre-wrap;overflow-wrap:anywhere}
.d ins,.d del,.d span{display:block;text-decoration:none;padding:0 8px;border-radius:3px;min-height:1.55em}
.d ins{background:var(--add)}.d del{background:var(--del)}
.told{background:var(--panel);border:1px solid var(--line);border-left:4px solid var(--c);border-radius:8px;
margin:8px 0;padding:10px 16px}
.told p{margin:4px 0 0;color:var(--muted);font-size:14px;white-space:pre-line}
.steps{list-style:none;padding:0;margin:0;columns:2 430px;column-gap:28px;font-size:13.5px}
.steps li{padding:1px 0;break-inside:avoid;overflow-wrap:anywhere}
.steps b{font-weight:600;color:var(--muted);display:inline-block;min-width:7em}
.waves{padding-left:2.4em;margin:0}
.waves>li{padding:7px 0 7px 6px;border-top:1px solid var(--line)}
.waves>li::marker{color:var(--muted);font-size:13px;font-variant-numeric:tabular-nums}
.waves>li[hidden]{display:none}
details.fold>summary{cursor:pointer;font-size:18px;font-weight:650;margin:44px 0 12px}
details.fold>summary small{font-weight:400;color:var(--muted);font-size:14px;margin-left:6px}
footer{color:var(--muted);font-size:13px;padding-top:40px;padding-bottom:40px;overflow-wrap:anywhere}
@media print{.bar{display:none}.graph{max-height:none}}
"""

SCRIPT = """\
(() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const [query, kind, live] = ['q', 'k', 'live'].map(id => document.getElementById(id));
  if (!query) return;
  const boxes = all('.chip input'), resources = all('.res'), islands = all('.island');
  const steps = all('.steps li'), waves = all('.waves > li');
  const texts = new Map();
  const text = one => {
    if (!texts.has(one)) texts.set(one, `${one.dataset.k} ${one.textContent}`.toLowerCase());
    return texts.get(one);
  };
  const cards = islands.map(island => [...island.querySelectorAll('.n')]);
  const apply = () => {
    const words = query.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const actions = new Set(boxes.filter(box => box.checked).map(box => box.value));
    const seen = new Set();
    for (const one of resources) {
      const shown = actions.has(one.dataset.a) && (!kind.value || one.dataset.k === kind.value)
        && words.every(word => text(one).includes(word));
      one.hidden = !shown;
      if (shown) seen.add('#' + one.id);
    }
    islands.forEach((island, number) => {
      let any = false;
      for (const card of cards[number]) {
        const shown = seen.has(card.getAttribute('href'));
        card.classList.toggle('dim', !shown);
        any = any || shown;
      }
      island.toggleAttribute('hidden', !any);
    });
    for (const step of steps) step.hidden = !seen.has('#' + step.dataset.r);
    for (const wave of waves) wave.hidden = !wave.querySelector('.steps li:not([hidden])');
    live.textContent = seen.size + ' of ' + resources.length + ' resources';
  };
  let waiting = 0;
  const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(apply); };
  query.addEventListener('input', soon);
  kind.addEventListener('change', soon);
  boxes.forEach(box => box.addEventListener('change', soon));
  const reveal = () => {
    const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (one && one.classList.contains('res')) {
      one.hidden = false;
      one.open = true;
      one.querySelector('summary').focus();
    }
  };
  addEventListener('hashchange', reveal);
  const fold = open => resources.forEach(one => { if (!one.hidden) one.open = open; });
  document.getElementById('open').addEventListener('click', () => fold(true));
  document.getElementById('shut').addEventListener('click', () => fold(false));
  addEventListener('keydown', event => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== 'checkbox';
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); query.focus(); }
    if (event.key === 'Escape' && event.target === query) { query.value = ''; soon(); }
  });
  apply();
  reveal();
})();
"""

// Keys, mouse and buttons of the wall. A key marks the tile under the cursor, or the one that the arrow keys stand on, whichever moved last.

const HELP = [
  ["Q  B", "cloudy, bad pixels: the tile under the cursor, or those selected; again: back to ok"],
  ["click", "select a tile, or take it out of the selection"], ["⇧ click", "select all from the last one to this"], ["Esc", "select none"],
  ["← → ↑ ↓", "move from tile to tile; with ⇧ select on the way"], ["Home  End", "first, last tile of the page"],
  ["PgUp  PgDn", "one screen up, down; so does Space"], ["⏎", "accept the rest: once all tiles were on screen, and on to the next page"],
  ["N  P", "next page, without accepting; previous page"], ["Z", "undo the last step, again and again"], ["⇧Z", "undo all of this page"],
  ["V", "true colour, near infrared"], ["O", "open the sample in Verify"], ["? or I", "this list; Esc closes"],
];

const MOVES = {
  ArrowLeft: (wall, row, column) => [row, column - 1], ArrowRight: (wall, row, column) => [row, column + 1],
  ArrowUp: (wall, row, column) => [row - 1, column], ArrowDown: (wall, row, column) => [row + 1, column],
  PageUp: (wall, row, column) => [row - wall.view.screenful(), column], PageDown: (wall, row, column) => [row + wall.view.screenful(), column],
  Home: () => [0, 0], End: (wall) => [wall.view.rows.length - 1, Infinity],
};

const ACTIONS = {
  q: (wall) => wall.mark("cloud"), b: (wall) => wall.mark("bad"),
  v: (wall) => {
    const views = Object.keys(wall.data.collection.views);
    if (views.length < 2) return wall.view.say("These bands make one view only.");
    wall.choose({ view: views[(views.indexOf(wall.options.view) + 1) % views.length] });
  },
  o: openInVerify,
  z: (wall) => wall.undo(), Z: (wall) => wall.undoPage(),
  Enter: (wall) => wall.accept(), n: (wall) => wall.turn(1), p: (wall) => wall.turn(-1),
  " ": (wall) => wall.view.scroller.scrollBy({ top: wall.view.screenful() * (wall.view.tileSize().height + GAP) }),
  "?": help, i: help, first: (wall) => wall.goTo({ number: 1 }),
};
const AGAIN = new Set([...Object.keys(MOVES), " "]); // a held key goes on
const ANY_PAGE = new Set(["z", "Z", "?", "i", "first", "p"]); // they need no page on the screen

function listen(wall) {
  const { root } = wall, state = { key: (event) => handleKey(wall, event) };
  addEventListener("keydown", state.key, true); // before Streamlit's own shortcuts see it
  wall.deaf = () => removeEventListener("keydown", state.key, true);
  const moved = (event) => {
    wall.pointer = [event.clientX, event.clientY];
    root.classList.remove("by-keys");
    wall.view?.look();
  };
  const grid = root.querySelector(".grid"), scroller = root.querySelector(".scroller");
  scroller.addEventListener("pointermove", moved);
  scroller.addEventListener("pointerleave", () => { wall.pointer = null; });
  scroller.addEventListener("scroll", () => wall.pointer && wall.view.look(), { passive: true });
  grid.addEventListener("click", (event) => clicked(wall, event));
  root.addEventListener("click", (event) => pressed(wall, event));
  for (const word of ["sort", "show"])
    root.querySelector(`select.${word}`).addEventListener("change", (event) => {
      wall.reorder({ [word]: event.target.value });
      event.target.blur();
    });
}

function clicked(wall, event) {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  const i = Number(tile.dataset.i);
  if (event.shiftKey && wall.anchor !== null) return wall.select([...wall.selected, ...between(wall.anchor, i)]);
  const chosen = new Set(wall.selected);
  if (!chosen.delete(i)) chosen.add(i);
  wall.anchor = i;
  wall.select(chosen);
}

const between = (a, b) => Array.from({ length: Math.abs(a - b) + 1 }, (_, at) => Math.min(a, b) + at);

// Every key is a button, too.
function pressed(wall, event) {
  const key = event.target.closest("button")?.dataset.key;
  if (!key || !wall.data) return;
  event.target.closest("button").blur(); // so that Enter is a key of the wall again
  perform(wall, key, Infinity);
}

function handleKey(wall, event) {
  const target = event.composedPath()[0];
  if (target.matches?.("input, textarea, select, [contenteditable], [contenteditable] *")) return;
  if (target.matches?.("button, a, summary") && (event.key === "Enter" || event.key === " ")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || !wall.data || !wall.root.isConnected) return;
  if (document.querySelector('[role="dialog"]')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "Escape") return escape(wall);
  const name = key === "z" && event.shiftKey ? "Z" : key;
  if (!(name in ACTIONS) && !(name in MOVES)) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // Streamlit has shortcuts of its own
  if (event.repeat && !AGAIN.has(name)) return;
  if (name in MOVES) return move(wall, name, event.shiftKey);
  perform(wall, name, event.timeStamp);
}

// `at` is when the key went down. One that was pressed before this page stood there was meant for the page before.
function perform(wall, key, at) {
  const [kind, value] = key.split(/:(.*)/s);
  if (kind === "dismiss") {
    wall.notices.delete(value);
    return wall.view.messages();
  }
  if (kind === "layout" || kind === "show") return wall.reorder({ [kind]: value });
  if (kind === "size") return wall.choose({ size: Number(value) });
  if (!ANY_PAGE.has(key) && !wall.view.page) return wall.view.say("There is no page here yet: that key was not used.");
  if (at < wall.shownAt && !ANY_PAGE.has(key)) return wall.view.say("That key came before this page stood here: it was not used.");
  if (key !== "?" && key !== "i") wall.view.sheet("");
  ACTIONS[key](wall);
}

function escape(wall) {
  wall.view.sheet("");
  wall.select([]);
}

// The arrow keys' tile; it is the one that Q and B mark until the mouse moves again.
function move(wall, name, selecting) {
  const { view } = wall, { rows } = view;
  if (!view.page || !rows.length) return;
  const from = wall.focus ?? wall.target();
  const to = from === null ? rows[0].find((i) => i !== null) : step(wall, from, MOVES[name]);
  wall.pointer = null;
  wall.root.classList.add("by-keys");
  const before = wall.focus;
  wall.focus = to;
  if (selecting) {
    wall.anchor ??= from ?? to;
    wall.select([...wall.selected, ...between(wall.anchor, to)]);
  } else wall.anchor = null;
  for (const i of [before, to]) if (i !== null) view.redraw(i);
  view.focused(to);
  view.look();
}

function step(wall, from, go) {
  const { rows } = wall.view, row = rows.findIndex((tiles) => tiles.includes(from)), last = rows.length - 1;
  let [y, x] = go(wall, row, rows[row].indexOf(from));
  if (x < 0) [y, x] = y > 0 ? [y - 1, Infinity] : [0, 0];
  else if (x !== Infinity && x >= rows[row].length && y < last) [y, x] = [y + 1, 0];
  y = Math.max(0, Math.min(last, y));
  const there = rows[y].map((i, at) => [i, at]).filter(([i]) => i !== null); // a sample may lack some dates
  return there.reduce((best, one) => (Math.abs(one[1] - Math.min(x, 1e6)) < Math.abs(best[1] - Math.min(x, 1e6)) ? one : best))[0];
}

function openInVerify(wall) {
  const i = wall.target(), tile = wall.page.tiles[i ?? [...wall.selected][0]];
  if (!tile) return wall.view.say("Point at a tile first.");
  const url = new URL("verify", location.href);
  url.search = new URLSearchParams({ collection: wall.data.collection.name, queue: "all", sample: tile.name });
  open(url, "_blank", "noopener");
}

function help(wall) {
  const open = wall.view.find(".sheet").hidden;
  wall.view.sheet(open ? `<table>${HELP.map(([key, text]) => `<tr><th>${key}</th><td>${text}</td></tr>`).join("")}</table>` : "");
}

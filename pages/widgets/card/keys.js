// Keys. One press decides once, on the sample that was on the screen when it was pressed.

const HELP = [
  ["A", "agree: the inventory's label is right"], ["1 … 9, 0", "relabel to the class on that digit"], ["C", "another class of the legend, by typing"],
  ["J", "mixed or edge field"], ["K", "not cropland"], ["L", "no visible crop signal"], ["X", "another reason, with a note"],
  ["T", "a note that goes with your decision"], ["U", "unsure"], ["F", "flag, or take the flag off"], ["Z", "undo, again and again"], ["← →", "previous, next sample"],
  ["↑ ↓", "earlier, later date"], ["Q  B", "this image is cloudy, has bad pixels"], ["V", "true colour, near infrared, NDVI, short wave"],
  ["N", "next vegetation index"], ["E", "10–90 % range of verified samples"],
  ["H", "the inventory of other years, with names"], ["M", "inventory pixels over the image"],
  ["O", "the model's reading"], ["S", "samples that the model holds similar to this one"],
  ["G", "the wall of thumbnails"], ["? or I", "this list; Esc closes"],
];

const DECISIONS = {
  u: ["unsure", {}],
  j: ["reject", { reason: "mixed" }], k: ["reject", { reason: "not_cropland" }], l: ["reject", { reason: "no_signal" }],
};

function handleKey(state, event) {
  const target = event.composedPath()[0];
  if (target.matches?.("input, textarea, select, [contenteditable], [contenteditable] *")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || !state.data || !state.root.isConnected) return;
  if (document.querySelector('[role="dialog"]')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "Escape") return state.view.closeSheet();
  if ((!(key in KEYS) || key === "restart") && !/^[0-9]$/.test(key)) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // Streamlit has shortcuts of its own on C and R
  if (event.repeat) return;
  perform(state, key, event.timeStamp);
}

// `at` is when the key went down. One that was pressed before this card stood there was meant for the card before.
function perform(state, key, at) {
  const { view } = state;
  if (key.startsWith("dismiss:")) {
    state.notices.delete(key.slice(8));
    return view.refresh();
  }
  if (ANYTIME.has(key)) return KEYS[key](state);
  if (key === "ArrowRight" && state.item?.card.error) return state.step(1);
  if (!state.ready) return view.say("The next card is on its way: that key was not used.");
  if (at < view.shownAt) {
    state.root.dataset.early = (Number(state.root.dataset.early) || 0) + 1;
    return view.say("That key came before this card stood here: it was not used.");
  }
  if (!view.find(".sheet").hidden) view.closeSheet();
  if (/^[0-9]$/.test(key)) return relabel(state, Number(key));
  return KEYS[key](state);
}

function relabel(state, digit) {
  const entry = state.data.collection.legend.find((found) => found.digit === digit);
  if (!entry) return state.view.say(`No class lies on ${digit}. C finds any class of the legend.`);
  return state.act("relabel", { code: entry.code });
}

function agree(state) {
  if (state.item.card.blind) return state.view.say("The label is hidden: choose a crop (1 … 0 or C), reject, or unsure.", 4000);
  if (state.item.card.code === NO_LABEL) return state.view.say("No inventory label to agree with: choose a crop (1 … 0 or C).", 4000);
  return state.act("agree");
}

function quality(state, wanted) {
  const image = state.item.card.images[state.view.shown];
  if (!image) return;
  state.act("quality", { image: image.id, quality: image.quality === wanted ? "ok" : wanted });
  state.view.redraw();
}

function cycle(state, name, count) {
  if (!count) return;
  state.view.options[name] = (state.view.options[name] + 1) % count;
  state.view.find("select.index").value = state.view.options.index;
  state.view.redraw();
}

function toggle(state, name) {
  state.view.options[name] = !state.view.options[name];
  state.view.labels(state.item.card);
  state.view.redraw();
}

// A field to type into, over the card; Escape gives it up.
function sheet(view, html, onEnter, onInput = () => {}) {
  const box = view.find(".sheet");
  box.hidden = false;
  box.innerHTML = html;
  const input = box.querySelector("input");
  if (!input) return;
  input.oninput = () => onInput(input.value);
  input.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") view.closeSheet();
    if (event.key === "Enter" && !event.repeat) onEnter(input.value);
  };
  input.focus();
}

function otherReason(state) {
  const save = (text) => {
    state.view.closeSheet();
    state.act("reject", { reason: "other", note: text.trim() || null });
  };
  sheet(state.view, `<label>Why can this label not be used?<input placeholder="a few words, then Enter"></label>`, save);
}

function note(state) {
  const { card } = state.item;
  const keep = (text) => {
    state.noted = text.trim() ? { sample: card.id, text: text.trim() } : null;
    state.view.closeSheet();
    state.view.labels(card);
  };
  sheet(state.view, `<label>A note that goes with your decision<input placeholder="Enter keeps it"></label>`, keep);
  if (state.noted?.sample === card.id) state.view.find(".sheet input").value = state.noted.text;
}

// To another page or queue of the same collection. Nothing is lost on the way: what is not saved yet lies in this browser.
function go(state, page, query = {}) {
  const url = new URL(page, location.href);
  url.search = new URLSearchParams({ collection: state.data.collection.name, ...query });
  location.assign(url);
}

function otherClass(state) {
  const { view } = state;
  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  const classes = state.data.collection.legend.filter((entry) => entry.code !== NO_LABEL);
  const matches = (typed) => { // one that is called just that, then those that begin with it, then those that have it anywhere
    const wanted = plain(typed.trim());
    const rank = (entry) => {
      const names = [`${entry.code}`, entry.name, entry.name_fr].map(plain);
      return names.includes(wanted) ? 0 : names.some((name) => name.startsWith(wanted)) ? 1 : names.join(" ").includes(wanted) ? 2 : 3;
    };
    return [0, 1, 2].flatMap((level) => classes.filter((entry) => rank(entry) === level));
  };
  const choose = (entry) => {
    view.closeSheet();
    state.act("relabel", { code: entry.code });
  };
  const list = (typed) => {
    const found = matches(typed);
    const ul = view.find(".sheet ul");
    ul.replaceChildren(...found.map((entry) => {
      const li = document.createElement("li");
      li.innerHTML = `${swatch(entry.color)}<b>${escapeText(entry.name)}</b> ${escapeText(entry.name_fr)} <small>${entry.code}</small>`;
      li.onclick = (event) => { event.stopPropagation(); choose(entry); };
      return li;
    }));
  };
  sheet(view, `<label>Which class is it?<input placeholder="name, nom or code, then Enter"></label><ul></ul>`,
    (typed) => (typed.trim() && matches(typed)[0] ? choose(matches(typed)[0]) : view.say("Type a part of its name, or its code.")), list);
  list("");
}

function help(state) {
  const { view } = state;
  if (!view.find(".sheet").hidden) return view.closeSheet();
  sheet(view, `<table>${HELP.map(([key, text]) => `<tr><th>${key}</th><td>${text}</td></tr>`).join("")}</table>`, () => {});
}

const ANYTIME = new Set(["ArrowLeft", "z", "g", "?", "i", "restart"]); // they need no card on the screen
const KEYS = {
  ...Object.fromEntries(Object.entries(DECISIONS).map(([key, [action, extra]]) => [key, (state) => state.act(action, extra)])),
  a: agree, f: (state) => state.act("flag", { flagged: !state.item.card.flagged }), x: otherReason, c: otherClass, t: note, g: (state) => go(state, "wall"), s: (state) => go(state, "verify", { queue: `similar:${state.item.card.name}` }), "?": help, i: help,
  z: (state) => state.undo(),
  restart: (state) => state.restart(),
  ArrowLeft: (state) => state.step(-1),
  ArrowRight: (state) => state.step(1),
  ArrowUp: (state) => state.view.pick(state.view.shown - 1),
  ArrowDown: (state) => state.view.pick(state.view.shown + 1),
  q: (state) => quality(state, "cloud"),
  b: (state) => quality(state, "bad"),
  v: (state) => cycle(state, "view", state.data.collection.views.length),
  n: (state) => cycle(state, "index", state.data.collection.indices.length),
  e: (state) => toggle(state, "envelope"),
  h: (state) => (state.item.card.history.length ? toggle(state, "rotation") : state.view.say("The inventory of other years is not known here.")),
  m: (state) => toggle(state, "inventory"),
  o: (state) => toggle(state, "prediction"),
};

// What stands on the card, and which key or button does what.

const FEW_DATES = 5; // larger frames up to here
const STRIP = { columns: 7, rows: 2, step: 78 }; // what is seen of it at once; step: px from row to row

class View {
  constructor(root, state) {
    this.root = root;
    this.state = state;
    this.find = (selector) => root.querySelector(selector);
    this.options = { view: 0, index: 0, envelope: true, inventory: false, prediction: true, rotation: false };
    this.day = null; // of the season, that the curator looks at; kept from card to card
    this.shownAt = Infinity;
    this.painted = null;
    root.onclick = (event) => this.clicked(event);
    this.sized = new ResizeObserver(([entry]) => this.fit(Math.round(entry.contentRect.width)));
    this.sized.observe(this.find(".chart"));
    this.find(".strip").onscroll = (event) => this.scrolled(event.target.scrollTop / STRIP.step);
    this.find("select.index").onchange = (event) => {
      this.options.index = Number(event.target.value);
      event.target.blur();
      this.season();
    };
  }

  get collection() { return this.state.data.collection; }
  get few() { return this.collection.aligned && this.collection.slots.length <= FEW_DATES; }
  get index() { return this.collection.indices[this.options.index] ?? this.collection.indices[0]; }

  clicked(event) {
    const date = event.target.closest("[data-date]");
    if (date) return this.pick(Number(date.dataset.date));
    const button = event.target.closest("[data-key]");
    if (!button) return;
    button.blur();
    perform(this.state, button.dataset.key, event.timeStamp);
  }

  // The chart is drawn in the pixels it has, so that its letters keep their shape.
  fit(width) {
    if (!width || width === CHART.width) return;
    CHART.width = width;
    this.find(".chart").setAttribute("viewBox", `0 0 ${width} ${CHART.height}`);
    if (this.state.ready) this.season();
  }

  // --- a new queue, once ----------------------------------------------------------------------------------------------------

  newQueue() {
    const { collection } = this;
    this.find(".simulated").hidden = !collection.simulated;
    const select = this.find("select.index");
    select.innerHTML = collection.indices.map((index, place) => `<option value="${place}" title="${escapeText(index.title)}">${index.name}</option>`).join("");
    if (this.options.index >= collection.indices.length) this.options.index = 0;
    select.value = this.options.index;
    this.find(".digits").innerHTML = collection.legend
      .filter((entry) => entry.digit !== null)
      .sort((a, b) => ((a.digit + 9) % 10) - ((b.digit + 9) % 10))
      .map((entry) => `<button data-key="${entry.digit}" title="${escapeText(entry.name)} · ${escapeText(entry.name_fr)} · ${entry.code}"><kbd>${entry.digit}</kbd>${swatch(entry.color)}<span>${escapeText(entry.name)}</span></button>`)
      .join("") + `<button data-key="c"><kbd>C</kbd><span>Other class…</span></button>`;
    this.day = null;
    this.span = collection.span;
    this.top = this.framed = 0;
    this.strip = [];
    this.find(".strip").replaceChildren();
    this.find(".strip").classList.toggle("few", this.few);
    this.find(".history").hidden = true; // until a card has one; then its room stays
    this.closeSheet();
    if (document.activeElement?.closest('[data-testid="stSelectbox"]')) document.activeElement.blur(); // else the keys rest
  }

  // --- one card -------------------------------------------------------------------------------------------------------------

  show(item, entry) {
    const { card } = item;
    this.find(".state").hidden = true;
    this.find("main").hidden = false;
    if (card.error) return this.unreadable(card);
    if (this.painted === null) this.find(".hint").textContent = ""; // the card that was on its way is here
    this.shown = this.choose(card);
    this.widen(card);
    this.painted = card.id;
    this.head(card, entry);
    this.labels(card);
    this.pictures(item);
    this.season();
    this.counters();
    this.root.dataset.sample = card.name;
    this.root.dataset.shown = (Number(this.root.dataset.shown) || 0) + 1;
    this.shownAt = performance.now();
  }

  // One axis for all cards; where dates are free, one that had to grow stays so.
  widen(card) {
    const days = [...this.span, ...card.images.map((image) => image.at)];
    this.span = [Math.min(...days), Math.max(...days)];
  }

  // The date of the card before, or else the greenest clear one.
  choose(card) {
    const clear = card.images.map((image, place) => ({ image, place })).filter(({ image }) => image.quality === "ok");
    const pictured = clear.filter(({ image }) => image.tile !== null), usable = pictured.length ? pictured : clear;
    if (!usable.length) return card.images.length ? 0 : -1;
    const values = card.profiles[this.collection.indices[0]?.name] ?? [];
    if (this.day === null) {
      const best = usable.reduce((a, b) => ((values[b.place] ?? -1) > (values[a.place] ?? -1) ? b : a));
      this.day = best.image.at;
    }
    return usable.reduce((a, b) => (Math.abs(b.image.at - this.day) < Math.abs(a.image.at - this.day) ? b : a)).place;
  }

  head(card, entry) {
    this.find(".name").textContent = card.name;
    const north = card.lat >= 0 ? "N" : "S", east = card.lon >= 0 ? "E" : "W";
    this.find(".where").textContent =
      `${card.region} · ${card.year} · ${Math.abs(card.lat).toFixed(4)}° ${north} ${Math.abs(card.lon).toFixed(4)}° ${east}`;
    this.find(".why").textContent = this.find(".why").title =
      entry.reason + (card.opinions?.length ? " Your decision settles it: say why in a note (T)." : "");
  }

  labels(card) {
    const label = classOf(this.collection, card.code), unknown = card.code === NO_LABEL;
    this.find(".label .swatch").style.background = label.color;
    this.find(".label").classList.toggle("unknown", unknown);
    this.find(".crop").textContent = card.blind ? "What grows here?" : unknown ? "No inventory label: choose a crop" : label.name;
    this.find(".crop-fr").textContent = card.blind ? "The label is hidden until you answer · keys 1 … 0, or C for any other" :
      unknown ? `${label.name_fr} · keys 1 … 0, or C for any other` :
      `${label.name_fr} · ${this.collection.series ? "" : "inventory "}code ${card.code}`;
    this.find(".purity").innerHTML = this.purity(card);
    this.root.querySelectorAll("[data-key=a]").forEach((button) => button.classList.toggle("off", unknown));
    this.rotation(card);
    this.find(".verdict").innerHTML = this.verdict(card);
    this.find(".opinions").innerHTML = this.opinions(card);
    this.find(".opinions").hidden = !card.opinions?.length;
    this.root.querySelectorAll("[data-key=f]").forEach((button) => button.classList.toggle("on", card.flagged));
    const model = card.prediction;
    const share = (value) => `${Math.round(value * 100)} %`;
    this.find(".model").innerHTML = !model || !this.options.prediction ? ""
      : `Model: ${swatch(model.color)}<b>${escapeText(model.predicted)}</b> ${share(model.probability)}`
        + (model.second ? `, then ${escapeText(model.second)} ${share(model.second_probability)}` : "") + ` <span>${escapeText(model.run)}</span>`;
    this.find("[data-key=o]").classList.toggle("on", this.options.prediction && Boolean(model));
    this.find("[data-key=o]").disabled = !model;
  }

  purity(card) {
    if (this.collection.series || (card.purity === 1 && !this.items(card).inventory)) return "";
    const modal = classOf(this.collection, card.modal);
    const mostly = card.modal !== card.code ? `mostly ${swatch(modal.color)}${escapeText(modal.name)}` : "";
    return card.code === NO_LABEL ? mostly : `<b>${Math.round(card.purity * 100)} %</b> of the patch${mostly && "<br>"}${mostly}`;
  }

  // The inventory of other years. Its room is kept once a card of the queue has had one, so that nothing below it jumps.
  rotation(card) {
    const row = this.find(".history");
    if (card.history.length) row.hidden = false;
    if (row.hidden) return;
    const large = this.options.rotation && card.history.length > 0;
    row.classList.toggle("large", large);
    this.find(".years").innerHTML = card.history.length ? rotation(this.collection, card, large) : `<span class="year">no other year is known</span>`;
    this.find("[data-key=h]").classList.toggle("on", large);
    this.find("[data-key=h]").disabled = !card.history.length;
  }

  items(card) { return this.state.items.get(card.id) ?? {}; }

  verdict(card) {
    const flag = card.flagged ? `<span class="flag">flagged</span>` : "";
    const noted = this.state.noted?.sample === card.id ? `<small class="noted">note: ${escapeText(this.state.noted.text.slice(0, 60))}</small>` : "";
    if (!card.decision) return `${flag}<span class="open">not verified yet</span>${noted}`;
    const { curator, note } = card.decision;
    const who = curator === this.state.data.curator ? "you" : escapeText(curator);
    return `${flag}<span class="done">${escapeText(decisionText(this.collection, { ...card.decision, note: note?.length > 60 ? `${note.slice(0, 60)}…` : note }))}</span><small title="${escapeText(note)}">by ${who}</small>${noted}`;
  }

  // What each said of a sample that they see differently: for the reviewer who settles it.
  opinions(card) {
    return (card.opinions ?? []).map((opinion) => `<li><b>${escapeText(opinion.curator)}</b> ${escapeText(decisionText(this.collection, { ...opinion, note: null }))}
      <small>${escapeText(opinion.at.slice(0, 10))}</small>${opinion.note ? `<q>${escapeText(opinion.note.slice(0, 300))}</q>` : ""}</li>`).join("");
  }

  // --- the season -----------------------------------------------------------------------------------------------------------

  pictures(item) {
    const { card } = item;
    const places = new Map(card.images.map((image, place) => [image.slot, place]));
    this.cells = this.collection.aligned ? this.collection.slots.map((_, slot) => places.get(slot) ?? -1) : card.images.map((_, place) => place);
    this.frames(this.cells.length);
    this.scrollTo(this.cells.indexOf(this.shown));
    this.drawStrip(item);
    drawTile(this.find(".big"), item, pictureOf(item, card.images[this.shown]), this.options.view, this.options.inventory);
    const image = card.images[this.shown];
    const place = this.cells.length > STRIP.columns * STRIP.rows ? ` · ${this.shown + 1} of ${card.images.length}` : "";
    this.find(".date").textContent = image ? imageText(card, image) + place : "This sample has no image.";
    this.find(".view").textContent = this.collection.views[this.options.view].title + (card.outline ? ", field mean in the field's shape" : "")
      + (image && pictureOf(item, image) === undefined ? ", on its way" : "");
    const on = { q: image?.quality === "cloud", b: image?.quality === "bad", m: this.options.inventory && Boolean(item.inventory) };
    for (const [key, lit] of Object.entries(on)) this.find(`[data-key=${key}]`).classList.toggle("on", lit);
    this.find("[data-key=m]").disabled = !item.inventory;
  }

  // As many frames as there are dates; what a shorter season leaves over is hidden.
  frames(count) {
    const strip = this.find(".strip"), side = this.few ? 72 : 50;
    while (this.strip.length < count) {
      const frame = document.createElement("button");
      frame.className = "frame"; // its height, which scrolling goes by
      frame.innerHTML = `<canvas width="${side}" height="${side}"></canvas><span></span>`;
      strip.append(frame);
      this.strip.push({ frame, canvas: frame.firstChild, text: frame.lastChild });
    }
    if (count === this.framed) return;
    this.framed = count;
    this.strip.forEach(({ frame }, cell) => (frame.hidden = cell >= count));
    strip.classList.toggle("long", count > STRIP.columns * STRIP.rows);
  }

  // The date shown is in view.
  scrollTo(cell) {
    const row = Math.floor(Math.max(0, cell) / STRIP.columns);
    const last = Math.max(0, Math.ceil(this.cells.length / STRIP.columns) - STRIP.rows);
    const top = this.few ? 0 : Math.min(last, Math.max(row - STRIP.rows + 1, Math.min(row, this.top)));
    if (top !== this.top) this.find(".strip").scrollTop = top * STRIP.step;
    this.top = top;
  }

  // By the curator, who wants to see other dates.
  scrolled(top) {
    if (Math.abs(top - this.top) < 0.02) return;
    this.top = top;
    if (this.state.ready) this.drawStrip(this.state.item);
  }

  // The frames in view, from and to: a season may have 150 dates.
  seen() {
    const from = Math.floor(this.top) * STRIP.columns;
    return this.few ? [0, this.cells.length] : [from, Math.min(this.cells.length, from + STRIP.columns * (STRIP.rows + 1))];
  }

  drawStrip(item) {
    const { card } = item, [from, to] = this.seen();
    for (let cell = from; cell < to; cell++) {
      const { frame, canvas, text } = this.strip[cell];
      const place = this.cells[cell], image = card.images[place];
      drawTile(canvas, item, pictureOf(item, image), this.options.view);
      frame.className = `frame ${image ? image.quality : "missing"}${image && place === this.shown ? " here" : ""}`;
      frame.disabled = !image;
      if (image) frame.dataset.date = place;
      else delete frame.dataset.date;
      text.textContent = dateText(image?.acquired ?? this.collection.slots[cell]);
      frame.title = image ? imageText(card, image) : "no image";
    }
  }

  // Images in view whose pictures are not here yet, the one shown large first; as many as the server gives at once.
  lacking() {
    const { item } = this.state, [from, to] = this.seen();
    const places = [this.shown, ...this.cells.slice(from, to)];
    const images = places.map((place) => item.card.images[place]).filter((image) => image && pictureOf(item, image) === undefined);
    return [...new Set(images.map((image) => image.id))].slice(0, STRIP.columns * STRIP.rows);
  }

  season() {
    const { item } = this.state;
    if (!item) return;
    this.find(".chart").innerHTML = !this.index ? "" : chart(this.collection, item.card, this.index, this.span, this.shown, this.options.envelope);
    const value = item.card.profiles[this.index?.name]?.[this.shown];
    this.find(".value").textContent = value == null ? "–" : value.toFixed(2);
    if (!this.index) this.find(".key-of-bands").textContent = "These bands give no vegetation index.";
    else this.find(".key-of-bands").innerHTML = !this.options.envelope ? "" : item.card.envelopes.map((envelope) =>
      `<span>${swatch(envelope.color)}${escapeText(envelope.class)}, ${envelope.n < 20 ? `${envelope.n} of 20 verified` : `n = ${envelope.n}`}</span>`).join("");
    this.find("[data-key=e]").classList.toggle("on", this.options.envelope);
  }

  redraw() {
    if (!this.state.ready) return;
    this.pictures(this.state.item);
    this.season();
  }

  pick(place) {
    const { card } = this.state.item;
    if (!card.images[place]) return;
    this.shown = place;
    this.day = card.images[place].at;
    this.redraw();
    this.state.ask();
  }

  // --- what surrounds the card ----------------------------------------------------------------------------------------------

  refresh() {
    this.counters();
    this.log();
    const { failure, notices, unsaved } = this.state;
    const lines = [failure && `Not saved yet: ${failure}`, unsaved.trouble].filter(Boolean).map((text) => `<p>${escapeText(text)}</p>`);
    for (const [uid, text] of notices)
      lines.push(`<p>${escapeText(text)} <button data-key="dismiss:${escapeText(uid)}">Understood</button></p>`);
    this.find(".messages").innerHTML = lines.join("");
  }

  counters() {
    const { data, entry, unsaved, decided } = this.state;
    if (!data) return;
    const { samples, open } = data.stats.queue;
    const rank = entry ? `${entry.rank.toLocaleString("en")} of ` : "";
    this.find(".place").textContent = `${rank}${samples.toLocaleString("en")} · ${open.toLocaleString("en")} open`;
    const { verified, samples: all } = data.stats;
    this.find(".place").title = `${verified.toLocaleString("en")} of ${all.toLocaleString("en")} samples of the collection are verified`;
    const recently = decided.filter((at) => Date.now() - at < 300000);
    const minutes = recently.length > 1 ? (recently.at(-1) - recently[0]) / 60000 : 0;
    this.find(".rate").textContent = minutes > 0 ? `${Math.round((recently.length - 1) / minutes)} a minute` : "";
    const waiting = unsaved.events.size;
    this.root.dataset.unsaved = waiting;
    this.find(".unsaved").textContent = waiting ? `${waiting} unsaved` : "all saved";
    this.find(".unsaved").classList.toggle("waiting", waiting > 0);
  }

  log() {
    const { data, unsaved } = this.state;
    const waiting = this.state.own();
    const undone = new Set(waiting.map((event) => event.undo_of));
    const own = waiting.filter((event) => event.action !== "undo").reverse().map((event) => ({ ...event, new: event.code, waiting: true }));
    const rows = [...own, ...data.recent.filter((row) => !unsaved.events.has(row.uid))].filter((row) => !undone.has(row.uid)).slice(0, 10);
    this.find(".recent").innerHTML = rows.map((row) => {
      const text = decisionText(this.collection, { ...row, code: row.new, quality: row.quality ?? row.new, flagged: row.flagged ?? row.new !== "0" });
      const mark = row.waiting ? "not saved yet" : row.stands ? "" : "second opinion";
      return `<li class="${row.waiting ? "waiting" : ""}"><b>${escapeText(row.name)}</b> ${escapeText(text)} <small>${mark}</small></li>`;
    }).join("");
    this.counters();
  }

  say(text, lasting = 2500) {
    this.find(".hint").textContent = text;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (this.find(".hint").textContent = ""), lasting);
  }

  message(title, text) {
    this.painted = null;
    this.shownAt = Infinity;
    this.find("main").hidden = true;
    const state = this.find(".state");
    state.hidden = false;
    state.innerHTML = `<h2>${escapeText(title)}</h2><p>${escapeText(text)}</p>
      <div class="keys"><button data-key="ArrowLeft"><kbd>←</kbd>Previous</button><button data-key="z"><kbd>Z</kbd>Undo</button><button data-key="restart">Begin again</button></div>`;
    this.root.dataset.sample = "";
    this.counters();
  }

  waiting() { this.painted = null; this.shownAt = Infinity; this.say("The next card is on its way."); }

  unreadable(card) {
    this.message(`${card.name ?? `Sample ${card.id}`} cannot be shown`, card.error);
    this.find(".state .keys").innerHTML += `<button data-key="ArrowRight"><kbd>→</kbd>Next</button>`;
  }

  finished(end) {
    if (!end) return this.waiting();
    const { samples, open } = this.state.data.stats.queue;
    if (!this.state.order.length && !samples) return this.message("This queue is empty", "No sample belongs to it. Choose another queue in the sidebar.");
    if (!this.state.given && open) return this.message("Nothing here is free for you",
      `${open} of its ${samples} samples are open: they lie on other curators' screens now, or they wait for somebody else: your own work for another curator, a conflict for a reviewer. Choose another queue in the sidebar.`);
    if (!this.state.given && !this.state.decided.length) return this.message("Everything here is decided", "Every sample of this queue has a decision. Train a model on them, or choose another queue in the sidebar.");
    const here = this.state.decided.length;
    this.message("End of the queue", `${here} decided in this sitting. ` + (open
      ? `${open} of its ${samples} samples are still open: begin again, or choose another queue in the sidebar.`
      : "Every sample of it is decided: train a model on them, or choose another queue in the sidebar."));
  }

  closeSheet() {
    this.find(".sheet").hidden = true;
    this.find(".sheet").innerHTML = "";
  }
}

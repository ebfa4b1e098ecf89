// The Verify card: holds the next cards, moves on by itself at a key, and keeps every decision until the server has stored it.
// Assembled after unsaved.js, paint.js and view.js into one module; Streamlit calls the default export at every answer.

const TICK_MS = 400;
const RESEND_MS = 2000; // without an answer
const BEAT_MS = 45000; // while nothing is said: what this tab holds stays leased to it
const SEND_EVERY_MS = 1500; // an answer makes Streamlit redraw the page, which a quick curator's next key would have to wait for
const SETTLED_MS = 250; // since the last key; pictures that the card lacks are asked for then
const ACTIVE_MS = 2500; // since the last key; cards that are not needed yet wait so long
const PLENTY = 48, ENOUGH = 12, FEW = 6; // cards ahead: filled up to at rest, while keys come, and in haste
const HELD_CHARACTERS = 12e6, SENT_CHARACTERS = 2e6; // of pictures ahead, and in one answer: cards of long seasons are heavy
const BEHIND_WANTED = 3;
const KEPT_BEHIND = 12;
const DECIDING = ["agree", "relabel", "reject", "unsure"];

class Card {
  constructor(root) {
    this.root = root;
    this.view = new View(root, this);
    this.items = new Map(); // sample -> {card, sprite, inventory}
    this.order = [];
    this.at = 0;
    this.ends = { ahead: false, behind: false };
    this.previous = new Map(); // uid -> the decision that was in force before it
    this.notices = new Map(); // uid -> what became of it, until the curator has read it
    this.decided = [];
    this.sequence = 0;
    this.heaviest = 1; // card so far, in characters
    this.message = { n: 0, at: -Infinity, open: false, inherit: [] };
    this.lastKey = -Infinity;
    this.onKey = (event) => handleKey(this, event);
    this.onLeave = () => this.data?.holder && this.tabs.mark(this.data.holder, "closed");
    addEventListener("pagehide", this.onLeave);
    addEventListener("keydown", this.onKey, true); // before Streamlit's own shortcuts see it
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  close() {
    removeEventListener("keydown", this.onKey, true);
    removeEventListener("pagehide", this.onLeave);
    clearInterval(this.timer);
  }

  // As many of `count` cards as make `characters`, but a few in any case.
  light(count, characters, few) { return Math.max(Math.min(few, count), Math.min(count, Math.floor(characters / this.heaviest))); }
  get plenty() { return Math.min(this.light(PLENTY, HELD_CHARACTERS, ENOUGH), this.data?.hold ?? PLENTY); }
  get entry() { return this.order[this.at]; }
  get item() { return this.entry && this.items.get(this.entry.sample); }
  get ready() { return Boolean(this.item?.sprite && this.view.painted === this.entry.sample); }

  // --- what the server says -------------------------------------------------------------------------------------------------

  receive(data, send) {
    this.send_ = send;
    if (!data.window) return this.failed(data);
    const first = !this.data;
    if (first || this.data.workspace !== data.workspace) this.unsaved = new Unsaved(data.workspace);
    if (first) {
      this.dirty = this.unsaved.events.size > 0;
      this.tabs = new Tabs(data.workspace);
      this.place = new Place(data.workspace);
      this.leftAt = this.place.afterReload();
    }
    this.data = data;
    if (data.holder) this.tabs.mark(data.holder, "open");
    if (data.n >= this.message.n) {
      this.message.open = false;
      if (this.message.inherit.length) this.tabs.forget(this.message.inherit);
    }
    this.note(data);
    this.reveal(data.saved);
    this.unsaved.drop([...data.saved, ...data.errors.map((error) => error.uid)]);
    this.failure = data.failure;
    this.follow(data);
    for (const card of data.cards) this.take(card);
    if (data.pictures) this.takePictures(data.pictures);
    this.applyStates(data.states);
    this.view.refresh();
    if (!this.ready && !this.restarting) this.show();
    this.ask();
  }

  // The server could not even read: nothing is lost, and it is asked again.
  failed(data) {
    this.failure = data.failure;
    this.message.open = false;
    if (this.data) this.view.refresh();
  }

  note(data) {
    for (const error of data.errors) this.notices.set(error.uid, `Not applied, but kept in History: ${error.text}`);
    for (const uid of data.seconds) {
      const event = this.unsaved.events.get(uid);
      if (event) this.notices.set(uid, `${event.name} was decided meanwhile, by someone else or in another tab. This decision is kept beside that as a second opinion.`);
    }
  }

  // A card whose label was hidden is fetched again once its first answer is stored.
  reveal(uids) {
    for (const uid of uids) {
      const sample = this.unsaved.events.get(uid)?.sample;
      if (this.items.get(sample)?.card.blind && this.entry?.sample !== sample) this.items.delete(sample);
    }
  }

  // Joins the entries to the part of the queue that is known, or begins anew where the queue is another.
  follow(data) {
    if (data.window !== this.window || this.restarting) {
      if (data.window !== this.window) {
        this.items.clear(); // another look, or another curator, may see less on the same card
        this.view.painted = null;
      }
      if (!data.initial) return this.restart(this.restarting ?? {});
      this.window = data.window;
      this.restarting = null;
      this.heaviest = 1;
      this.order = [...data.behind.entries, ...data.ahead.entries];
      this.at = data.behind.entries.length;
      this.given = data.ahead.entries.length;
      this.ends = { ahead: data.ahead.end, behind: data.behind.end };
      this.view.painted = null;
      this.view.newQueue();
      return this.resume();
    }
    if (data.initial) return;
    const known = new Set(this.order.map((entry) => entry.sample));
    const fresh = (entries) => entries.filter((entry) => !known.has(entry.sample));
    if (data.ahead.after !== null && data.ahead.after === this.order.at(-1)?.sample) {
      this.order.push(...fresh(data.ahead.entries));
      this.ends.ahead = data.ahead.end;
    }
    if (data.behind.before !== null && data.behind.before === this.order[0]?.sample) {
      const earlier = fresh(data.behind.entries);
      this.order.unshift(...earlier);
      this.at += earlier.length;
      this.ends.behind = data.behind.end;
    }
  }

  // After a reload: go on where the reload came.
  resume() {
    const left = this.leftAt;
    this.leftAt = null;
    const here = left?.window === this.window;
    const found = here ? this.order.findIndex((entry) => entry.sample === left.sample) : -1;
    if (found >= 0) this.at = found;
    const asked = new URL(location).searchParams.has("sample") && this.entry;
    const begin = here ? left.sample : asked ? this.entry.sample : null;
    if ((here && found < 0) || this.tabs.closed().length) this.restart(begin ? { begin } : { restart: true });
  }

  // Decodes the pictures now, so that showing them later takes no time.
  async take(card) {
    if (this.items.has(card.id)) return;
    const item = { card, sprite: null, inventory: null, more: new Map() };
    this.items.set(card.id, item);
    this.heaviest = Math.max(this.heaviest, card.sprite?.length ?? 0);
    if (card.error) {
      item.sprite = document.createElement("canvas");
    } else {
      item.inventory = card.inventory && (await decoded(card.inventory));
      item.sprite = card.sprite ? await decoded(card.sprite) : document.createElement("canvas");
    }
    card.sprite = card.inventory = null;
    this.replay(card);
    if (this.entry?.sample === card.id && !this.restarting) this.show();
  }

  // Dates that the sprite had no room for. What was asked for and did not come is not asked for again.
  async takePictures({ sample, images, sprite }) {
    const item = this.items.get(sample), asked = this.message.pictures?.images ?? [];
    if (!item) return;
    const bitmap = sprite && (await decoded(sprite));
    for (const image of [...asked, ...images]) item.more.set(image, null);
    images.forEach((image, column) => item.more.set(image, { sprite: bitmap, column }));
    if (this.entry?.sample === sample) this.view.redraw();
  }

  // What waits in this browser of this curator's, who neither sees nor takes back what somebody else left there.
  own() { return this.unsaved.list().filter((event) => event.curator === this.data.curator); }

  // What this browser knows and the server did not when it drew the card.
  replay(card) {
    const own = this.own().filter((event) => event.sample === card.id), undone = new Set(own.map((event) => event.undo_of));
    for (const event of own) if (event.action !== "undo" && !undone.has(event.uid)) applyEvent(card, event);
  }

  applyStates(states) {
    for (const [sample, state] of Object.entries(states)) {
      const item = this.items.get(Number(sample));
      if (item && !this.own().some((event) => event.sample === Number(sample))) Object.assign(item.card, state);
    }
    if (this.ready) this.view.labels(this.item.card);
  }

  // --- what we say to the server --------------------------------------------------------------------------------------------

  tick() {
    if (!this.data) return;
    if (performance.now() - this.message.at > RESEND_MS) {
      this.unsaved.collect(OTHERS_AFTER_MS);
      this.dirty = this.dirty || this.unsaved.events.size > 0;
    }
    this.view.counters();
    this.ask();
  }

  // One message at a time, and none that can wait while keys come quickly: what is not sent yet lies safe in this browser.
  ask() {
    const now = performance.now(), since = now - this.message.at;
    if (this.message.open && since < RESEND_MS) return;
    const held = this.heldAhead();
    const active = now - this.lastKey < ACTIVE_MS;
    if (this.restarting) return this.restart(this.restarting);
    const due = this.dirty && since >= SEND_EVERY_MS;
    const beat = since > BEAT_MS;
    const unseen = this.ready && now - this.lastKey > SETTLED_MS && this.view.lacking().length > 0;
    if (due || unseen || beat || (this.lacks(active ? Math.min(ENOUGH, this.plenty) : this.plenty) && (held < ENOUGH || !active))) this.send();
  }

  // How many cards in a row are ready from here on.
  heldAhead() {
    let held = 0;
    while (this.order[this.at + held] && this.items.has(this.order[this.at + held].sample)) held++;
    return held;
  }

  lacks(goal) {
    const needs = this.needs(goal);
    return needs.want.length > 0 || needs.forward || needs.backward;
  }

  needs(goal = this.plenty) {
    const ahead = this.order.slice(this.at, this.at + goal), behind = this.order.slice(Math.max(0, this.at - BEHIND_WANTED), this.at);
    return {
      want: [...ahead.slice(0, FEW), ...behind, ...ahead.slice(FEW)].map((entry) => entry.sample).filter((sample) => !this.items.has(sample)).slice(0, 8),
      most: this.light(this.heldAhead() < FEW ? 8 : 4, SENT_CHARACTERS, 1),
      forward: !this.ends.ahead && this.order.length - this.at < goal,
      backward: !this.ends.behind && this.at < BEHIND_WANTED,
    };
  }

  send(extra = {}) {
    this.letGo();
    this.dirty = false;
    const images = this.ready ? this.view.lacking() : [];
    const pictures = images.length ? { sample: this.entry.sample, images } : null;
    this.message = { n: this.message.n + 1, at: performance.now(), open: true, pictures, inherit: this.tabs.closed() };
    this.send_({
      n: this.message.n, window: this.window, events: this.unsaved.list(), have: [...this.items.keys()], ...this.needs(), pictures,
      head: this.order[0]?.sample, tail: this.order.at(-1)?.sample, tail_rank: this.order.at(-1)?.rank, inherit: this.message.inherit,
      near: this.order.slice(Math.max(0, this.at - 1)).map((entry) => entry.sample), ...extra,
    });
  }

  letGo() {
    const near = new Set(this.order.slice(Math.max(0, this.at - KEPT_BEHIND), this.at + this.plenty + 8).map((entry) => entry.sample));
    for (const sample of this.items.keys()) if (!near.has(sample)) this.items.delete(sample);
  }

  // --- what the curator does ------------------------------------------------------------------------------------------------

  // Stores an event in the browser; the server hears of it right after the next card is painted.
  act(action, extra = {}) {
    const { card } = this.item;
    const event = {
      uid: newUid(), t: Date.now(), seq: this.sequence++, curator: this.data.curator, collection: this.data.collection.name,
      sample: card.id, name: card.name, action, queue: `${this.data.queue}: ${this.entry.reason}`, rank: this.entry.rank,
      kind: this.entry.kind, look: this.data.look, shown: card.blind ? null : card.code, blind: card.blind,
      note: this.noted?.sample === card.id && DECIDING.includes(action) ? this.noted.text : null,
      run: (this.view.options.prediction && card.prediction?.run) || null, seen: card.decision?.uid ?? null,
      ms: Math.round(performance.now() - this.view.shownAt), ...extra,
    };
    this.unsaved.add(event);
    this.previous.set(event.uid, card.decision);
    applyEvent(card, event);
    if (DECIDING.includes(action)) {
      this.decided.push(event.t);
      this.noted = null;
      this.step(1);
    } else {
      this.view.labels(card);
      this.view.counters(); // what is not saved yet shows at once
    }
    this.later();
  }

  later() {
    this.dirty = true;
    this.lastKey = performance.now();
    setTimeout(() => {
      this.view.log();
      this.ask();
    }, 60); // after the paint, so that it never waits for this
  }

  step(by) {
    const to = this.at + by;
    if (to < 0) return this.view.say(this.ends.behind ? "This is the first sample of the queue." : "Earlier samples are on their way.");
    this.at = Math.min(to, this.order.length);
    this.lastKey = performance.now();
    this.show();
  }

  restart(where = { restart: true }) {
    this.restarting = where; // kept until the answer is there, so that a lost one is asked for again
    this.send({ window: null, ...where });
  }

  show() {
    if (!this.entry) {
      this.view.finished(this.ends.ahead);
    } else if (this.item?.sprite) {
      this.view.show(this.item, this.entry);
      this.place.write({ window: this.window, sample: this.entry.sample, });
      addressOf(this);
    } else {
      this.view.waiting();
    }
  }

  // Takes back the newest own event that is not taken back yet, and returns to its sample.
  undo() {
    const waiting = this.own();
    const undone = new Set(waiting.filter((event) => event.action === "undo").map((event) => event.undo_of));
    const mine = waiting.filter((event) => event.action !== "undo" && event.collection === this.data.collection.name).reverse();
    const target = [...mine, ...this.data.recent.filter((row) => !this.unsaved.events.has(row.uid))].find((event) => !undone.has(event.uid));
    if (!target) return this.view.say("Nothing of yours is left to undo in this collection.");
    const event = {
      uid: newUid(), t: Date.now(), seq: this.sequence++, curator: this.data.curator, collection: this.data.collection.name,
      sample: target.sample, name: target.name, action: "undo", undo_of: target.uid, queue: this.data.queue,
    };
    this.unsaved.add(event);
    const card = this.items.get(target.sample)?.card;
    if (card) revertEvent(card, target, this.previous.get(target.uid) ?? null);
    if (DECIDING.includes(target.action)) this.decided.pop();
    this.goTo(target.sample);
    this.view.say(`Undone: ${target.name}, ${target.action}.`);
    this.later();
  }

  goTo(sample) {
    const found = this.order.findIndex((entry) => entry.sample === sample);
    if (found < 0) this.order.splice(this.at, 0, { sample, rank: this.entry?.rank ?? 0, reason: "Came back by undo." });
    else this.at = found;
    this.show();
  }
}

async function decoded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return createImageBitmap(image);
}

// The card as it is after `event`, before the server has said so.
function applyEvent(card, event) {
  if (DECIDING.includes(event.action)) {
    const agreed = event.action === "relabel" && event.code === card.code;
    card.decision = {
      uid: event.uid, curator: event.curator, action: agreed ? "agree" : event.action, code: event.code ?? card.code,
      reason: event.reason, note: event.note, at: new Date(event.t).toISOString(),
    };
  } else if (event.action === "flag") card.flagged = event.flagged ?? !card.flagged;
  else if (event.action === "quality") {
    const image = card.images.find((found) => found.id === event.image);
    event.old = image.quality;
    image.quality = event.quality;
  }
}

function revertEvent(card, event, previous) {
  if (DECIDING.includes(event.action)) card.decision = previous;
  else if (event.action === "flag") card.flagged = !card.flagged;
  else if (event.action === "quality") {
    const image = card.images.find((found) => found.id === event.image);
    if (image) image.quality = event.old;
  }
}

// The address names the sample, so that a reload comes back to it. Written at rest: browsers ration it.
function addressOf(state) {
  clearTimeout(state.addressTimer);
  state.addressTimer = setTimeout(() => {
    const url = new URL(location);
    if (state.item) url.searchParams.set("sample", state.item.card.name);
    history.replaceState(history.state, "", url);
  }, 1200);
}

const cards = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".card");
  if (!cards.has(root)) cards.set(root, new Card(root));
  const card = cards.get(root);
  card.receive(data, (message) => setStateValue("client", message));
  return () => {
    card.close();
    cards.delete(root);
  };
}

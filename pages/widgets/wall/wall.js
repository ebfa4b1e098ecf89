// The wall: holds the page on the screen and the next one, moves on by itself, and keeps what is said until the server has stored it.
// Assembled after the card's unsaved.js, and tiles.js, keys.js and marks.js, into one module; Streamlit calls the default export at every answer.

const TICK_MS = 400;
const RESEND_MS = 6000; // without an answer; a busy server may need some time for a sprite
const SEND_EVERY_MS = 1500; // an answer makes Streamlit redraw, which quick keys would have to wait for
const KEPT_BEHIND = 4; // pages whose sprites are kept
const OPTIONS = "cropcheck.wall.options"; // in localStorage: view and size, a matter of the screen

class Wall extends Marks {
  constructor(root) {
    super();
    this.root = root;
    this.options = { view: "true", size: 64, ...JSON.parse(localStorage.getItem(OPTIONS) ?? "{}") };
    this.notices = new Map(); // key -> what went wrong, until the curator has read it
    this.sequence = 0;
    this.message = { n: 0, at: -Infinity, open: false };
    this.pointer = null; // where the mouse last moved
    this.begin();
    this.view = new View(root, this);
    listen(this);
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  begin() {
    this.pages = [];
    this.at = 0;
    this.selected = new Set();
    this.focus = null;
    this.anchor = null;
    this.shownAt = 0;
  }

  close() {
    this.deaf();
    this.view.close();
    clearInterval(this.timer);
    this.pages.forEach(forget);
  }

  get page() { return this.pages[this.at]; }

  // --- what the server says ---------------------------------------------------------------------------------------------------

  receive(data, send) {
    this.send_ = send;
    if (!data.collection) return this.failed(data);
    if (data.n >= this.message.n || data.steps) this.message.open = false;
    if (!this.data || this.data.workspace !== data.workspace) this.unsaved = new Unsaved(data.workspace);
    const first = !this.data || this.data.collection.name !== data.collection.name;
    if (this.data && this.data.curator !== data.curator) this.steps = []; // they are somebody else's
    this.data = data;
    if (first) this.start(data);
    for (const error of data.errors) this.notices.set(error.uid, `Not stored: ${error.text}`);
    this.unsaved.drop([...data.saved, ...data.errors.map((error) => error.uid)]);
    this.failure = data.failure;
    if (data.refused) this.refused(data.refused);
    if (data.page) this.take(data.page);
    if (data.sprite) this.takeSprite(data.sprite);
    this.applyStates(data.states);
    this.view.messages();
    this.view.counters();
    this.ask();
  }

  start(data) {
    this.pages.forEach(forget);
    this.begin();
    this.dirty = this.unsaved.events.size > 0;
    this.steps = (data.steps ?? []).map((entries) => ({ page: null, entries }));
    const { sort, show, layout } = data.page ?? this.order ?? { sort: "suspicion", show: "open", layout: "images" };
    this.order = { sort, show, layout };
    if (!(this.options.view in data.collection.views)) this.options.view = "true";
    if (!data.collection.sizes.includes(this.options.size)) this.options.size = data.collection.sizes[0];
    this.view.controls();
    if (!data.page) this.wanted = { number: 1 };
  }

  // The server could not even read: nothing is lost, and it is asked again.
  failed(data) {
    this.failure = data.failure;
    this.message.open = false;
    this.view.messages();
  }

  refused(text) {
    this.view.say(text);
    if (!this.page && this.wanted?.number !== 1) this.wanted = { number: 1 };
    else this.wanted = null;
  }

  // A page joins the ones that are known, or is the first; one of another order came too late.
  async take(page) {
    if (["sort", "show", "layout"].some((word) => page[word] !== this.order[word])) return;
    const same = (a, b) => Boolean(a && b) && a[0] === b[0] && a[1] === b[1];
    page = { ...page, sprites: new Map(), seen: new Set() };
    const { sprite } = page;
    page.tiles.forEach((tile) => (tile.mine = []));
    this.replay(page);
    if (!this.pages.length) {
      if (page.after || page.before) return; // was asked for before the order was chosen anew
      this.pages.push(page);
    } else if (same(page.after, this.pages.at(-1).last)) this.pages.push(page);
    else if (same(page.before, this.pages[0].first) && page.tiles.length) {
      this.pages.unshift(page);
      this.at += 1;
      if (this.wanted?.before) this.at = 0;
    } else return;
    this.wanted = null;
    for (const problem of sprite?.problems ?? []) this.notices.set(problem, problem);
    const shown = this.page === page;
    if (shown && !page.tiles.length) return this.show();
    if (sprite) await this.keep(page, sprite);
    if (this.page === page) this.show();
  }

  async takeSprite(sprite) {
    const page = this.pages.find((one) => one.tiles[0]?.image === sprite.first);
    if (!page || page.sprites.has(`${sprite.view}:${sprite.size}`)) return;
    await this.keep(page, sprite);
    if (page === this.page && this.view.page === page) this.view.paint();
    else if (page === this.page) this.show();
  }

  async keep(page, sprite) {
    page.sprites.set(`${sprite.view}:${sprite.size}`, await decoded(sprite));
  }

  // What this browser knows and the server did not when it read the page.
  replay(page) {
    const waiting = this.unsaved.list();
    if (!waiting.length) return;
    const undone = new Set(waiting.map((event) => event.undo_of));
    const tiles = new Map(page.tiles.map((tile) => [tile.image, tile]));
    for (const event of waiting) {
      const tile = tiles.get(event.image);
      if (!tile || event.action !== "quality" || undone.has(event.uid)) continue;
      if (event.curator === this.data.curator) tile.mine.push([event.uid, tile.quality]);
      Object.assign(tile, { quality: event.quality, looked: 1 });
    }
  }

  applyStates(states) {
    if (!this.page) return;
    const waiting = this.unsaved.list(), open = new Set(waiting.map((event) => event.image));
    const undone = new Set(waiting.map((event) => event.undo_of));
    this.page.tiles.forEach((tile, i) => {
      const state = states[tile.image];
      if (!state || open.has(tile.image) || state.mine.some(([uid]) => undone.has(uid))) return;
      const changed = state.quality !== tile.quality || state.looked !== tile.looked;
      Object.assign(tile, state);
      if (changed && this.view.page === this.page) this.view.redraw(i);
    });
    this.view.arming();
  }

  // Images that were looked at here and that the server has not counted yet.
  ahead() { return [...this.unsaved.events.values()].reduce((sum, event) => sum + (event.fresh ?? 0), 0); }

  // --- what we say to the server ------------------------------------------------------------------------------------------------

  tick() {
    if (!this.data) return;
    if (performance.now() - this.message.at > RESEND_MS) {
      this.unsaved.collect(OTHERS_AFTER_MS);
      this.dirty = this.dirty || this.unsaved.events.size > 0;
    }
    this.view.counters();
    this.ask();
  }

  // Small patches have one sprite for every size.
  spriteSize() { return this.data.collection.side <= this.data.collection.sizes[0] ? this.data.collection.sizes[0] : this.options.size; }
  spriteKey(view = this.options.view) { return `${view}:${this.spriteSize()}`; }

  // One message at a time: first what the screen lacks, then the next page, then the page's other views.
  ask() {
    const since = performance.now() - this.message.at;
    if (this.message.open && since < RESEND_MS) return;
    const list = this.lacksPage(), sprite = list ? null : this.lacksSprite();
    if (list || sprite || (this.dirty && since >= SEND_EVERY_MS)) this.send(list, sprite);
  }

  lacksPage() {
    if (this.wanted) return this.wanted;
    const last = this.pages.at(-1);
    if (!this.page?.sprites.has(this.spriteKey()) || this.at < this.pages.length - 1 || last.end || !last.last) return null;
    return { after: last.last };
  }

  lacksSprite() {
    const views = [this.options.view, ...Object.keys(this.data.collection.views).filter((view) => view !== this.options.view)];
    for (const view of views)
      for (const page of [this.page, this.pages[this.at + 1]])
        if (page?.tiles.length && !page.sprites.has(this.spriteKey(view)))
          return { images: page.tiles.map((tile) => tile.image), view, size: this.spriteSize() };
    return null;
  }

  send(list, sprite) {
    this.dirty = false;
    this.message = { n: this.message.n + 1, at: performance.now(), open: true };
    const shown = { view: this.options.view, size: this.spriteSize() };
    this.send_({
      n: this.message.n, collection: this.data.collection.name, events: this.unsaved.list(),
      have: (this.page?.tiles ?? []).map((tile) => tile.image), list: list && { ...this.order, ...shown, ...list }, sprite,
    });
  }

  // --- pages --------------------------------------------------------------------------------------------------------------------

  turn(by) {
    if (by < 0 && !this.view.page && this.page?.tiles.length) return this.show(); // from the end back to the last page
    if (by < 0 && this.at === 0) {
      if (!this.page?.first) return;
      if (this.page.number === 1) return this.view.say("This is the first page.");
      this.wanted = { before: this.page.first };
      this.view.say("The page before is on its way.");
      return this.ask();
    }
    if (by > 0 && this.page?.end) return this.finished();
    if (by > 0 && !this.pages[this.at + 1]) {
      this.at = this.pages.length; // shown as soon as it is there
      this.wanted = { after: this.pages.at(-1).last };
      this.view.empty("The next page is on its way.", "", []);
      return this.ask();
    }
    this.at += by;
    this.show();
  }

  show() {
    const { page } = this;
    this.select([]);
    this.focus = this.anchor = null;
    if (!page || !page.tiles.length) return this.finished();
    this.view.show(page);
    this.shownAt = performance.now();
    this.view.counters();
    this.pages.slice(0, Math.max(0, this.at - KEPT_BEHIND)).forEach(forget);
    addressOf(this);
    afterPaint(() => this.ask());
  }

  finished() {
    const { show } = this.order, { images, looked } = this.data.progress, all = looked + this.ahead() >= images;
    const text = show === "open" && all ? "Every image of this collection is screened." : show === "open" ? "From here on every image was looked at." : "No image follows.";
    this.view.empty(show === "open" && all ? "All screened" : "End of the wall", text, [["first", "Begin with page 1"], ["show:all", "Show all images"]]);
  }

  // Another sort, filter or layout: pages are read anew.
  reorder(changed) {
    this.order = { ...this.order, ...changed };
    this.goTo({ number: 1 });
    this.view.controls();
  }

  goTo(wanted) {
    this.pages.forEach(forget);
    this.begin();
    this.steps.forEach((step) => (step.page = null));
    this.wanted = wanted;
    this.message.open = false; // whatever was asked for before is of no use any more
    this.ask();
  }

  choose(options) {
    Object.assign(this.options, options);
    localStorage.setItem(OPTIONS, JSON.stringify(this.options));
    this.view.controls();
    if (this.page && !this.page.sprites.has(this.spriteKey())) this.view.say("These pictures are on their way.");
    if (this.view.page) this.view.paint();
    this.ask();
  }
}

// Gives back the memory of a page's pictures; its tiles stay.
function forget(page) {
  for (const sprite of page.sprites.values()) URL.revokeObjectURL(sprite.url);
  page.sprites.clear();
}

// The address names order and page, so that a reload comes back to them. Written at rest: browsers ration it.
function addressOf(state) {
  clearTimeout(state.addressTimer);
  state.addressTimer = setTimeout(() => {
    if (!state.page || !state.root.isConnected) return;
    const url = new URL(location);
    for (const [key, value] of Object.entries({ ...state.order, page: state.page.number })) url.searchParams.set(key, value);
    history.replaceState(history.state, "", url);
  }, 600);
}

const walls = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".wall");
  if (!walls.has(root)) walls.set(root, new Wall(root));
  const wall = walls.get(root);
  wall.receive(data, (message) => setStateValue("client", message));
  return () => {
    wall.close();
    walls.delete(root);
  };
}

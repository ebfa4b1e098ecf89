// What a curator says on the wall: marks, accepted pages and what is taken back, as events that lie in the browser until they are stored.

class Marks {
  target() {
    if (this.pointer) return this.view.at(...this.pointer);
    return this.focus;
  }

  // Marks the tiles selected, or the one under the cursor; where all have the mark already, takes it off.
  mark(wanted) {
    const one = this.target(), chosen = this.selected.size ? [...this.selected].sort((a, b) => a - b) : one === null ? [] : [one];
    if (!chosen.length) return this.view.say("Point at a tile, select some with clicks, or move with the arrow keys.");
    const tiles = chosen.map((i) => this.page.tiles[i]);
    const quality = tiles.every((tile) => tile.quality === wanted) ? "ok" : wanted;
    this.record(tiles, () => quality);
    this.select([]);
    chosen.forEach((i) => this.view.redraw(i));
    this.view.look();
    if (tiles.length > 1) this.view.say(`${tiles.length} tiles: ${quality}.`);
  }

  accept() {
    const { page } = this;
    if (!page) return;
    const left = page.tiles.length - page.seen.size;
    if (left) return this.view.say(`${left} tiles were not on screen yet: scroll on (Space), then accept.`);
    const rest = page.tiles.filter((tile) => !tile.looked);
    if (rest.length) this.record(rest, (tile) => tile.quality);
    this.view.redrawAll();
    this.turn(1);
  }

  // Stores events in the browser, one a tile, as one step; the server hears of them right after the next paint.
  record(tiles, qualityOf) {
    const queue = `wall:${this.order.sort}:${newUid().slice(0, 12)}`;
    const entries = tiles.map((tile) => {
      const event = {
        ...this.eventOn(tile, queue), action: "quality", image: tile.image, quality: qualityOf(tile), fresh: tile.looked ? 0 : 1,
        rank: this.page.tiles.indexOf(tile) + 1,
      };
      this.unsaved.add(event);
      const entry = { ...event, old: tile.quality };
      tile.mine.push([event.uid, tile.quality]);
      Object.assign(tile, { quality: event.quality, looked: 1 });
      return entry;
    });
    this.steps.push({ page: this.page, entries });
    this.later();
  }

  eventOn(entry, queue) {
    return {
      uid: newUid(), t: Date.now(), seq: this.sequence++, curator: this.data.curator, collection: this.data.collection.name,
      sample: entry.sample, name: entry.name, queue,
    };
  }

  undo() {
    const step = this.steps.pop();
    if (!step) return this.view.say("Nothing of yours is left to undo here.");
    const back = this.pages.indexOf(step.page);
    this.takeBack(step.entries);
    if (back >= 0 && (back !== this.at || !this.view.page)) {
      this.at = back;
      this.show();
    }
    this.view.say(`Undone: ${step.entries.length === 1 ? step.entries[0].name : `${step.entries.length} tiles`}.`);
  }

  undoPage() {
    const entries = (this.page?.tiles ?? []).flatMap((tile) =>
      tile.mine.map(([uid, old]) => ({ uid, old, sample: tile.sample, name: tile.name, image: tile.image })));
    if (!entries.length) return this.view.say("You said nothing on this page yet.");
    const gone = new Set(entries.map((entry) => entry.uid));
    this.steps = this.steps.map((step) => ({ ...step, entries: step.entries.filter((entry) => !gone.has(entry.uid)) }))
      .filter((step) => step.entries.length);
    this.takeBack(entries);
    this.view.say(`Undone: all ${entries.length} marks of this page.`);
  }

  takeBack(entries) {
    const tiles = new Map(this.pages.flatMap((page) => page.tiles).map((tile) => [tile.image, tile]));
    for (const entry of [...entries].reverse()) {
      const tile = tiles.get(entry.image);
      if (tile) {
        tile.mine = tile.mine.filter(([uid]) => uid !== entry.uid);
        Object.assign(tile, { quality: entry.old, looked: tile.mine.length || entry.fresh === 0 ? 1 : 0 });
      }
      const fresh = tile && !tile.looked ? -1 : 0;
      this.unsaved.add({ ...this.eventOn(entry, "wall"), action: "undo", undo_of: entry.uid, fresh });
    }
    if (this.view.page) this.view.redrawAll();
    this.view.arming();
    this.later();
  }

  later() {
    this.dirty = true;
    this.view.counters();
    this.view.arming();
    afterPaint(() => this.ask());
  }

  select(numbers) {
    const before = this.selected;
    this.selected = new Set(numbers);
    for (const i of new Set([...before, ...this.selected])) if (this.view.elements[i]) this.view.redraw(i);
  }
}

// What the wall shows: a page's tiles out of its sprite, the tile under the cursor enlarged, progress and messages. Nothing here waits.

const escapeText = (text) => String(text ?? "").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const GAP = 3, MARGIN = 12, LOUPE = 178; // px, as in the style sheet
const NAMES = 92; // px of a column of sample names
const SAID_MS = 4000;
const ON_SCREEN = 0.6; // of a tile's area
const whole = (number) => Number(number).toLocaleString("en");

class View {
  constructor(root, state) {
    this.root = root;
    this.state = state;
    this.grid = this.find(".grid");
    this.scroller = this.find(".scroller");
    this.rows = []; // of tile numbers, as they stand; null where a sample has no image
    this.elements = [];
    this.watcher = new IntersectionObserver((entries) => this.saw(entries), { threshold: ON_SCREEN });
    this.resizer = new ResizeObserver(() => this.arrange());
    this.resizer.observe(this.scroller);
  }

  close() {
    this.watcher.disconnect();
    this.resizer.disconnect();
  }

  find(selector) { return this.root.querySelector(selector); }

  // --- the page ---------------------------------------------------------------------------------------------------------------

  show(page) {
    this.page = page;
    this.watcher.disconnect();
    this.find(".state").hidden = true;
    this.grid.innerHTML = page.tiles.map((tile, i) => `<div class="tile" role="option" data-i="${i}"></div>`).join("");
    this.elements = [...this.grid.querySelectorAll(".tile")];
    this.arrange();
    page.tiles.forEach((tile, i) => this.redraw(i));
    this.scroller.scrollTop = this.scroller.scrollLeft = 0;
    this.paint();
  }

  // Where tiles stand, from their size and the room there is; done again when that changes.
  arrange() {
    const { page } = this, tile = this.tileSize();
    if (!page) return;
    const room = this.scroller.clientWidth - MARGIN + GAP;
    this.grid.style.gridAutoRows = `${tile.height}px`;
    if (page.layout === "samples") this.bySample(page, tile, room);
    else {
      const columns = Math.max(1, Math.floor(room / (tile.width + GAP)));
      this.rows = [];
      for (let i = 0; i < page.tiles.length; i += columns) this.rows.push(page.tiles.slice(i, i + columns).map((one, at) => i + at));
      this.grid.style.gridTemplate = `none / repeat(${columns}, ${tile.width}px)`;
    }
    this.elements.forEach((element) => Object.assign(element.style, { width: `${tile.width}px`, height: `${tile.height}px` }));
    this.place();
  }

  // A row a sample and a column a date; as many samples side by side as there is room for.
  bySample(page, tile, room) {
    const dates = Math.max(0, ...page.tiles.map((one) => one.slot)) + 1;
    const samples = [...new Map(page.tiles.map((one) => [one.sample, one.name]))];
    const abreast = Math.max(1, Math.min(samples.length, Math.floor(room / (NAMES + GAP + dates * (tile.width + GAP)))));
    const place = new Map(samples.map(([sample], at) => [sample, [Math.floor(at / abreast), (at % abreast) * (dates + 1)]]));
    this.rows = Array.from({ length: Math.ceil(samples.length / abreast) }, () => Array(abreast * dates).fill(null));
    page.tiles.forEach((one, i) => {
      const [row, column] = place.get(one.sample);
      this.rows[row][(column / (dates + 1)) * dates + one.slot] = i;
      this.elements[i].style.gridArea = `${row + 2}/${column + 2 + one.slot}`;
    });
    this.grid.style.gridTemplate = `18px / ${Array(abreast).fill(`${NAMES}px repeat(${dates}, ${tile.width}px)`).join(" ")}`;
    this.heads(samples, place, dates, abreast);
  }

  heads(samples, place, dates, abreast) {
    const { slots, aligned } = this.state.data.collection;
    this.grid.querySelectorAll(".who, .when").forEach((head) => head.remove());
    const when = (block) => `<div class="when corner" style="grid-area:1/${block * (dates + 1) + 1}">sample</div>`
      + [...Array(dates).keys()].map((slot) =>
        `<div class="when" style="grid-area:1/${block * (dates + 1) + slot + 2}">${escapeText(aligned ? slots[slot] : slot + 1)}</div>`).join("");
    const who = ([sample, name]) => {
      const [row, column] = place.get(sample);
      return `<div class="who" style="grid-area:${row + 2}/${column + 1}" title="${escapeText(name)}">${escapeText(name)}</div>`;
    };
    this.grid.insertAdjacentHTML("afterbegin", [...Array(abreast).keys()].map(when).join("") + samples.map(who).join(""));
  }

  // A tile on the screen has the chosen size along its longer side.
  tileSize() {
    const sprite = this.sprite, { size } = this.state.options;
    if (!sprite) return { width: size, height: size };
    const scale = size / Math.max(sprite.width, sprite.height);
    return { width: Math.round(sprite.width * scale), height: Math.round(sprite.height * scale) };
  }

  get sprite() { return this.page && (this.page.sprites.get(this.state.spriteKey()) ?? [...this.page.sprites.values()].at(-1)); }

  // Puts the page's sprite behind its tiles, and only then counts which of them were on the screen.
  paint() {
    const { sprite, page } = this;
    if (!sprite?.url) return;
    this.grid.style.setProperty("--sprite", `url(${sprite.url})`);
    this.find(".loupe").style.setProperty("--sprite", `url(${sprite.url})`);
    this.arrange();
    this.elements.forEach((element, i) => page.seen.has(i) || this.watcher.observe(element));
    this.root.dataset.page = page.number;
    this.root.dataset.view = this.state.options.view;
    afterPaint(() => {
      if (this.page !== page) return;
      this.root.dataset.shown = `${page.number}:${page.first}`;
      this.root.dataset.at = performance.now();
    });
    this.arming();
    this.look();
  }

  place() {
    const { sprite } = this;
    if (!sprite) return;
    const tile = this.tileSize(), scale = tile.width / sprite.width;
    this.grid.style.setProperty("--sheet", `${sprite.sheetWidth * scale}px ${sprite.sheetHeight * scale}px`);
    this.elements.forEach((element, i) => {
      const [x, y] = corner(sprite, i, scale);
      element.style.backgroundPosition = `-${x}px -${y}px`;
    });
  }

  redraw(i) {
    const tile = this.page.tiles[i], element = this.elements[i], { selected, focus } = this.state;
    const kind = tile.quality === "ok" ? "" : tile.quality;
    element.className = `tile ${kind} ${tile.looked ? "looked" : ""} ${selected.has(i) ? "selected" : ""} ${focus === i ? "focus" : ""}`;
    element.setAttribute("aria-selected", selected.has(i));
    element.setAttribute("aria-label", `${tile.name} ${tile.date}, ${tile.quality}${tile.looked ? ", looked at" : ""}`);
  }

  redrawAll() {
    this.elements.forEach((element, i) => this.redraw(i));
    this.look();
  }

  saw(entries) {
    for (const entry of entries) {
      if (!entry.isIntersecting || entry.intersectionRatio < ON_SCREEN || document.hidden) continue;
      this.page.seen.add(Number(entry.target.dataset.i));
      this.watcher.unobserve(entry.target);
    }
    this.arming();
  }

  empty(title, text, buttons) {
    this.page = null;
    this.elements = this.rows = [];
    this.grid.innerHTML = "";
    const box = this.find(".state");
    box.hidden = false;
    box.innerHTML = `<h2>${escapeText(title)}</h2><p>${escapeText(text)}</p>`
      + buttons.map(([key, label]) => `<button data-key="${key}">${escapeText(label)}</button>`).join("");
    this.root.dataset.shown = "empty";
    this.arming();
    this.look();
  }

  // --- the cursor -------------------------------------------------------------------------------------------------------------

  // The number of the tile at a point of the window; null where there is none.
  at(x, y) {
    const tile = this.root.getRootNode().elementFromPoint(x, y)?.closest?.(".tile");
    return tile && this.grid.contains(tile) ? Number(tile.dataset.i) : null;
  }

  focused(i) {
    this.elements[i]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // How many rows of tiles the screen has room for.
  screenful() { return Math.max(1, Math.floor(this.scroller.clientHeight / (this.tileSize().height + GAP)) - 1); }

  // The tile that a key would mark, enlarged and in figures.
  look() {
    const i = this.state.target(), tile = this.page?.tiles[i], { sprite } = this;
    const glass = this.find(".loupe div");
    if (tile && sprite) {
      const scale = LOUPE / Math.max(sprite.width, sprite.height), [x, y] = corner(sprite, i, scale);
      Object.assign(glass.style, {
        width: `${sprite.width * scale}px`, height: `${sprite.height * scale}px`, backgroundPosition: `-${x}px -${y}px`,
        backgroundSize: `${sprite.sheetWidth * scale}px ${sprite.sheetHeight * scale}px`,
      });
    } else glass.style.width = 0;
    this.find(".facts").innerHTML = tile ? facts(tile) : `<span>Point at a tile, or move with the arrow keys.</span>`;
  }

  // --- around the page ----------------------------------------------------------------------------------------------------------

  controls() {
    const { data, order, options } = this.state, { sorts, shows, layouts, sizes, views } = data.collection;
    select(this.find(".sort"), sorts, order.sort);
    select(this.find(".show"), shows, order.show);
    choice(this.find(".layouts"), Object.entries(layouts), order.layout, "layout");
    choice(this.find(".sizes"), sizes.map((size) => [size, size]), options.size, "size");
    this.find(".view").textContent = { true: "Colour", nir: "Infrared" }[options.view] ?? options.view;
    this.find('[data-key="v"]').title = `${views[options.view]}: next view`;
    this.find(".simulated").hidden = !data.collection.simulated;
  }

  counters() {
    const { data, unsaved, page } = this.state, { images, looked } = data.progress;
    const now = Math.max(0, Math.min(images, looked + this.state.ahead()));
    this.find(".screened").textContent = `${whole(now)} of ${whole(images)} images screened`;
    this.find(".progress .bar b").style.width = `${images ? (100 * now) / images : 0}%`;
    const waiting = unsaved.events.size, slow = waiting && Date.now() - unsaved.list()[0].t > 4000;
    this.find(".unsaved").textContent = waiting ? `${whole(waiting)} unsaved` : "all saved";
    this.find(".unsaved").classList.toggle("waiting", Boolean(slow));
    this.root.dataset.unsaved = waiting;
    this.find(".place").textContent = page ? `Page ${whole(page.number)} of ${whole(page.pages)}` : "";
  }

  arming() {
    const page = this.page, left = page ? page.tiles.length - page.seen.size : 0;
    const rest = page ? page.tiles.filter((tile) => !tile.looked).length : 0;
    this.find(".accept").classList.toggle("off", !page || left > 0);
    this.root.dataset.armed = Boolean(page) && left === 0;
    this.find(".arming span").textContent = !page ? "" : left ? `${whole(left)} not on screen yet` : `${whole(rest)} will be accepted`;
    this.find(".arming b").style.width = page ? `${(100 * page.seen.size) / Math.max(1, page.tiles.length)}%` : 0;
  }

  messages() {
    const { failure, unsaved, notices } = this.state, lines = [];
    if (failure) lines.push(`<p>Nothing can be stored at the moment, all is kept in this browser and sent again: ${escapeText(failure)}</p>`);
    if (unsaved?.trouble) lines.push(`<p>${escapeText(unsaved.trouble)}</p>`);
    for (const [key, text] of notices) lines.push(`<p>${escapeText(text)} <button data-key="dismiss:${escapeText(key)}">Understood</button></p>`);
    this.find(".messages").innerHTML = lines.join("");
  }

  say(text) {
    this.find(".hint").textContent = text;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => (this.find(".hint").textContent = ""), SAID_MS);
  }

  sheet(html) {
    this.find(".sheet").hidden = !html;
    this.find(".sheet").innerHTML = html;
  }
}

const corner = (sprite, i, scale) => [(i % sprite.columns) * sprite.pitch_x * scale, Math.floor(i / sprite.columns) * sprite.pitch_y * scale];

function facts(tile) {
  const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.01 ? 1 : 0)} %`;
  const said = { ok: "ok", cloud: "cloudy", bad: "bad" }[tile.quality] + (tile.looked ? ", looked at" : "");
  const rows = [
    ["clear", percent(tile.clear)], ["missing", percent(tile.missing)], ["brightness", tile.brightness.toFixed(3)],
    ["outlier score", tile.outlier < 0 ? "–" : tile.outlier.toFixed(1)],
  ];
  return `<b title="${escapeText(tile.name)}">${escapeText(tile.name)}</b><span>${escapeText(tile.date)} · ${said}</span>`
    + rows.map(([name, value]) => `<span class="number">${name}<i>${value}</i></span>`).join("");
}

function select(box, entries, chosen) {
  if (!box.options.length) for (const [name, title] of Object.entries(entries)) box.add(new Option(title, name));
  box.value = chosen;
}

function choice(box, entries, chosen, kind) {
  box.innerHTML = entries.map(([name, title]) =>
    `<button data-key="${kind}:${escapeText(name)}" class="${String(name) === String(chosen) ? "on" : ""}">${escapeText(title)}</button>`).join("");
}

function afterPaint(then) {
  requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = then;
    after.port2.postMessage(0);
  });
}

// A sprite as the server sends it, decoded, so that painting it later takes no time.
async function decoded(sent) {
  const bytes = Uint8Array.from(atob(sent.address.slice(sent.address.indexOf(",") + 1)), (sign) => sign.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  const image = new Image();
  image.src = url;
  await image.decode();
  // The image is kept with the sprite: as long as it is there, so are its decoded pixels.
  return { ...sent, address: null, url, image, sheetWidth: image.naturalWidth, sheetHeight: image.naturalHeight };
}

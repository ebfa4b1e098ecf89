// Decisions that the server has not acknowledged. Each lies under its own key in localStorage, written before the card moves on,
// so a reload, a closed tab or a dying server loses none, and two tabs never overwrite each other's.

const OTHERS_AFTER_MS = 5000; // events this old that another tab left behind are sent by this one

class Unsaved {
  constructor(workspace) {
    this.prefix = `cropcheck.${workspace}.event.`;
    this.events = new Map();
    this.trouble = "";
    this.collect(0);
  }

  // Everything in localStorage that is at least `age` milliseconds old, whoever put it there.
  collect(age) {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (!key.startsWith(this.prefix)) continue;
      const event = JSON.parse(localStorage.getItem(key));
      if (Date.now() - event.t >= age) this.events.set(event.uid, event);
    }
  }

  // Each is later than all that lie here, whatever the clock says: an undo never overtakes what it undoes.
  add(event) {
    event.t = Math.max(event.t, ...[...this.events.values()].map((other) => other.t + 1));
    this.events.set(event.uid, event);
    try {
      localStorage.setItem(this.prefix + event.uid, JSON.stringify(event));
      this.trouble = "";
    } catch (error) {
      this.trouble = `This browser cannot keep unsaved decisions (${error.name}): do not close the tab before they are saved.`;
    }
  }

  drop(uids) {
    for (const uid of uids) {
      this.events.delete(uid);
      localStorage.removeItem(this.prefix + uid);
    }
  }

  list() {
    return [...this.events.values()].sort((a, b) => a.t - b.t || a.seq - b.seq);
  }
}

// The tabs of this browser by the name under which the server leases samples to them: what a closed one held, the next one takes over.
class Tabs {
  constructor(workspace) {
    this.prefix = `cropcheck.${workspace}.tab.`;
  }

  mark(holder, state) {
    try {
      localStorage.setItem(this.prefix + holder, state);
    } catch (error) {
      console.warn(`A closed tab's samples stay leased for two minutes: ${error.name}`);
    }
  }

  closed() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix) && localStorage.getItem(key) === "closed");
    return keys.map((key) => key.slice(this.prefix.length));
  }

  forget(holders) {
    for (const holder of holders) localStorage.removeItem(this.prefix + holder);
  }
}

// Where this tab stands, for a reload: the address names the sample too, but browsers ration how often it may change.
class Place {
  constructor(workspace) {
    this.key = `cropcheck.${workspace}.place`;
  }

  write(place) {
    sessionStorage.setItem(this.key, JSON.stringify(place));
  }

  // The place before the reload, once: a card opened later in the same document was asked for by its address.
  afterReload() {
    const [load] = performance.getEntriesByType("navigation");
    const origin = String(performance.timeOrigin);
    const again = sessionStorage.getItem(`${this.key}.used`) === origin;
    sessionStorage.setItem(`${this.key}.used`, origin);
    if (again || load?.type !== "reload" || new URL(load.name).pathname !== location.pathname) return null;
    return JSON.parse(sessionStorage.getItem(this.key));
  }
}

// crypto.randomUUID exists on https and localhost only; curators may come over plain http.
function newUid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Thousands of samples on one canvas: positions and names come once as files and stay in the browser, colours come anew when a
// decision changes one of them. Circles are stamped from one small picture a group; a click looks through what was stamped.
cropcheck.points = (function () {
  "use strict";
  const RING = 1, NOTHING = 255;  // bit of a sample's marks; percentage that says that there is none
  const REACH = 3;  // px beside a circle that still hit it
  const RING_COLOUR = "#c01f2e";
  const files = {};  // of this map, by address: positions, names and colours as promises
  const state = { record: null, places: null, names: null, faces: null, seen: [], layer: null, turn: 0 };

  function bytes(address) {
    return fetch(address).then((answer) => {
      if (!answer.ok) throw new Error(answer.status);
      return answer.arrayBuffer();
    });
  }

  // One fetch for an address; of positions, names and colours only the last ones are kept.
  function file(kind, address, read) {
    if (!files[kind] || files[kind].address !== address) files[kind] = { address: address, content: bytes(address).then(read) };
    return files[kind].content;
  }

  // int32: N latitudes, N longitudes (degrees x 1e6), N sample numbers -> x and y of EPSG:3857 as 0 ... 1 from the upper left corner.
  function places(buffer) {
    const values = new Int32Array(buffer), count = values.length / 3;
    const found = { count: count, x: new Float64Array(count), y: new Float64Array(count), id: values.subarray(2 * count), values: values };
    for (let i = 0; i < count; i++) {
      const sine = Math.sin((values[i] / 1e6) * Math.PI / 180);
      found.x[i] = values[count + i] / 1e6 / 360 + 0.5;
      found.y[i] = 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
    }
    return found;
  }

  function stamp(colour, radius, ringed, dense) {
    const canvas = document.createElement("canvas"), side = 2 * (radius + 3);
    canvas.width = canvas.height = side * dense;
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    pen.beginPath();
    pen.arc(side / 2, side / 2, radius + (ringed ? 1 : 0), 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
    pen.lineWidth = ringed ? 2.5 : 0.8;
    pen.strokeStyle = ringed ? RING_COLOUR : "#2b332e";
    pen.stroke();
    return canvas;
  }

  const Canvas = L.Renderer.extend({
    _initContainer() {
      this._container = document.createElement("canvas");
      this._pen = this._container.getContext("2d");
    },
    _destroyContainer() { this._container.remove(); },
    _updatePaths() { /* there are none: all is drawn in _update */ },
    _update() {
      if (this._map._animatingZoom && this._bounds) return;
      L.Renderer.prototype._update.call(this);
      const size = this._bounds.getSize(), dense = window.devicePixelRatio > 1 ? 2 : 1;
      L.DomUtil.setPosition(this._container, this._bounds.min);
      Object.assign(this._container, { width: size.x * dense, height: size.y * dense });
      Object.assign(this._container.style, { width: size.x + "px", height: size.y + "px" });
      this._pen.scale(dense, dense);
      draw(this._map, this._pen, this._bounds.min, size, dense);
    },
  });

  function draw(map, pen, corner, size, dense) {
    state.seen = [];
    const { record, places, faces } = state;
    if (!record || !places || !faces || faces.length !== 3 * places.count) return;
    const scale = 256 * Math.pow(2, map.getZoom()), origin = map.getPixelOrigin(), radius = record.radius, edge = radius + 3;
    const hidden = new Set(record.hidden), taken = new Uint8Array(Math.ceil((size.x + 2 * edge) / 2) * Math.ceil((size.y + 2 * edge) / 2));
    const across = Math.ceil((size.x + 2 * edge) / 2), side = 2 * edge;
    for (const ringed of [false, true]) {  // rings lie on top
      const stamps = record.groups.map(([, colour]) => stamp(colour, radius, ringed, dense));
      for (let i = 0; i < places.count; i++) {
        const group = faces[i];
        if (((faces[places.count + i] & RING) > 0) !== ringed || hidden.has(group)) continue;
        const x = places.x[i] * scale - origin.x - corner.x, y = places.y[i] * scale - origin.y - corner.y;
        if (x < -edge || y < -edge || x >= size.x + edge || y >= size.y + edge) continue;
        state.seen.push(i);
        const cell = Math.floor((y + edge) / 2) * across + Math.floor((x + edge) / 2);
        if (taken[cell] === 1 + ringed) continue;  // another one covers it
        taken[cell] = 1 + ringed;
        pen.drawImage(stamps[group], x - edge, y - edge, side, side);
      }
    }
    // Read by the browser tests and the benchmark.
    window.cropcheckPainted = { points: places.count, seen: state.seen.length, key: record.faces, at: performance.timeOrigin + performance.now() };
  }

  // record: {places, names, faces: addresses, groups: [[title, colour]], hidden: [group], radius}, or null for none
  async function show(map, record) {
    const turn = ++state.turn;
    if (!state.layer) state.layer = new Canvas({ pane: "samples", padding: 0.2 }).addTo(map);
    if (!record) {
      state.record = null;
      window.cropcheckPainted = { points: 0, seen: 0, key: null };
      return state.layer._update();
    }
    if (state.record && JSON.stringify(state.record) === JSON.stringify(record)) return;
    try {
      const found = await Promise.all([
        file("places", record.places, places),
        file("faces", record.faces, (buffer) => new Uint8Array(buffer)),
      ]);
      if (turn !== state.turn) return;  // a newer one is on its way
      Object.assign(state, { record: record, places: found[0], faces: found[1] });
      state.layer._update();
      state.names = await file("names", record.names, (buffer) => new TextDecoder().decode(buffer).split("\n"));
    } catch (error) {
      for (const kind of Object.keys(files)) delete files[kind];  // asked for again with the next answer of the page
      console.warn("The samples did not arrive:", error);
    }
  }

  // The sample whose circle is nearest to a point of the screen, or null: {id, position, text}
  function at(map, point) {
    if (!state.record) return null;
    const { places, faces, record } = state, scale = 256 * Math.pow(2, map.getZoom());
    const pixel = map.containerPointToLayerPoint(point).add(map.getPixelOrigin());
    let best = -1, least = (record.radius + REACH) ** 2;
    for (const i of state.seen) {
      const away = (places.x[i] * scale - pixel.x) ** 2 + (places.y[i] * scale - pixel.y) ** 2;
      if (away <= least) [best, least] = [i, away];
    }
    if (best < 0) return null;
    const percent = faces[2 * places.count + best], ringed = faces[places.count + best] & RING;
    const text = [(state.names || [])[best] || "", record.groups[faces[best]][0] + (percent === NOTHING ? "" : ` ${percent} %`)];
    if (ringed) text.push("otherwise than labelled");
    return {
      id: places.id[best], position: [places.values[best] / 1e6, places.values[places.count + best] / 1e6], text: text.join(" · "),
    };
  }

  return { show, at };
})();

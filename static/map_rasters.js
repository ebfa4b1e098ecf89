// Rasters under the samples: imagery below, and over it one layer, or two beside each other with a divider between them. A picture
// takes the place of the one before only when it is there, so that nothing flickers; opacity and divider need no new picture.
cropcheck.rasters = (function () {
  "use strict";
  const PANES = { base: 200, left: 230, right: 231 };
  const STEP = 0.02, STORAGE = "cropcheck.map.divider";  // share of the width that an arrow key moves the divider by
  const state = { shown: {}, wanted: {}, split: false, share: 0.5, handle: null, titles: null };

  // record: {pictures: [{pane, key, url, bounds, title}], opacity, split, pending: whether more is on its way}
  function show(map, record) {
    if (!state.handle) divider(map);
    for (const name of Object.keys(PANES)) {
      cropcheck.pane(map, name, PANES[name], false);
      const picture = record.pictures.find((each) => each.pane === name) || null;
      put(map, name, picture, name === "base" ? 1 : record.opacity);
    }
    state.split = record.split;
    state.handle.hidden = !record.split;
    for (const side of ["left", "right"]) {
      const tag = state.handle.querySelector("." + side);
      tag.textContent = record.titles[side] || "";
    }
    clip(map);
  }

  function put(map, name, picture, opacity) {
    const before = state.shown[name];
    map.getPane(name).style.opacity = opacity;
    state.wanted[name] = picture && picture.key;
    if (before && picture && before.key === picture.key) return;
    if (!picture) {
      if (before) map.removeLayer(before.layer);
      delete state.shown[name];
      return painted();
    }
    const layer = L.imageOverlay(picture.url, picture.bounds, { pane: name, interactive: false });
    layer.on("load", () => {
      if (state.wanted[name] !== picture.key) return map.removeLayer(layer);
      const last = state.shown[name];
      if (last && last.layer !== layer) map.removeLayer(last.layer);
      state.shown[name] = { key: picture.key, layer: layer };
      painted();
    });
    layer.on("error", () => map.removeLayer(layer));  // the one before stays
    layer.addTo(map);
  }

  function painted() {  // read by the browser tests
    window.cropcheckRasters = Object.fromEntries(Object.entries(state.shown).map(([name, each]) => [name, each.key]));
  }

  // Each side's pane is cut at the divider; panes move with the map, so the cut is put right at every move.
  function clip(map) {
    const size = map.getSize(), upper = map.containerPointToLayerPoint([0, 0]), lower = map.containerPointToLayerPoint(size);
    const middle = upper.x + size.x * state.share;
    map.getPane("left").style.clip = state.split ? `rect(${upper.y}px, ${middle}px, ${lower.y}px, ${upper.x}px)` : "";
    map.getPane("right").style.clip = state.split ? `rect(${upper.y}px, ${lower.x}px, ${lower.y}px, ${middle}px)` : "";
    state.handle.style.left = 100 * state.share + "%";
    state.handle.setAttribute("aria-valuenow", Math.round(100 * state.share));
  }

  function divider(map) {
    const handle = state.handle = L.DomUtil.create("div", "cropcheck-divider", map.getContainer());
    handle.innerHTML = '<span class="left"></span><i></i><span class="right"></span>';
    const facts = { role: "slider", tabindex: 0, "aria-label": "Divider of the split view", "aria-valuemin": 0, "aria-valuemax": 100 };
    for (const [name, value] of Object.entries(facts)) handle.setAttribute(name, value);
    state.share = Number(stored() || 0.5);
    function move(share) {
      state.share = Math.min(0.98, Math.max(0.02, share));
      try { sessionStorage.setItem(STORAGE, state.share); } catch { /* storage may be forbidden */ }
      clip(map);
    }
    L.DomEvent.disableClickPropagation(handle);
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      map.dragging.disable();
      event.stopPropagation();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = map.getContainer().getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    });
    handle.addEventListener("pointerup", () => map.dragging.enable());
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -STEP, ArrowRight: STEP, Home: -1, End: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      move(state.share + step);
    });
    map.on("move zoomend viewreset resize", () => clip(map));
  }

  function stored() {
    try { return sessionStorage.getItem(STORAGE); } catch { return null; }
  }

  return { show };
})();

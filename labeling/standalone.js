// The page that opens without Cropcheck: a Leaflet map of what was on the Map page, drawn by the same code, and the switches beside it.
// Everything it shows is in the page itself; all text is set as text, never as HTML.
(function () {
  "use strict";
  const told = JSON.parse(document.getElementById("told").textContent);
  const chosen = { base: told.base, left: told.left, right: told.right, split: told.left !== null, opacity: told.opacity };
  const hidden = new Set(), titles = Object.fromEntries(told.layers.map((layer) => [layer.name, layer.title]));

  const map = L.map("map", { maxZoom: 19, worldCopyJump: true, zoomSnap: 0.25 });
  map.fitBounds(told.bounds, { animate: false });
  cropcheck.background(map, told.world);
  cropcheck.graticule(map);
  cropcheck.pane(map, "samples", 450, false);
  L.control.scale({ imperial: false }).addTo(map);
  cropcheck.pointer(map);

  function element(parent, tag, text, options) {
    const made = Object.assign(document.createElement(tag), options || {});
    if (text) made.textContent = text;
    return parent.appendChild(made);
  }

  function show() {
    const wanted = { base: chosen.base, left: chosen.split ? chosen.left : null, right: chosen.right };
    const pictures = Object.entries(wanted).map(([pane, name]) => {
      const layer = told.layers.find((each) => each.name === name);
      return layer && layer.url && { pane: pane, key: pane + " " + name, url: layer.url, bounds: layer.bounds };
    }).filter(Boolean);
    const sides = { left: titles[chosen.left] || "", right: titles[chosen.right] || "" };
    cropcheck.rasters.show(map, { pictures: pictures, opacity: chosen.opacity, split: chosen.split, titles: sides });
    cropcheck.points.show(map, told.points && Object.assign({}, told.points, { hidden: [...hidden] }));
    legend(new Set(Object.values(wanted)));
  }

  function select(parent, title, key, layers) {
    const label = element(parent, "label", ""), field = element((element(label, "b", title), label), "select");
    element(field, "option", "None", { value: "" });
    for (const layer of layers) element(field, "option", layer.title, { value: layer.name });
    field.value = chosen[key] || "";
    field.addEventListener("change", () => { chosen[key] = field.value || null; show(); });
    return label;
  }

  function controls() {
    const parent = document.querySelector(".controls");
    if (!told.layers.length) return;
    element(parent, "h2", "Layers");
    const imagery = told.layers.filter((layer) => layer.imagery);
    if (imagery.length) select(parent, "Imagery", "base", imagery);
    const left = select(parent, "Left", "left", told.layers), right = select(parent, "Layer", "right", told.layers);
    const check = element(parent, "label", "", { className: "check" });
    const box = element(check, "input", "", { type: "checkbox", checked: chosen.split });
    element(check, "b", "Split: two layers beside each other");
    function turned() {
      chosen.split = box.checked;
      left.hidden = !box.checked;
      right.querySelector("b").textContent = box.checked ? "Right" : "Layer";
    }
    box.addEventListener("change", () => { turned(); show(); });
    turned();
    const label = element(parent, "label", ""), range = element((element(label, "b", "Opacity"), label), "input");
    Object.assign(range, { type: "range", min: 0, max: 100, step: 5, value: 100 * chosen.opacity, ariaLabel: "Opacity" });
    range.addEventListener("input", () => { chosen.opacity = range.value / 100; show(); });
  }

  function entry(parent, one, tag) {
    const row = element(parent, tag, "", { className: "entry" });
    element(row, "i", "").style.background = one.color;
    const text = element(row, "div", one.title);
    if (one.title_fr && one.title_fr !== one.title) element(text, "small", one.title_fr, { lang: "fr" });
    element(row, "span", one.amount || "");
    return row;
  }

  function legend(names) {
    const parent = document.querySelector(".legend");
    parent.replaceChildren();
    for (const layer of told.layers.filter((each) => names.has(each.name) && (each.entries.length || each.ramp.length))) {
      element(parent, "h2", layer.title);
      for (const one of layer.entries) entry(parent, one, "div");
      if (!layer.ramp.length) continue;
      const stops = layer.ramp.map(([share, color]) => `${color} ${100 * share}%`).join(", ");
      element(parent, "div", "", { className: "ramp" }).style.background = `linear-gradient(to right, ${stops})`;
      const ticks = element(parent, "div", "", { className: "ticks" });
      for (const tick of layer.ticks) element(ticks, "span", tick);
    }
    if (!told.points) return;
    element(parent, "h2", told.samples);
    told.groups.forEach((group, number) => {
      const row = entry(parent, group, "button");
      row.classList.add("round");
      row.title = "Switch on or off";
      row.setAttribute("aria-pressed", !hidden.has(number));
      row.addEventListener("click", () => { hidden.has(number) ? hidden.delete(number) : hidden.add(number); show(); });
    });
  }

  document.querySelector("h1").textContent = told.title;
  document.querySelector(".facts").textContent = told.facts;
  document.querySelector(".sources").textContent = told.sources;
  const simulated = document.querySelector(".simulated");
  simulated.hidden = !told.simulated;
  simulated.textContent = told.simulated;
  controls();
  show();
})();

// What Cropcheck draws on a Leaflet map: a background that needs no internet, samples on one canvas (map_points.js), rasters beside
// each other (map_rasters.js), patch pictures and field outlines. Called by the scripts that labeling/maps.py writes; what the page
// asks for is compared with what is there, so that only what is new is drawn. Positions are [lat, lon] in EPSG:4326.
window.cropcheck = (function () {
  "use strict";
  const GRATICULE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30];  // degrees
  const LINES_WANTED = 5;
  const REST_MS = 150;  // without a move, before the page is told of the view
  const AGAIN_MS = 4_000;  // without an answer, before the page is told again: it drops what reaches it while it is drawn anew
  const NEAR_ZOOM = 14;  // of a place that was searched for
  // What outlives a change of pages: the view, the click, the area drawn, and which places were gone to.
  const kept = { view: null, click: null, area: null, last: null, place: null, ground: null, n: 0 };
  const shown = { details: null, detailsKey: null, mark: null, area: null, drawing: false, told: 0, heard: 0 };
  let storage = "cropcheck.map", toTell = null;

  function pane(map, name, zIndex, interactive) {
    if (map.getPane(name)) return name;
    const element = map.createPane(name);
    element.style.zIndex = zIndex;
    if (!interactive) element.style.pointerEvents = "none";
    return name;
  }

  const STYLES = {
    land: { stroke: true, color: "#b9c3b4", weight: 0.8, fill: true, fillColor: "#f4f3ec", fillOpacity: 1 },
    lake: { stroke: true, color: "#b5cbd6", weight: 0.6, fill: true, fillColor: "#dfeaf0", fillOpacity: 1 },
    country: { color: "#98a295", weight: 1.2, fill: false },
    region: { color: "#b4bdb0", weight: 0.9, dashArray: "4 3", fill: false },
  };

  function background(map, url) {
    pane(map, "background", 150, false);
    const canvas = L.canvas({ pane: "background", padding: 0.3 });
    map.getContainer().style.background = "#dfeaf0";
    map.attributionControl.setPrefix("Leaflet");
    fetch(url).then((answer) => answer.json()).then((world) => {
      L.geoJSON(world, {
        pane: "background", interactive: false, attribution: "Natural Earth",
        style: (feature) => Object.assign({ renderer: canvas, pane: "background", interactive: false }, STYLES[feature.properties.kind]),
      }).addTo(map);
    });
  }

  function degrees(value, positive, negative) {
    const rounded = Math.round(value * 100) / 100;
    return Math.abs(rounded) + "°" + (rounded > 0 ? positive : rounded < 0 ? negative : "");
  }

  function graticule(map) {
    pane(map, "graticule", 160, false);
    const lines = L.layerGroup().addTo(map);
    const style = { pane: "graticule", color: "#7d8a94", weight: 0.5, opacity: 0.5, interactive: false };
    function label(position, text, kind) {
      const icon = L.divIcon({ className: "cropcheck-degrees " + kind, html: text, iconSize: null });
      L.marker(position, { pane: "graticule", icon: icon, interactive: false, keyboard: false }).addTo(lines);
    }
    function draw() {
      lines.clearLayers();
      const seen = map.getBounds(), west = seen.getWest(), east = seen.getEast();
      const south = Math.max(-85, seen.getSouth()), north = Math.min(85, seen.getNorth());
      const step = GRATICULE_STEPS.find((each) => (east - west) / each <= LINES_WANTED * 1.6) || 30;
      for (let lon = Math.ceil(west / step) * step; lon < east; lon += step) {
        L.polyline([[south, lon], [north, lon]], style).addTo(lines);
        label([north, lon], degrees(lon, "E", "W"), "lon");
      }
      for (let lat = Math.ceil(south / step) * step; lat < north; lat += step) {
        L.polyline([[lat, west], [lat, east]], style).addTo(lines);
        label([lat, west], degrees(lat, "N", "S"), "lat");
      }
    }
    map.on("moveend", draw);
    draw();
  }

  function button(map, sign, title, onClick) {
    const control = L.control({ position: "topleft" });
    control.onAdd = () => {
      const bar = L.DomUtil.create("div", "leaflet-bar");
      const link = L.DomUtil.create("a", "cropcheck-home", bar);
      Object.assign(link, { href: "#", title: title, textContent: sign });
      link.setAttribute("role", "button");
      L.DomEvent.disableClickPropagation(bar);
      L.DomEvent.on(link, "click", (event) => { L.DomEvent.preventDefault(event); onClick(); });
      return bar;
    };
    return control.addTo(map);
  }

  // The pointer's position, and the sample under the pointer.
  function pointer(map) {
    const position = L.control({ position: "bottomleft" });
    position.onAdd = () => L.DomUtil.create("div", "cropcheck-position");
    position.addTo(map);
    const tip = L.tooltip({ direction: "top", offset: [0, -6] });
    map.on("mousemove", (event) => {
      const at = event.latlng.wrap();
      position.getContainer().textContent = at.lat.toFixed(5) + ", " + at.lng.toFixed(5);
      const under = shown.drawing ? null : cropcheck.points.at(map, event.containerPoint);
      map.getContainer().style.cursor = under ? "pointer" : "";
      if (!under) return map.closeTooltip(tip);
      const text = document.createElement("div");
      text.textContent = under.text;
      map.openTooltip(tip.setLatLng(under.position).setContent(text));
    });
    map.on("mouseout", () => map.closeTooltip(tip));
  }

  function remember() {
    try { sessionStorage.setItem(storage, JSON.stringify(kept)); } catch { /* storage may be forbidden: then nothing outlives the page */ }
  }

  // Tell the page what it needs to know of the map; moves are told when they have come to rest.
  function tell(map, rest, patience = AGAIN_MS) {
    clearTimeout(toTell);
    toTell = setTimeout(() => {
      const size = map.getSize(), seen = map.getBounds(), centre = map.getCenter();
      if (!size.x || !size.y) return;
      kept.view = { lat: centre.lat, lon: centre.lng, zoom: map.getZoom() };
      remember();
      const told = shown.told = Date.now();
      toTell = setTimeout(() => { if (shown.heard < told) tell(map, 0, 2 * patience); }, patience);
      window.Streamlit.setComponentValue({
        told: told,
        view: { south: seen.getSouth(), west: seen.getWest(), north: seen.getNorth(), east: seen.getEast(), width: size.x, height: size.y },
        zoom: map.getZoom(), click: kept.click, area: kept.area, last: kept.last,
      });
    }, rest);
  }

  // What a click is at: a sample's circle, its outline, or the ground. The mark is there before the page has answered.
  function clicks(map) {
    map.on("click", (event) => {
      if (shown.drawing) return;
      const under = cropcheck.points.at(map, event.containerPoint), at = under ? L.latLng(under.position) : event.latlng.wrap();
      const outlined = event.sourceTarget && event.sourceTarget.cropcheckSample;
      kept.click = { lat: at.lat, lon: at.lng, sample: under ? under.id : outlined || null, n: ++kept.n };
      kept.last = "click";
      mark(map);
      tell(map, 0);
    });
  }

  function mark(map) {
    if (shown.mark) map.removeLayer(shown.mark);
    shown.mark = null;
    if (!kept.click) return;
    const at = [kept.click.lat, kept.click.lon], style = { pane: "samples", interactive: false, fill: false };
    const radius = kept.click.sample ? 12 : 7;
    shown.mark = L.layerGroup([
      L.circleMarker(at, Object.assign({ radius: radius, color: "#ffffff", weight: 6 }, style)),
      L.circleMarker(at, Object.assign({ radius: radius, color: "#d6006e", weight: 3 }, style)),
    ]).addTo(map);
  }

  // One area at a time: a rectangle or polygon, that can be reshaped and taken away.
  function areas(map) {
    shown.area = L.featureGroup().addTo(map);
    const style = { color: "#d6006e", weight: 2, fillOpacity: 0.06 };
    const only = { polyline: false, circle: false, marker: false, circlemarker: false };
    const drawn = { rectangle: { shapeOptions: style, showArea: false }, polygon: { shapeOptions: style, showArea: false } };
    map.addControl(new L.Control.Draw({ position: "topleft", draw: Object.assign(drawn, only), edit: { featureGroup: shown.area } }));
    if (kept.area) L.geoJSON(kept.area, { style: style, interactive: false }).eachLayer((layer) => shown.area.addLayer(layer));
    function changed() {
      const layers = shown.area.getLayers();
      kept.area = layers.length ? layers[0].toGeoJSON().geometry : null;
      kept.last = layers.length ? "area" : "click";
      tell(map, 0);
    }
    for (const kind of ["drawstart", "editstart", "deletestart"]) map.on("draw:" + kind, () => { shown.drawing = true; });
    // The click that ends a drawing reaches the map after "drawstop".
    for (const kind of ["drawstop", "editstop", "deletestop"]) map.on("draw:" + kind, () => setTimeout(() => { shown.drawing = false; }, 50));
    map.on("draw:created", (event) => {
      shown.area.clearLayers();
      event.layer.options.interactive = false;  // a click inside asks for what is under it
      shown.area.addLayer(event.layer);
      changed();
    });
    map.on("draw:edited draw:deleted", changed);
  }

  // Called once a map. record: {key, world: address of the background, bounds of the collection}
  function start(map, record) {
    storage = "cropcheck.map." + record.key;
    try { Object.assign(kept, JSON.parse(sessionStorage.getItem(storage) || "{}")); } catch { /* as above */ }
    background(map, record.world);
    graticule(map);
    pane(map, "outlines", 440, true);
    pane(map, "samples", 450, false);
    L.control.scale({ imperial: false, maxWidth: 140 }).addTo(map);
    button(map, "⌂", "Zoom to the whole collection", () => map.fitBounds(record.bounds));
    pointer(map);
    areas(map);
    clicks(map);
    if (kept.view) map.setView([kept.view.lat, kept.view.lon], kept.view.zoom, { animate: false });
    else map.fitBounds(record.bounds, { animate: false });
    mark(map);
    map.on("moveend resize", () => tell(map, REST_MS));
  }

  // record: {points, rasters, details: {key, items}, place: [lat, lon, name] or null, ground: {key, bounds} or null, heard: `told` of the
  // last message that reached the page}
  function show(map, record) {
    cropcheck.points.show(map, record.points);
    cropcheck.rasters.show(map, record.rasters);
    details(map, record.details);
    ground(map, record.ground);
    const place = record.place && record.place.join(" ");
    if (place && place !== kept.place) map.setView([record.place[0], record.place[1]], Math.max(NEAR_ZOOM, map.getZoom()));
    kept.place = place;
    shown.heard = record.heard;
    if (!shown.told) tell(map, REST_MS);
  }

  // Another map than before is shown where it lies; later it stays with the user.
  function ground(map, asked) {
    if (shown.whole) map.removeControl(shown.whole);
    shown.whole = asked && button(map, "▣", "Zoom to the map", () => map.fitBounds(asked.bounds));
    if (asked && asked.key !== kept.ground && !map.getBounds().intersects(asked.bounds) | map.getZoom() < 11) map.fitBounds(asked.bounds);
    kept.ground = asked && asked.key;
  }

  // items: [{id, text, color, outline: GeoJSON geometry or null, image: PNG address or null, bounds}]
  function details(map, record) {
    if (shown.detailsKey === record.key) return;
    const before = shown.details, now = L.layerGroup(), canvas = shown.canvas || (shown.canvas = L.canvas({ pane: "outlines" }));
    pane(map, "images", 250, false);
    for (const item of record.items) {
      if (item.image) L.imageOverlay(item.image, item.bounds, { pane: "images", interactive: false }).addTo(now);
      if (!item.outline) continue;
      L.geoJSON(item.outline, {
        pane: "outlines",
        style: {
          renderer: canvas, color: item.image || !record.filled ? item.color : "#2b332e", weight: item.image || !record.filled ? 2 : 0.7,
          fillColor: item.color, fillOpacity: item.image || !record.filled ? 0 : 0.65,
        },
        onEachFeature: (feature, layer) => { layer.cropcheckSample = item.id; },
      }).bindTooltip(() => Object.assign(document.createElement("div"), { textContent: item.text }), { sticky: true }).addTo(now);
    }
    now.addTo(map);
    if (before) map.removeLayer(before);
    Object.assign(shown, { details: now, detailsKey: record.key });
  }

  return { pane, background, graticule, pointer, start, show };
})();

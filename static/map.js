// What Cropcheck draws on a Leaflet map: a background that needs no internet, thousands of points on one canvas, patch images
// and field outlines. Called by the scripts that labeling/maps.py writes; all positions are [lat, lon] in EPSG:4326.
window.cropcheck = (function () {
  "use strict";
  const GRATICULE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30];  // degrees
  const LINES_WANTED = 5;
  const cache = {};  // layers by key: Streamlit removes and adds all dynamic layers when one of them changes

  function pane(map, name, zIndex, interactive) {
    if (map.getPane(name)) return name;
    const element = map.createPane(name);
    element.style.zIndex = zIndex;
    if (!interactive) element.style.pointerEvents = "none";
    return name;
  }

  // One canvas for everything that can be clicked: of two canvases, the lower one would get no mouse events.
  function renderer(map) {
    if (!cache.renderer) cache.renderer = L.canvas({ pane: pane(map, "samples", 450, true), padding: 0.2, tolerance: 3 });
    return cache.renderer;
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

  // The pointer's position, and a button back to the whole collection.
  function controls(map, bounds) {
    const position = L.control({ position: "bottomleft" });
    position.onAdd = () => L.DomUtil.create("div", "cropcheck-position");
    position.addTo(map);
    map.on("mousemove", (event) => {
      const at = event.latlng.wrap();
      position.getContainer().textContent = at.lat.toFixed(4) + ", " + at.lng.toFixed(4);
    });
    const home = L.control({ position: "topleft" });
    home.onAdd = () => {
      const bar = L.DomUtil.create("div", "leaflet-bar");
      const link = L.DomUtil.create("a", "cropcheck-home", bar);
      link.href = "#";
      link.title = "Zoom to the whole collection";
      link.textContent = "⌂";
      L.DomEvent.disableClickPropagation(bar);
      L.DomEvent.on(link, "click", (event) => { L.DomEvent.preventDefault(event); map.fitBounds(bounds); });
      return bar;
    };
    home.addTo(map);
  }

  function named(layer, name) {
    layer.feature = { type: "Feature", properties: { name: name } };
    return layer;
  }

  function tooltip(describe) {
    return (layer) => {
      const element = document.createElement("div");
      element.textContent = layer.feature ? describe(layer) : "";
      return element;
    };
  }

  // data: {key, radius, groups: [[title, colour]], lat, lon, name, group, ring}; ring is null or a colour, drawn around a point.
  function points(map, parent, data) {
    if (!cache.points || cache.points.key !== data.key) {
      const layer = L.featureGroup();
      for (let i = 0; i < data.name.length; i++) {
        const marker = named(L.circleMarker([data.lat[i], data.lon[i]], {
          pane: "samples", renderer: renderer(map), radius: data.radius + (data.ring[i] ? 1.5 : 0), fillColor: data.groups[data.group[i]][1],
          fillOpacity: 1, color: data.ring[i] ? "#c01f2e" : "#2b332e", weight: data.ring[i] ? 2.5 : 0.8,
        }), data.name[i]);
        marker.text = data.name[i] + " · " + data.groups[data.group[i]][0] + (data.note[i] ? " · " + data.note[i] : "");
        layer.addLayer(marker);
      }
      layer.bindTooltip(tooltip((marker) => marker.text), { sticky: false, direction: "top", offset: [0, -6] });
      cache.points = { key: data.key, layer: layer };
    }
    parent.addLayer(cache.points.layer);
    window.cropcheckPainted = { points: data.name.length, key: data.key };  // read by the browser tests
  }

  // items: [{name, text, color, outline: GeoJSON geometry or null, image: PNG address or null, bounds}]
  function details(map, parent, items) {
    pane(map, "images", 250, false);
    for (const item of items) {
      if (item.image) L.imageOverlay(item.image, item.bounds, { pane: "images", interactive: false }).addTo(parent);
      if (!item.outline) continue;
      const shape = L.geoJSON(item.outline, {
        pane: "samples",
        style: {
          renderer: renderer(map), color: item.image ? item.color : "#2b332e", weight: item.image ? 2 : 0.7,
          fillColor: item.color, fillOpacity: item.image ? 0 : 0.65,
        },
        onEachFeature: (feature, layer) => named(layer, item.name),
      });
      shape.bindTooltip(tooltip(() => item.text), { sticky: true });
      shape.addTo(parent);
      shape.eachLayer((layer) => layer.bringToBack());
    }
  }

  function selection(map, parent, position) {
    const style = { pane: "samples", renderer: renderer(map), interactive: false, fill: false };
    L.circleMarker(position, Object.assign({ radius: 12, color: "#ffffff", weight: 6 }, style)).addTo(parent);
    L.circleMarker(position, Object.assign({ radius: 12, color: "#d6006e", weight: 3 }, style)).addTo(parent);
  }

  return { background, graticule, controls, points, details, selection };
})();

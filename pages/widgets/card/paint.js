// Drawing: pictures from the prefetched season sprite, the profile as SVG, and the texts around them. Nothing here waits.

const escapeText = (text) =>
  String(text ?? "").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MONTH_DAYS = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

function dateText(acquired) {
  const [, month, day] = acquired.split("-").map(Number);
  return day ? `${day} ${MONTHS[month - 1]}` : MONTHS[month - 1];
}

function dayOf(slotName) {
  const [, month, day] = slotName.split("-").map(Number);
  return MONTH_DAYS[month - 1] + (day || 15);
}

// One tile of the sprite, as large as it fits into the canvas, centred, its pixels kept as squares.
function drawTile(canvas, item, column, row, overlay) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  if (!item.sprite || column < 0) return;
  const { card } = item;
  context.imageSmoothingEnabled = false;
  if (card.outline) {
    context.save();
    context.scale(width / 100, height / 100);
    context.clip(new Path2D(card.outline));
    context.drawImage(item.sprite, column, row, 1, 1, 0, 0, 100, 100);
    context.restore();
    return;
  }
  const scale = Math.min(width / card.width, height / card.height);
  const w = card.width * scale, h = card.height * scale;
  const box = [(width - w) / 2, (height - h) / 2, w, h];
  context.drawImage(item.sprite, column * card.width, row * card.height, card.width, card.height, ...box);
  if (overlay && item.inventory) {
    context.globalAlpha = 0.55;
    context.drawImage(item.inventory, ...box);
    context.globalAlpha = 1;
  }
  if (item.inventory && width > MARKED_FROM) markCentre(context, width / 2, height / 2);
}

// Where the label was taken: a patch of an inventory raster holds several fields, and only the one in the ring is meant.
const MARKED_FROM = 200; // px; smaller tiles would be hidden by it
function markCentre(context, x, y) {
  for (const [colour, line] of [["rgba(0, 0, 0, 0.6)", 4], ["#ffffff", 1.6]]) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.beginPath();
    context.arc(x, y, 10, 0, 2 * Math.PI);
    context.stroke();
  }
}

const CHART = { width: 600, height: 206, left: 40, right: 10, top: 10, bottom: 22 };

function chartScales(collection, index) {
  const months = collection.slots.map((slot) => Number(slot.split("-")[1]));
  const from = MONTH_DAYS[Math.min(...months) - 1], to = MONTH_DAYS[Math.max(...months)];
  const inner = { width: CHART.width - CHART.left - CHART.right, height: CHART.height - CHART.top - CHART.bottom };
  const x = (day) => CHART.left + ((day - from) / (to - from)) * inner.width;
  const part = (value) => Math.min(1.03, Math.max(-0.03, (value - index.low) / (index.high - index.low)));
  const y = (value) => CHART.top + (1 - part(value)) * inner.height;
  return { x, y, from, to };
}

function chartAxes(index, { x, y, from, to }) {
  let svg = "";
  for (let value = Math.ceil(index.low * 5) / 5; value <= index.high + 1e-9; value += 0.2) {
    const at = y(value).toFixed(1);
    svg += `<line class="grid" x1="${CHART.left}" x2="${CHART.width - CHART.right}" y1="${at}" y2="${at}"/>`;
    svg += `<text class="tick" x="${CHART.left - 6}" y="${at}" dy="0.32em" text-anchor="end">${value.toFixed(1).replace("-0.0", "0.0")}</text>`;
  }
  for (let month = 0; month < 12; month++) {
    if (MONTH_DAYS[month] < from || MONTH_DAYS[month] >= to) continue;
    const middle = (MONTH_DAYS[month] + MONTH_DAYS[month + 1]) / 2;
    svg += `<line class="grid month" x1="${x(MONTH_DAYS[month])}" x2="${x(MONTH_DAYS[month])}" y1="${CHART.top}" y2="${CHART.height - CHART.bottom}"/>`;
    svg += `<text class="tick" x="${x(middle)}" y="${CHART.height - 6}" text-anchor="middle">${MONTHS[month]}</text>`;
  }
  return svg;
}

// p10 ... p90 as a band and the median as a line, broken where too few samples were seen.
function chartEnvelope(collection, envelope, index, { x, y }, second) {
  const rows = envelope.bands[index.name] || [];
  const runs = [[]];
  rows.forEach((row, slot) => (row ? runs.at(-1).push([x(dayOf(collection.slots[slot])), row]) : runs.push([])));
  return runs.filter((run) => run.length > 1).map((run) => {
    const upper = run.map(([at, row]) => `${at.toFixed(1)},${y(row[2]).toFixed(1)}`);
    const lower = run.map(([at, row]) => `${at.toFixed(1)},${y(row[0]).toFixed(1)}`).reverse();
    const middle = run.map(([at, row]) => `${at.toFixed(1)},${y(row[1]).toFixed(1)}`);
    const kind = second ? "second" : "first";
    return `<polygon class="band ${kind}" points="${upper.concat(lower).join(" ")}" style="fill:${envelope.color};stroke:${envelope.color}"/>`
      + `<polyline class="middle ${kind}" points="${middle.join(" ")}" style="stroke:${envelope.color}"/>`;
  }).join("");
}

function chart(collection, card, index, shown, withEnvelopes) {
  const scales = chartScales(collection, index);
  const values = card.profiles[index.name] || [];
  const points = card.images.map((image, place) => ({ image, place, value: values[place] }));
  const clear = points.filter(({ image, value }) => image.quality === "ok" && value != null);
  let svg = chartAxes(index, scales);
  if (withEnvelopes) card.envelopes.forEach((envelope, place) => (svg += chartEnvelope(collection, envelope, index, scales, place > 0)));
  if (card.images[shown]) {
    const at = scales.x(card.images[shown].day);
    svg += `<line class="now" x1="${at}" x2="${at}" y1="${CHART.top}" y2="${CHART.height - CHART.bottom}"/>`;
  }
  svg += `<polyline class="curve" points="${clear.map(({ image, value }) => `${scales.x(image.day).toFixed(1)},${scales.y(value).toFixed(1)}`).join(" ")}"/>`;
  for (const { image, place, value } of points) {
    const cx = scales.x(image.day).toFixed(1), cy = value == null ? scales.y(index.low) : scales.y(value).toFixed(1);
    const kind = image.quality !== "ok" || value == null ? "hollow" : image.interpolated ? "made" : "full";
    svg += `<circle class="dot ${kind}${place === shown ? " here" : ""}" cx="${cx}" cy="${cy}" r="${place === shown ? 5.5 : 4}"/>`;
    svg += `<circle class="hit" data-date="${place}" cx="${cx}" cy="${cy}" r="12"><title>${escapeText(imageText(image))}, ${index.name} ${value == null ? "–" : value.toFixed(2)}</title></circle>`;
  }
  return svg;
}

function imageText(image) {
  const quality = image.quality === "ok" ? `${Math.round(image.clear * 100)} % clear` : image.quality === "bad" ? "bad pixels" : "cloudy";
  return `${dateText(image.acquired)} · ${quality}${image.interpolated ? " · interpolated" : ""}`;
}

const swatch = (color) => `<i class="swatch" style="background:${escapeText(color)}"></i>`;

function decisionText(collection, decision) {
  const named = (code) => collection.legend.find((entry) => entry.code === Number(code))?.name ?? `code ${code}`;
  if (decision.action === "agree") return "Agreed";
  if (decision.action === "relabel") return `Relabelled: ${named(decision.code)}`;
  if (decision.action === "reject") return collection.reasons[decision.reason] + (decision.note ? ` (${decision.note})` : "");
  if (decision.action === "quality") return `Image marked ${decision.quality}`;
  if (decision.action === "flag") return decision.flagged === false ? "Flag taken off" : "Flagged";
  return "Unsure";
}

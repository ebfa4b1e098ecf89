// Drawing: pictures from the prefetched season sprite, the profile as SVG, and the texts around them. Nothing here waits.

const escapeText = (text) =>
  String(text ?? "").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MONTH_DAYS = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

// Of YYYY-MM-DD, YYYY-MM and MM.
function dateText(name) {
  const parts = name.split("-").map(Number), month = MONTHS[(parts[1] ?? parts[0]) - 1];
  return parts[2] ? `${parts[2]} ${month}` : month;
}

// Days run on one axis through a season that may go on over New Year; day 1 is 1 January of its first year.
const monthOf = (day) => 12 * Math.floor((day - 1) / 365) + MONTH_DAYS.findIndex((end) => ((day - 1) % 365 + 365) % 365 < end) - 1;
const monthStart = (month) => 365 * Math.floor(month / 12) + MONTH_DAYS[((month % 12) + 12) % 12];

// Where an image's picture lies: in the season's sprite, or in one that came later; undefined until then, null if it never will.
function pictureOf(item, image) {
  if (image?.tile != null) return { sprite: item.sprite, column: image.tile };
  return image && item.more?.get(image.id);
}

// One tile of a sprite, as large as it fits into the canvas, centred, its pixels kept as squares.
function drawTile(canvas, item, picture, row, overlay) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  if (!picture?.sprite) return;
  const { card } = item, { sprite, column } = picture;
  context.imageSmoothingEnabled = false;
  if (card.outline) {
    context.save();
    context.scale(width / 100, height / 100);
    context.clip(new Path2D(card.outline));
    context.drawImage(sprite, column, row, 1, 1, 0, 0, 100, 100);
    context.restore();
    return;
  }
  const scale = Math.min(width / card.width, height / card.height);
  const w = card.width * scale, h = card.height * scale;
  const box = [(width - w) / 2, (height - h) / 2, w, h];
  context.drawImage(sprite, column * card.width, row * card.height, card.width, card.height, ...box);
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

// span: the first and the last day that are drawn.
function chartScales(span, index) {
  const months = span.map(monthOf), from = monthStart(months[0]), to = monthStart(months[1] + 1);
  const inner = { width: CHART.width - CHART.left - CHART.right, height: CHART.height - CHART.top - CHART.bottom };
  const x = (day) => CHART.left + ((day - from) / (to - from)) * inner.width;
  const part = (value) => Math.min(1.03, Math.max(-0.03, (value - index.low) / (index.high - index.low)));
  const y = (value) => CHART.top + (1 - part(value)) * inner.height;
  return { x, y, months };
}

function chartAxes(index, { x, y, months }) {
  let svg = "";
  for (let value = Math.ceil(index.low * 5) / 5; value <= index.high + 1e-9; value += 0.2) {
    const at = y(value).toFixed(1);
    svg += `<line class="grid" x1="${CHART.left}" x2="${CHART.width - CHART.right}" y1="${at}" y2="${at}"/>`;
    svg += `<text class="tick" x="${CHART.left - 6}" y="${at}" dy="0.32em" text-anchor="end">${value.toFixed(1).replace("-0.0", "0.0")}</text>`;
  }
  const every = Math.ceil((34 * (months[1] - months[0] + 1)) / (CHART.width - CHART.left - CHART.right));
  for (let month = months[0]; month <= months[1]; month++) {
    const start = x(monthStart(month)).toFixed(1), middle = x((monthStart(month) + monthStart(month + 1)) / 2).toFixed(1);
    svg += `<line class="grid month" x1="${start}" x2="${start}" y1="${CHART.top}" y2="${CHART.height - CHART.bottom}"/>`;
    if ((month - months[0]) % every === 0)
      svg += `<text class="tick" x="${middle}" y="${CHART.height - 6}" text-anchor="middle">${MONTHS[((month % 12) + 12) % 12]}</text>`;
  }
  return svg;
}

// p10 ... p90 as a band and the median as a line, broken where too few samples were seen.
function chartEnvelope(collection, envelope, index, { x, y }, second) {
  const rows = envelope.bands[index.name] || [];
  const runs = [[]];
  rows.forEach((row, bin) => (row ? runs.at(-1).push([x(collection.bins[bin]), row]) : runs.push([])));
  return runs.filter((run) => run.length > 1).map((run) => {
    const upper = run.map(([at, row]) => `${at.toFixed(1)},${y(row[2]).toFixed(1)}`);
    const lower = run.map(([at, row]) => `${at.toFixed(1)},${y(row[0]).toFixed(1)}`).reverse();
    const middle = run.map(([at, row]) => `${at.toFixed(1)},${y(row[1]).toFixed(1)}`);
    const kind = second ? "second" : "first";
    return `<polygon class="band ${kind}" points="${upper.concat(lower).join(" ")}" style="fill:${envelope.color};stroke:${envelope.color}"/>`
      + `<polyline class="middle ${kind}" points="${middle.join(" ")}" style="stroke:${envelope.color}"/>`;
  }).join("");
}

const MANY_DATES = 30; // dots get smaller, so that they do not hide each other
function chart(collection, card, index, span, shown, withEnvelopes) {
  const scales = chartScales(span, index);
  const values = card.profiles[index.name] || [];
  const points = card.images.map((image, place) => ({ image, place, value: values[place] }));
  const small = points.length > MANY_DATES;
  const clear = points.filter(({ image, value }) => image.quality === "ok" && value != null);
  let svg = chartAxes(index, scales);
  if (withEnvelopes) card.envelopes.forEach((envelope, place) => (svg += chartEnvelope(collection, envelope, index, scales, place > 0)));
  if (card.images[shown]) {
    const at = scales.x(card.images[shown].at);
    svg += `<line class="now" x1="${at}" x2="${at}" y1="${CHART.top}" y2="${CHART.height - CHART.bottom}"/>`;
  }
  svg += `<polyline class="curve" points="${clear.map(({ image, value }) => `${scales.x(image.at).toFixed(1)},${scales.y(value).toFixed(1)}`).join(" ")}"/>`;
  for (const { image, place, value } of points) {
    const cx = scales.x(image.at).toFixed(1), cy = value == null ? scales.y(index.low) : scales.y(value).toFixed(1);
    const kind = image.quality !== "ok" || value == null ? "hollow" : image.interpolated ? "made" : "full";
    svg += `<circle class="dot ${kind}${place === shown ? " here" : ""}" cx="${cx}" cy="${cy}" r="${place === shown ? 5.5 : small ? 3 : 4}"/>`;
    svg += `<circle class="hit" data-date="${place}" cx="${cx}" cy="${cy}" r="${small ? 6 : 12}"><title>${escapeText(imageText(card, image))}, ${index.name} ${value == null ? "–" : value.toFixed(2)}</title></circle>`;
  }
  return svg;
}

function imageText(card, image) {
  const quality = image.quality === "ok" ? `${Math.round(image.clear * 100)} % clear` : image.quality === "bad" ? "bad pixels" : "cloudy";
  const year = Number(image.acquired.slice(0, 4));
  return `${dateText(image.acquired)}${year === card.year ? "" : ` ${year}`} · ${quality}${image.interpolated ? " · interpolated" : ""}`;
}

// A legend's entry, or what stands for a code that it lacks.
const NO_LABEL = 0; // the code of samples whose inventory label is not known
function classOf(collection, code) {
  const known = collection.legend.find((entry) => entry.code === Number(code));
  const name = Number(code) === NO_LABEL ? "No label" : `Code ${code}`;
  return known ?? { code: Number(code), name, name_fr: Number(code) === NO_LABEL ? "Sans étiquette" : name, color: "#9a9a9a" };
}

// The inventory of the years around a sample's own: the nearest ones, or all of them.
const YEARS_BEFORE = 3, YEARS_AFTER = 2;
function rotation(collection, card, all) {
  const years = new Map([...card.history, [card.year, card.code]]);
  return [...years].sort((a, b) => a[0] - b[0])
    .filter(([year]) => all || (year >= card.year - YEARS_BEFORE && year <= card.year + YEARS_AFTER))
    .map(([year, code]) => {
      const { name, name_fr, color } = classOf(collection, code);
      const kind = `year${year === card.year ? " own" : ""}${code === NO_LABEL ? " none" : ""}`;
      return `<span class="${kind}" title="${year}: ${escapeText(name)} · ${escapeText(name_fr)} · code ${code}">`
        + `${swatch(color)}<b>${year}</b><em>${escapeText(name)}</em></span>`;
    }).join("");
}

const swatch = (color) => `<i class="swatch" style="background:${escapeText(color)}"></i>`;

function decisionText(collection, decision) {
  if (decision.action === "agree") return "Agreed";
  if (decision.action === "relabel") return `Relabelled: ${classOf(collection, decision.code).name}`;
  if (decision.action === "reject") return collection.reasons[decision.reason] + (decision.note ? ` (${decision.note})` : "");
  if (decision.action === "quality") return `Image marked ${decision.quality}`;
  if (decision.action === "flag") return decision.flagged === false ? "Flag taken off" : "Flagged";
  return "Unsure";
}

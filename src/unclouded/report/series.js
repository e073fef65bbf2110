"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const NONE = 255;
const STEPS = 250;
const DAY = 86400000;
const { dates, rows, columns } = data;
const held = Object.fromEntries(["ndvi", "error", "source"].map((name) => [name, Uint8Array.from(atob(data[name]), (c) => c.charCodeAt(0))]));
const last = dates.length - 1;
let now = 0;
let point = { row: rows >> 1, column: columns >> 1 };

/* The dates: a bar each, of what was replaced. */
element("strip").append(...dates.map((date, number) => {
  const bar = document.createElement("div");
  const guessed = date.shares.filter(({ code }) => code === 1).reduce((sum, { share }) => sum + share, 0);
  for (const [share, name, colour] of [[guessed, "", dates.flatMap((one) => one.shares).find(({ code }) => code === 1)?.colour], [(date.replaced ?? 0) - guessed, "filled-bar", ""]]) {
    const part = document.createElement("i");
    part.className = name;
    part.style.height = `${100 * Math.max(0, share)}%`;
    part.style.background = colour ?? "";
    bar.append(part);
  }
  bar.title = `${date.label}: ${percent(date.replaced)} replaced`;
  bar.addEventListener("click", () => show(number));
  return bar;
}));
element("date").addEventListener("input", ({ target }) => show(Number(target.value)));
element("earlier").addEventListener("click", () => show(now - 1));
element("later").addEventListener("click", () => show(now + 1));
for (const link of document.querySelectorAll("[data-date]")) link.addEventListener("click", () => { show(Number(link.dataset.date)); scrollTo(0, 0); });
for (const choice of document.querySelectorAll("[name=image]")) choice.addEventListener("change", draw);
element("sources").addEventListener("change", draw);

/* The point: a click, the arrow keys, a place given, or the address. */
const frame = element("frame");
frame.classList.toggle("coarse", data.coarse);
frame.style.setProperty("--shape", data.width / data.height);
frame.addEventListener("click", (event) => {
  const box = element("image").getBoundingClientRect();
  choose((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
});
frame.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  choose((point.column + step[0] + 0.5) / columns, (point.row + step[1] + 0.5) / rows);
});
element("given").addEventListener("submit", (event) => {
  event.preventDefault();
  find(Number(element("longitude").value), Number(element("latitude").value));
});
element("given").hidden = !data.place;
addEventListener("resize", () => { mark(); drawChart(); });
addEventListener("hashchange", fromAddress);
if (!data.ndvi) document.querySelector(".course").hidden = true;
fromAddress();
show(0);

function show(number) {
  now = Math.min(Math.max(number, 0), last);
  draw();
  drawChart();
}

function draw() {
  const date = dates[now];
  element("date").value = now;
  element("date").setAttribute("aria-valuetext", date.label);
  element("earlier").disabled = now === 0;
  element("later").disabled = now === last;
  [...element("strip").children].forEach((bar, number) => bar.classList.toggle("on", number === now));
  const label = document.createElement("strong");
  label.textContent = date.label;
  const rest = document.createElement("span");
  rest.textContent = `, ${date.level}, ${date.replaced === null ? "no data" : `${percent(date.replaced)} replaced`}`;
  element("label").replaceChildren(label, rest);
  const wanted = document.querySelector("[name=image]:checked").value;
  const gone = !(wanted in date.images);
  element("gone").hidden = !gone;
  element("image").src = date.images[gone ? "after" : wanted];
  element("image").alt = `The place on ${date.label}, ${wanted === "before" && !gone ? "as it was taken" : "cleared"}`;
  element("overlay").hidden = !element("sources").checked;
  element("overlay").src = date.images.source;
  element("legend").hidden = !element("sources").checked;
  element("legend").replaceChildren(...(date.shares.length ? date.shares : [{ label: "nothing was replaced" }]).map(({ label, share, colour }) => {
    const entry = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour ?? "";
    entry.append(...(colour ? [swatch] : []), share === undefined ? label : `${label}, ${percent(share)}`);
    return entry;
  }));
  mark();
}

function choose(across, down) {
  point = { row: clamp(Math.floor(down * rows), rows), column: clamp(Math.floor(across * columns), columns) };
  element("refused").textContent = "";
  mark();
  drawChart();
}

function find(longitude, latitude) {
  const [east, north] = data.place.centre[0];
  const [across, down] = polynomials(data.place.shares, longitude - east, latitude - north);
  if (across >= 0 && across <= 1 && down >= 0 && down <= 1) choose(across, down);
  else element("refused").textContent = "That place is not in the scene.";
}

function fromAddress() {
  const given = location.hash.slice(1).split(",").map(Number);
  if (data.place && given.length === 2 && given.every(Number.isFinite)) find(...given);
}

function mark() {
  const box = element("image");
  element("point").hidden = !data.ndvi;
  element("point").style.left = `${((point.column + 0.5) / columns) * box.clientWidth}px`;
  element("point").style.top = `${((point.row + 0.5) / rows) * box.clientHeight}px`;
  if (!data.place) return;
  const [east, north] = data.place.centre[0];
  const [x, y] = polynomials(data.place.degrees, (point.column + 0.5) / columns, (point.row + 0.5) / rows);
  const [longitude, latitude] = [east + x, north + y].map((degrees) => degrees.toFixed(5));
  element("where").textContent = `${longitude}, ${latitude} (longitude, latitude); click into the image for another.`;
  element("longitude").value = longitude;
  element("latitude").value = latitude;
}

/** What the point shows at a date; null if nothing. */
function valueAt(number) {
  const at = (number * rows + point.row) * columns + point.column;
  if (held.ndvi[at] === NONE || held.source[at] === NONE) return null;
  return { ndvi: (2 * held.ndvi[at]) / STEPS - 1, error: held.error[at] / STEPS, source: held.source[at] };
}

function drawChart() {
  if (!data.ndvi) return;
  const width = Math.min(760, Math.max(300, element("chart").clientWidth)), height = Math.round(width < 500 ? 220 : 300), left = 38, right = 12, top = 10, bottom = 30;
  const known = dates.every(({ time }) => time !== null) && dates[last].time > dates[0].time;
  const times = dates.map(({ time }, number) => (known ? time : number));
  const values = dates.map((date, number) => valueAt(number));
  const least = Math.min(0, ...values.filter(Boolean).map(({ ndvi }) => ndvi));
  const low = Math.max(-1, Math.floor(least * 5) / 5);
  const x = (time) => left + (width - left - right) * ((time - times[0]) / (times[last] - times[0] || 1));
  const y = (ndvi) => height - bottom - (height - top - bottom) * ((Math.min(Math.max(ndvi, low), 1) - low) / (1 - low));
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": says(values) });
  for (let tick = low; tick < 1.01; tick += 0.2) {
    svg.append(make("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
    svg.append(make("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(1).replace("-0.0", "0.0")));
  }
  svg.append(make("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  for (const [at, text] of ticks(times, known, width)) svg.append(make("text", { x: x(at), y: height - 10, "text-anchor": "middle" }, text));
  svg.append(make("line", { class: "rule", x1: x(times[now]), x2: x(times[now]), y1: top, y2: height - bottom }));
  const there = values.flatMap((value, number) => (value ? [`${x(times[number])} ${y(value.ndvi)}`] : []));
  if (there.length > 1) svg.append(make("path", { class: "through", d: `M${there.join("L")}` }));
  values.forEach((value, number) => {
    if (!value) return;
    const [across, down] = [x(times[number]), y(value.ndvi)];
    if (value.source && value.error) svg.append(make("line", { class: "error", x1: across, x2: across, y1: y(value.ndvi - value.error), y2: y(value.ndvi + value.error) }));
    const size = number === now ? 6 : 4;
    const shape = value.source === 0 ? make("circle", { class: "observed", cx: across, cy: down, r: size - 0.5 })
      : value.source === 1 ? make("path", { class: "guess", d: `M${across - size} ${down - size}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}` })
      : make("path", { class: "filled", d: `M${across} ${down - size - 1}l${size + 1} ${size + 1}l${-size - 1} ${size + 1}l${-size - 1} ${-size - 1}Z` });
    shape.append(make("title", {}, words(number, value)));
    svg.append(shape);
  });
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    show(times.reduce((best, time, number) => (Math.abs(x(time) - at) < Math.abs(x(times[best]) - at) ? number : best), 0));
  });
  element("chart").replaceChildren(svg);
  element("value").textContent = words(now, values[now]);
}

/** Beginnings of years, quarters or months, or of days where the series is short, as many as there is room for. */
function ticks(times, known, width) {
  if (!known) return times.length > 1 ? [[times[0], "first"], [times[last], "last"]] : [];
  const [from, to] = [new Date(times[0]), new Date(times[last])];
  for (const months of [1, 2, 3, 6, 12, 24, 60]) {
    const found = [];
    for (let year = from.getUTCFullYear(); year <= to.getUTCFullYear(); year += 1) {
      for (let month = 0; month < 12; month += 1) {
        const time = Date.UTC(year, month, 1);
        if ((12 * year + month) % months === 0 && time >= from && time <= to) found.push([time, `${year}-${String(month + 1).padStart(2, "0")}`]);
      }
    }
    if (found.length < 2) break;
    if (found.length <= (width < 500 ? 4 : 7)) return found;
  }
  const day = (time) => [time, new Date(time).toISOString().slice(0, 10)];
  return to - from < 3 * DAY ? [day(times[0])] : [day(times[0] + (to - from) * 0.1), day(times[last] - (to - from) * 0.1)];
}

function words(number, value) {
  const { label, shares } = dates[number];
  if (!value) return `${label}: no data at this point`;
  const from = value.source === 0 ? "observed" : shares.find(({ code }) => code === value.source)?.label ?? (value.source === 1 ? "guessed" : "from another date");
  const error = value.source ? ` ± ${value.error.toFixed(2)}` : "";
  return `${label}: NDVI ${value.ndvi.toFixed(2)}${error}, ${from}`;
}

function says(values) {
  const count = (kind) => values.filter((value) => value && kind(value.source)).length;
  return `NDVI of the point at ${dates.length} dates: ${count((s) => s === 0)} observed, ${count((s) => s > 1)} filled from other dates, ${count((s) => s === 1)} guessed`;
}

function polynomials(sets, u, v) {
  return sets.map(([a, b, c, d, e, f]) => a + b * u + c * v + d * u * u + e * u * v + f * v * v);
}

function make(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function clamp(index, count) {
  return Math.min(Math.max(index, 0), count - 1);
}

function percent(share) {
  // A share that is there is never called 0.0%.
  return share === null ? "–" : share > 0 && share < 0.0005 ? "under 0.1%" : `${(100 * share).toFixed(1)}%`;
}

"use strict";
/* What stands beside the map: the scene, its layers with their colours, and the values of a pixel. */

const UNIT = { reflectance: 4, DN: 0 }; // with the decimals of each
const element = (id) => document.getElementById(id);
const FEW = 7; // bands that stand in one column
const number = (value, decimals) => (value === null ? "–" : value.toFixed(decimals));
// A share that is there is never called 0.0%.
const percent = (share) => (share > 0 && share < 0.0005 ? "under 0.1%" : `${(100 * share).toFixed(1)}%`);

/** An element with properties and what it holds. */
function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function showFacts(scene) {
  element("title").textContent = scene.date ?? shortened(scene.name);
  element("file").textContent = scene.date || scene.name !== shortened(scene.name) ? scene.name : "";
  const replaced = scene.replaced === null ? "" : scene.replaced === 0 ? "nothing replaced" : `${percent(scene.replaced)} replaced`;
  element("facts").textContent = [scene.level, replaced].filter(Boolean).join(", ");
}

/** A name that is too long for a line without what is in its middle. */
function shortened(name, length = 28) {
  return name.length <= length ? name : `${name.slice(0, length / 2)}…${name.slice(1 - length / 2)}`;
}

/** Fill a list to choose from; what was chosen stays so, if it is still there. What the names mean stands below. */
function fill(list, choices) {
  const chosen = list.value;
  list.replaceChildren(...Object.entries(choices).map(([value, words]) => new Option(words.split(": ")[0], value)));
  list.value = chosen in choices ? chosen : Object.keys(choices)[0];
  const words = element(`${list.id}-words`);
  if (words) words.textContent = choices[list.value].split(": ").slice(1).join(": ");
}

/** What a place is called: by its only scene, else by where it lies. */
function placeWords(dates) {
  if (dates.length === 1) return shortened(dates[0].name, 24);
  const [west, south, east, north] = dates[0].bounds;
  const [longitude, latitude] = [(west + east) / 2, (south + north) / 2];
  const at = (degrees, [positive, negative]) => `${Math.abs(degrees).toFixed(2)}° ${degrees < 0 ? negative : positive}`;
  return `${at(latitude, "NS")} ${at(longitude, "EW")}`;
}

/** One row of the quality: a box to lay it over the map, its colours, and how strong it is. */
function newOverlay(name, changed) {
  const box = make("input", { type: "checkbox", value: name });
  const strength = make("input", { type: "range", min: 10, max: 100, step: 5, value: 75 });
  strength.setAttribute("aria-label", `Strength of ${name}`);
  const words = make("span", { className: "words" });
  const legend = make("div", { className: "legend", hidden: true });
  const row = make("div", { className: "overlay" },
    make("label", {}, box, make("span", {}, make("strong", { textContent: name }), words)),
    legend,
    make("label", { className: "strength", hidden: true }, "Strength", strength),
  );
  row.dataset.overlay = name;
  for (const input of [box, strength]) input.addEventListener("input", () => { unfold(row); changed(); });
  return row;
}

function unfold(row) {
  const shown = row.querySelector("[type=checkbox]").checked;
  row.querySelector(".legend").hidden = row.querySelector(".strength").hidden = !shown;
}

function showOverlayOf(row, layer) {
  const box = row.querySelector("[type=checkbox]");
  box.disabled = !layer;
  if (!layer) box.checked = false;
  unfold(row);
  row.querySelector(".words").textContent = layer ? `: ${layer.description}` : ": nothing to show";
  row.querySelector(".legend").replaceChildren(...(layer?.colours ? scaleOf(layer) : layer ? [classesOf(layer)] : []));
}

function scaleOf({ colours, low, high, mark }) {
  const css = colours.map(([red, green, blue, alpha]) => `rgb(${red} ${green} ${blue} / ${alpha / 255})`);
  const bar = make("div", { className: "colours" });
  bar.style.background = `linear-gradient(90deg, ${css.join(", ")})`;
  const ends = make("p", { className: "ends" }, make("span", { textContent: low }), make("span", { textContent: high }));
  if (!mark) return [bar, ends];
  const tick = make("span", { className: "mark", title: `Threshold ${mark}` });
  bar.style.setProperty("--mark", `${100 * mark}%`);
  bar.append(tick);
  return [bar, ends, make("p", { className: "quiet", textContent: `Mark: the threshold, ${mark}; pixels of less opacity are the input’s.` })];
}

function classesOf({ entries }) {
  return make("ul", { className: "classes" }, ...entries.map(({ colour, label, share }) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = `rgb(${colour.join(" ")})`;
    return make("li", {}, swatch, make("span", { textContent: `${label}, ${percent(share)}` }));
  }));
}

/** The values of a pixel, or what to do to see them. */
function showValues(values) {
  const section = element("values");
  if (!values?.bands.length) {
    const words = values ? "No data here." : "Point at the map, or tap it, for the values of a pixel.";
    section.replaceChildren(make("p", { className: "quiet", textContent: words }));
    return;
  }
  const half = values.bands.length > FEW ? Math.ceil(values.bands.length / 2) : values.bands.length;
  const tables = [values.bands.slice(0, half), values.bands.slice(half)].filter((bands) => bands.length);
  const heading = make("h2", { textContent: `${values.unit === "DN" ? "DN" : "Reflectance"} of the pixel` });
  const beside = make("div", { className: "bands" }, ...tables.map((bands) => tableOf(bands, UNIT[values.unit])));
  const known = [["opacity", 2], ["uncertainty", 4]].filter(([name]) => name in values).map(([name, decimals]) => [name, number(values[name], decimals)]);
  if ("source" in values) known.push(["source", values.source]);
  const list = make("dl", {}, ...known.flatMap(([name, text]) => [make("dt", { textContent: name }), make("dd", { textContent: text })]));
  section.replaceChildren(heading, beside, list);
}

function tableOf(bands, digits) {
  const both = bands.some(([, before]) => before !== null);
  const head = ["Band", ...(both ? ["before"] : []), "after"].map((text) => make("th", { scope: "col", textContent: text }));
  const rows = bands.map(([name, before, after]) => {
    const cells = (both ? [before, after] : [after]).map((value) => make("td", { textContent: number(value, digits) }));
    if (both && before !== after) cells[1].className = "changed";
    return make("tr", {}, make("th", { scope: "row", textContent: name }), ...cells);
  });
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

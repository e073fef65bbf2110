"use strict";

const OVERLAYS = { opacity: "", uncertainty: " reflectance" }; // with the unit of each
const MARGIN = { padding: 40, animate: false };
const element = (id) => document.getElementById(id);

let scenes = [];
let before;
let after;
let fault = ""; // of the scene that is shown

start().catch(({ message }) => {
  say(message.includes("WebGL") ? "This browser draws no maps: turn on WebGL (graphics acceleration)" : message);
});

async function start() {
  const answer = await fetch("scenes.json");
  if (!answer.ok) throw new Error(await answer.text());
  scenes = await answer.json();
  element("scene").replaceChildren(...scenes.map((scene, number) => new Option(scene.name, number)));
  element("scene-choice").hidden = scenes.length < 2;

  before = newMap("before", { interactive: false });
  after = newMap("after", { dragRotate: false, touchPitch: false, locale: { "Map.Title": "Map" } });
  after.touchZoomRotate.disableRotation();
  after.keyboard.disableRotation();
  after.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-left");
  after.addControl(new maplibregl.ScaleControl(), "bottom-left");
  after.on("move", follow);
  after.on("resize", swipe);

  element("scene").addEventListener("change", changeScene);
  element("swipe").addEventListener("input", swipe);
  element("overlay").addEventListener("change", showOverlay);
  element("strength").addEventListener("input", showOverlay);
  showScene();
}

function newMap(container, options) {
  const map = new maplibregl.Map({
    container,
    style: styleOf(current(), container),
    bounds: current().bounds,
    fitBoundsOptions: MARGIN,
    attributionControl: false,
    fadeDuration: 0,
    renderWorldCopies: false,
    ...options,
  });
  map.on("error", async ({ error }) => {
    // The server's answer says more than that there was one.
    fault = (await error.body?.text()) || error.message;
    say(fault);
  });
  return map;
}

function changeScene() {
  showScene();
  before.setStyle(styleOf(current(), "before"), { diff: false });
  after.setStyle(styleOf(current(), "after"), { diff: false });
  after.fitBounds(current().bounds, MARGIN);
}

function showScene() {
  const scene = current();
  fault = "";
  document.title = `${scene.name} – unclouded`;
  const bothSides = "before" in scene.layers;
  element("swipe").hidden = element("before-label").hidden = element("after-label").hidden = !bothSides;
  element("before").hidden = !bothSides;
  for (const choice of document.querySelectorAll("[name=overlay]")) {
    choice.disabled = choice.value !== "none" && !(choice.value in scene.layers);
    if (choice.disabled && choice.checked) document.querySelector("[name=overlay][value=none]").checked = true;
  }
  element("notes").replaceChildren(
    ...scene.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
  before.setMaxZoom(scene.zoom + 4);
  after.setMaxZoom(scene.zoom + 4);
  swipe();
  showLegend();
  element("map").setAttribute("aria-busy", "true");
  Promise.all([after, ...(bothSides ? [before] : [])].map((map) => map.once("idle"))).then(() => {
    if (scene !== current()) return;
    element("map").setAttribute("aria-busy", "false");
    performance.mark("shown");
    say(fault || `${scene.name} is shown`);
  });
}

/** A style of one image and, over it, the quality layers; of nothing, if that image is not there. */
function styleOf(scene, image) {
  const style = { version: 8, sources: {}, layers: [] };
  const names = image in scene.layers ? [image, ...Object.keys(OVERLAYS)].filter((name) => name in scene.layers) : [];
  const [west, south, east, north] = scene.bounds;
  for (const name of names) {
    style.sources[name] = {
      type: "raster",
      tiles: [new URL(scene.layers[name].tiles, location).href.replaceAll("%7B", "{").replaceAll("%7D", "}")],
      // As many pixels as the screen has.
      tileSize: scene.side / Math.ceil(devicePixelRatio),
      maxzoom: scene.zoom,
      // A scene across the antimeridian has its west in the east.
      bounds: west < east ? scene.bounds : [-180, south, 180, north],
    };
    style.layers.push({
      id: name,
      type: "raster",
      source: name,
      layout: { visibility: name === image || name === overlay() ? "visible" : "none" },
      paint: {
        "raster-fade-duration": 0,
        "raster-resampling": "nearest",
        "raster-opacity": name === image ? 1 : strength(),
      },
    });
  }
  return style;
}

function follow() {
  before.jumpTo({ center: after.getCenter(), zoom: after.getZoom() });
}

/** Clip both maps at the middle of the swipe bar's thumb. */
function swipe() {
  const bar = element("swipe");
  const width = element("map").clientWidth;
  const thumb = parseFloat(getComputedStyle(document.documentElement).fontSize) * 2.5;
  const at = bar.hidden ? 0 : thumb / 2 + (bar.value / 100) * (width - thumb);
  after.getCanvas().style.clipPath = `inset(0 0 0 ${at}px)`;
  before.getCanvas().style.clipPath = `inset(0 ${width - at}px 0 0)`;
  element("map").style.setProperty("--at", `${at}px`);
  bar.setAttribute("aria-valuetext", `before ${bar.value} %, after ${100 - bar.value} %`);
}

function showOverlay() {
  showLegend();
  for (const map of [before, after]) {
    for (const name of Object.keys(OVERLAYS)) {
      if (!map.getLayer(name)) continue;
      map.setLayoutProperty(name, "visibility", name === overlay() ? "visible" : "none");
      map.setPaintProperty(name, "raster-opacity", strength());
    }
  }
}

function showLegend() {
  const layer = current().layers[overlay()];
  element("legend").hidden = !layer;
  if (!layer) return;
  const colours = layer.colours.map(([red, green, blue, alpha]) => `rgb(${red} ${green} ${blue} / ${alpha / 255})`);
  const most = `${Number(layer.full.toPrecision(2))}${OVERLAYS[overlay()]}${overlay() === "opacity" ? "" : " or more"}`;
  element("colours").style.background = `linear-gradient(90deg, ${colours.join(", ")})`;
  element("colours").setAttribute("aria-label", `Colours of ${overlay()}, from 0, no colour, to ${most}`);
  element("most").textContent = most;
}

function current() {
  return scenes[Number(element("scene").value)];
}

function overlay() {
  return document.querySelector("[name=overlay]:checked").value;
}

function strength() {
  return element("strength").value / 100;
}

function say(text) {
  element("status").textContent = text;
}

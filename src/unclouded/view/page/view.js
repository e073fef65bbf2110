"use strict";
/* The map: two images, clipped at a bar that both meet at, with the quality over them. */

const OVERLAYS = ["opacity", "uncertainty", "source"];
const MARGIN = { padding: 40, animate: false };
const PAUSE = 90; // milliseconds that the pointer rests until its place is asked for

let scenes = [];
let current;
let before;
let after;
let fault = ""; // of the scene that is shown
let spot; // the place whose values are shown
let asked = 0; // how often values were asked for: answers that came too late are left out
let resting;

start().catch(({ message }) => {
  say(message.includes("WebGL") ? "This browser draws no maps: turn on WebGL (graphics acceleration)" : message);
});

async function start() {
  const answer = await fetch("scenes.json");
  if (!answer.ok) throw new Error(await answer.text());
  scenes = await answer.json();
  current = scenes[0];
  const places = [...new Set(scenes.map(({ place }) => place))];
  fill(element("place"), Object.fromEntries(places.map((place) => [place, placeWords(sameplace(place))])));
  element("place-choice").hidden = places.length < 2;
  element("overlays").append(...OVERLAYS.map((name) => newOverlay(name, showOverlays)));
  fill(element("composite"), current.composites);
  fill(element("stretch"), current.stretches);
  showValues(null);

  before = newMap("before", { interactive: false });
  after = newMap("after", { dragRotate: false, touchPitch: false, locale: { "Map.Title": "Map" } });
  after.touchZoomRotate.disableRotation();
  after.keyboard.disableRotation();
  after.addControl(new maplibregl.NavigationControl({ showCompass: false }), "bottom-right");
  after.addControl(new maplibregl.ScaleControl(), "bottom-left");
  after.on("move", () => before.jumpTo({ center: after.getCenter(), zoom: after.getZoom() }));
  after.on("resize", swipe);
  after.on("mousemove", ({ lngLat }) => {
    clearTimeout(resting);
    resting = setTimeout(ask, PAUSE, lngLat);
  });
  after.on("click", ({ lngLat }) => ask(lngLat));
  after.getCanvas().addEventListener("keydown", ({ key }) => { if (key === "Enter") ask(after.getCenter()); });

  element("place").addEventListener("change", ({ target }) => {
    spot = undefined;
    showValues(null);
    show(sameplace(Number(target.value))[0]);
    after.fitBounds(current.bounds, MARGIN);
  });
  element("date").addEventListener("input", ({ target }) => show(sameplace(current.place)[target.value]));
  element("earlier").addEventListener("click", () => step(-1));
  element("later").addEventListener("click", () => step(1));
  element("swipe").addEventListener("input", swipe);
  for (const list of ["composite", "stretch"]) element(list).addEventListener("change", () => show(current));
  show(current, true);
}

function newMap(container, options) {
  const map = new maplibregl.Map({
    container,
    style: styleOf(current, container),
    bounds: current.bounds,
    fitBoundsOptions: MARGIN,
    attributionControl: false,
    fadeDuration: 0,
    renderWorldCopies: false,
    ...options,
  });
  map.on("style.load", showOverlays);
  map.on("error", async ({ error }) => {
    // The server's answer says more than that there was one.
    fault = (await error.body?.text()) || error.message;
    say(fault);
  });
  return map;
}

/** The scenes of a place in order of time, those without a date last. */
function sameplace(place) {
  const there = scenes.filter((scene) => scene.place === place);
  return there.sort((one, other) => (one.date ?? "9").localeCompare(other.date ?? "9"));
}

function step(by) {
  const dates = sameplace(current.place);
  const next = dates[dates.indexOf(current) + by];
  if (next) show(next);
}

function show(scene, drawn = false) {
  current = scene;
  fault = "";
  document.title = `${scene.date ?? scene.name} – unclouded`;
  fill(element("composite"), scene.composites);
  fill(element("stretch"), scene.stretches);
  showFacts(scene);
  const dates = sameplace(scene.place);
  element("dates").hidden = dates.length < 2;
  element("date").max = dates.length - 1;
  element("date").value = dates.indexOf(scene);
  element("date").setAttribute("aria-valuetext", scene.date ?? scene.name);
  element("earlier").disabled = dates[0] === scene;
  element("later").disabled = dates.at(-1) === scene;
  element("swipe").hidden = element("before-label").hidden = element("after-label").hidden = !scene.before;
  element("before").hidden = !scene.before;
  for (const row of document.querySelectorAll(".overlay")) showOverlayOf(row, scene.layers[row.dataset.overlay]);
  element("notes").replaceChildren(...scene.notes.map((note) => make("li", { textContent: note })));
  if (spot) ask(spot);
  swipe();
  for (const [map, image] of [[before, "before"], [after, "after"]]) {
    map.setMaxZoom(scene.zoom + 4);
    if (!drawn) map.setStyle(styleOf(scene, image), { diff: false });
  }
  element("map").setAttribute("aria-busy", "true");
  Promise.all([after, ...(scene.before ? [before] : [])].map((map) => map.once("idle"))).then(() => {
    if (scene !== current) return;
    element("map").setAttribute("aria-busy", "false");
    performance.mark("shown");
    say(fault || `${scene.date ?? scene.name} is shown`);
  });
}

/** A style of one image and, over it, the quality layers; of nothing, if that image is not there. */
function styleOf(scene, image) {
  const style = { version: 8, sources: {}, layers: [] };
  if (image === "before" && !scene.before) return style;
  const [west, south, east, north] = scene.bounds;
  const drawn = `${image}-${element("composite").value}-${element("stretch").value}`;
  for (const name of [image, ...OVERLAYS.filter((overlay) => overlay in scene.layers)]) {
    const tiles = scene.tiles.replace("LAYER", name === image ? drawn : name);
    style.sources[name] = {
      type: "raster",
      tiles: [new URL(tiles, location).href.replaceAll("%7B", "{").replaceAll("%7D", "}")],
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
      layout: { visibility: name === image || overlay(name).shown ? "visible" : "none" },
      paint: {
        "raster-fade-duration": 0,
        "raster-resampling": "nearest",
        "raster-opacity": name === image ? 1 : overlay(name).strength,
      },
    });
  }
  return style;
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
  bar.setAttribute("aria-valuetext", `before ${bar.value}%, after ${100 - bar.value}%`);
}

function showOverlays() {
  for (const map of [before, after]) {
    for (const name of OVERLAYS) {
      // A style that is not there yet is told when it is.
      if (!map?.getLayer(name)) continue;
      map.setLayoutProperty(name, "visibility", overlay(name).shown ? "visible" : "none");
      map.setPaintProperty(name, "raster-opacity", overlay(name).strength);
    }
  }
}

function overlay(name) {
  const row = document.querySelector(`[data-overlay=${name}]`);
  return { shown: row.querySelector("[type=checkbox]").checked, strength: row.querySelector("[type=range]").value / 100 };
}

async function ask({ lng, lat }) {
  const number = ++asked;
  spot = { lng, lat };
  const answer = await fetch(`${current.values}${lng.toFixed(7)},${lat.toFixed(7)}`).catch(() => null);
  if (number !== asked) return;
  if (answer?.ok) showValues(await answer.json());
  else say((await answer?.text()) ?? "The map’s server has ended; run `unclouded view` again");
}

function say(text) {
  element("status").textContent = text;
}

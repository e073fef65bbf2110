"use strict";
// The swipes and the overlays; without this script the page still shows every image half before and half after.
for (const scene of document.querySelectorAll("[data-scene]")) {
  // On a phone what is known of a scene is folded.
  scene.querySelector(".facts").open = matchMedia("(min-width: 60rem)").matches;
  const frame = scene.querySelector(".frame");
  const swipe = scene.querySelector(".swipe");
  const move = () => {
    frame.style.setProperty("--at", `${swipe.value}%`);
    swipe.setAttribute("aria-valuetext", `${swipe.value}% before`);
  };
  swipe.addEventListener("input", move);
  move();
  scene.querySelector("[data-composites]")?.addEventListener("change", ({ target }) => {
    for (const pair of frame.querySelectorAll("[data-composite]")) pair.hidden = pair.dataset.composite !== target.value;
  });
  for (const box of scene.querySelectorAll("[data-shows]")) {
    const overlay = frame.querySelector(`[data-overlay="${box.dataset.shows}"]`);
    const show = () => { overlay.hidden = !box.checked; };
    box.addEventListener("change", show);
    show();
    const strength = scene.querySelector(`[data-strength="${box.dataset.shows}"]`);
    const fade = () => { overlay.style.opacity = strength.value / 100; };
    strength.addEventListener("input", fade);
    fade();
  }
}

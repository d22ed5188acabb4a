// Tables that fit: on a telephone rows stand below each other, and what is scrolled
// sideways is reached by keys. Without it tables are as wide as they are.
"use strict";
{
  const SCROLLED = ".scroll, .document table, .guide table, .guide pre";

  // Each cell says what it is, for when its head is not above it.
  const label = () => {
    for (const table of document.querySelectorAll("table.plain:not(.stack)")) {
      const heads = [...table.querySelectorAll("thead th")].map((each) => each.textContent.trim());
      if (!heads.length) continue;
      for (const row of table.querySelectorAll("tbody tr"))
        [...row.children].forEach((cell, place) => {
          if (!cell.hasAttribute("colspan")) cell.dataset.label ??= heads[place] ?? "";
        });
      table.classList.add("stack");
    }
  };

  // What does not scroll now is no stop on the way through the page.
  const reach = () => {
    for (const box of document.querySelectorAll(SCROLLED)) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };

  const arrange = () => {
    label();
    reach();
  };

  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true); // opened details
  document.addEventListener("DOMContentLoaded", () => {
    arrange();
    for (const live of document.querySelectorAll("[data-live]"))
      new MutationObserver(arrange).observe(live, { childList: true });
  });
}

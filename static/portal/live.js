// Keeps a page fresh: when the event stream says that something happened, what is
// inside [data-live] is fetched again. Without a stream the page is as it was loaded.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const live = document.querySelector("[data-live]");
  if (!live || !window.EventSource) return;
  const EVERY_MS = 1500;
  let timer = null;
  let last = 0;
  let source = null;

  const say = (words) => {
    const place = document.querySelector("[data-live-state]");
    if (place) place.textContent = words;
  };

  const refresh = async () => {
    timer = null;
    last = Date.now();
    const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
    if (!answer.ok || answer.redirected) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (!fresh) return location.reload();
    live.dataset.live = fresh.dataset.live;
    const focused = live.contains(document.activeElement) && document.activeElement.href;
    const open = [...live.querySelectorAll("details[open][id]")].map((each) => each.id);
    live.replaceChildren(...fresh.childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    say("live");
  };

  const soon = () => {
    if (timer !== null || document.hidden) return;
    const wait = Math.max(0, EVERY_MS - (Date.now() - last));
    timer = setTimeout(() => refresh().catch(() => say("not live: trying again")), wait);
  };

  const listen = () => {
    source = new EventSource(live.dataset.live);
    source.onopen = () => say("live");
    source.onmessage = soon;
    source.addEventListener("reset", soon);
    source.onerror = () => {
      say("not live: trying again");
      if (source.readyState !== EventSource.CLOSED) return;
      // The ticket is spent; a fresh page brings a fresh one.
      setTimeout(() => refresh().then(listen, listen), 3000 + 2000 * Math.random());
    };
  };

  document.addEventListener("visibilitychange", soon);
  // Only a loaded page's spinner should spin: begin after it.
  window.addEventListener("load", () => setTimeout(listen, 0));
  window.addEventListener("pagehide", () => source && source.close());
});

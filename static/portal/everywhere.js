// On every page: the browser's time zone, which the server cannot know, UTC beside
// every time, and keys for what is done often. Without it times are in UTC, and all
// acts work.
"use strict";
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes(`timezone=${zone}`)) {
    document.cookie = `timezone=${zone}; path=/; max-age=31536000; SameSite=Lax`;
  }

  const PLACES = {
    s: ["/admin/", "Start"],
    r: ["/admin/rollout/run/", "Runs"],
    g: ["/admin/rollout/stage/", "Stages"],
    f: ["/admin/rollout/flag/", "Flags"],
    i: ["/admin/drills/incident/", "Incidents"],
    d: ["/admin/drills/drill/", "Drills"],
    a: ["/admin/portal/approval/", "Approvals"],
    w: ["/admin/rollout/switch/", "Switch"],
    l: ["/admin/portal/ledgerentry/", "Ledger"],
    n: ["/admin/since/", "Since you were last here"],
  };
  let isGoing = false;

  const isWriting = (element) =>
    element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);

  const help = () => {
    let dialog = document.getElementById("keys");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "keys";
      dialog.setAttribute("aria-label", "Keys");
      const list = document.createElement("dl");
      list.className = "facts";
      const rows = [["/", "Search"], ["?", "These keys"]];
      for (const [key, [, name]] of Object.entries(PLACES)) rows.push([`g ${key}`, name]);
      for (const [key, name] of rows) {
        const term = list.appendChild(document.createElement("dt"));
        term.appendChild(document.createElement("kbd")).textContent = key;
        list.appendChild(document.createElement("dd")).textContent = name;
      }
      const close = document.createElement("button");
      close.type = "button";
      close.className = "act";
      close.textContent = "Close";
      close.addEventListener("click", () => dialog.close());
      dialog.append(list, close);
      document.body.appendChild(dialog);
    }
    dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
    if (isGoing && PLACES[event.key]) {
      event.preventDefault();
      location.assign(PLACES[event.key][0]);
    } else if (event.key === "/") {
      event.preventDefault();
      const box = document.querySelector("input.search");
      if (box && box.offsetParent) box.focus();
      else location.assign("/admin/find/");
    } else if (event.key === "?") {
      event.preventDefault();
      help();
    }
    isGoing = event.key === "g" && !isGoing;
  });

  document.addEventListener("DOMContentLoaded", () => {
    // What a sent form has answered is not kept by browsers: going back to it, or loading
    // it again, asks for the form anew instead of sending it a second time.
    if (document.querySelector("form [name=once]")) history.replaceState(history.state, "", location.href);
    for (const icon of document.querySelectorAll("button .material-symbols-outlined, a .material-symbols-outlined")) {
      if (icon.textContent.trim() === "dock_to_right") icon.closest("button, a").setAttribute("aria-label", "Menu");
    }
    document.getElementById("show-keys")?.addEventListener("click", help);
    document.addEventListener("mouseover", (event) => {
      const time = event.target.closest?.("time[datetime]");
      if (!time || time.title) return;
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
    });
  });
}

// Live parts poll by htmx. Here: no polls from a tab that nobody sees, honest words about how old the page is, nothing
// that moves under the pointer, logs that follow, keys, and buttons that copy. Every page does without all of it.
"use strict";
(function () {
  const MISSES = 3;
  const parts = new Map(); // id of a live part -> {missed, at}
  const opened = new Map(); // id of a details -> whether it is open
  const following = new Set(); // ids of logs whose end is in view

  function note(part, words) {
    const place = document.querySelector('[data-updated="' + part.id + '"]');
    if (place) place.textContent = words;
  }

  function clock(header) {
    const date = header ? new Date(header) : new Date();
    return date.toISOString().slice(11, 19);
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    if (document.hidden && event.target.hasAttribute("data-live")) event.preventDefault();
  });

  // A list in which somebody points or stands keeps its rows where they are: what is gone is struck through, what is
  // new waits behind "2 new, show".
  function keepOrder(old, fresh) {
    const rows = new Map(Array.from(fresh.children, (row) => [row.id, row]));
    const known = Array.from(old.children).filter((row) => row.id && !row.hidden);
    const kept = known.map(function (row) {
      const now = rows.get(row.id);
      rows.delete(row.id);
      if (!now) row = row.cloneNode(true);
      if (!now) row.classList.add("gone");
      return now || row;
    });
    const late = Array.from(rows.values());
    late.forEach((row) => (row.hidden = true));
    fresh.replaceChildren(...kept, ...late);
    if (!late.length) return;
    const more = document.createElement("button");
    more.type = "button";
    more.textContent = late.length + " new, show";
    more.setAttribute("data-show", fresh.id);
    fresh.after(more);
  }

  document.addEventListener("htmx:beforeSwap", function (event) {
    const part = event.detail.target;
    opened.clear();
    part.querySelectorAll("details[id]").forEach((one) => opened.set(one.id, one.open));
    following.clear();
    part.querySelectorAll("[data-follow]").forEach(function (log) {
      if (log.scrollTop + log.clientHeight >= log.scrollHeight - 24) following.add(log.id);
    });
    const busy = Array.from(part.querySelectorAll("[data-keep]")).filter(
      (list) => list.matches(":hover") || list.contains(document.activeElement),
    );
    if (!busy.length || !event.detail.serverResponse) return;
    const answer = document.createElement("template");
    answer.innerHTML = event.detail.serverResponse;
    busy.forEach(function (list) {
      const fresh = answer.content.getElementById(list.id);
      if (fresh) keepOrder(list, fresh);
    });
    event.detail.serverResponse = answer.innerHTML;
  });

  function settle() {
    opened.forEach(function (open, id) {
      const one = document.getElementById(id);
      if (one) one.open = open;
    });
    opened.clear();
    document.querySelectorAll("[data-follow]").forEach(function (log) {
      if (following.has(log.id)) log.scrollTop = log.scrollHeight;
    });
    offerCopies();
  }
  document.addEventListener("htmx:afterSettle", settle);

  document.addEventListener("htmx:afterRequest", function (event) {
    const part = event.target;
    if (!part.hasAttribute("data-live")) return;
    const known = parts.get(part.id) || { missed: 0, at: "" };
    if (event.detail.successful) {
      known.missed = 0;
      known.at = clock(event.detail.xhr.getResponseHeader("Date"));
      part.classList.remove("stale");
      note(part, "updated " + known.at);
    } else {
      known.missed += 1;
      if (known.missed >= MISSES) {
        part.classList.add("stale");
        note(part, "Not live since " + (known.at || "the page was loaded") + ", trying again");
      }
    }
    parts.set(part.id, known);
  });

  // The browser keeps its clipboard from pages that did not come by TLS: there the text is selected instead.
  function offerCopies() {
    document.querySelectorAll("pre[data-copy]").forEach(function (text) {
      if (text.nextElementSibling && text.nextElementSibling.matches("[data-copies]")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain";
      button.textContent = "Copy";
      button.setAttribute("data-copies", "");
      text.after(button);
    });
  }

  function copy(button) {
    const text = button.previousElementSibling;
    const done = () => (button.textContent = "Copied");
    if (navigator.clipboard) navigator.clipboard.writeText(text.textContent).then(done);
    else getSelection().selectAllChildren(text);
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-show], [data-copies]");
    if (!button) return;
    if (button.hasAttribute("data-copies")) return copy(button);
    document.getElementById(button.dataset.show).querySelectorAll(":scope > [hidden]").forEach((row) => (row.hidden = false));
    button.remove();
  });

  // Keys: rows are those of the page's first list. A row's link is where Enter goes.
  function rows() {
    return Array.from(document.querySelectorAll("main tbody tr, main [data-keep] > li")).filter(
      (row) => row.querySelector("a, input") && row.offsetParent,
    );
  }

  function step(by) {
    const all = rows();
    const at = all.findIndex((row) => row.classList.contains("here") || row.contains(document.activeElement));
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (!next) return;
    all.forEach((row) => row.classList.toggle("here", row === next));
    next.querySelector("a, input").focus();
  }

  function press(selector) {
    const one = document.querySelector(selector);
    if (one) one.click();
  }

  const KEYS = {
    "/": function () {
      const field = document.querySelector("input[type=search]");
      if (field) field.focus();
    },
    "?": () => press('.me a[href^="/help/"]'),
    j: () => step(1),
    k: () => step(-1),
    x: () => press("tr.here input[type=checkbox]"),
    n: () => press('a[rel="next"]'),
    p: () => press('a[rel="prev"]'),
    a: function () {
      const first = document.querySelector("[data-act], #actions :is(select, input:not([type=hidden]), button)");
      if (first) first.focus();
    },
  };

  document.addEventListener("keydown", function (event) {
    if (document.body.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]") && event.target.type !== "checkbox") return;
    const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // The button names how many are chosen; without a script it says so in the review.
  function countChosen() {
    const form = document.getElementById("choose");
    const button = form && form.querySelector("button[data-count]");
    if (!button) return;
    const ticked = form.querySelectorAll('input[name="host"]:checked, input[type=hidden][name="host"]').length;
    const n = form.querySelector('input[name="all"]').checked ? Number(button.dataset.count) : ticked;
    button.textContent = n ? "Act on " + n + (n === 1 ? " host" : " hosts") : "Act on the chosen hosts";
  }

  document.addEventListener("change", countChosen);
  window.addEventListener("pageshow", countChosen);
  offerCopies();
})();

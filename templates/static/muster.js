// Live parts poll by htmx. Here: no polls from a tab that nobody sees, and honest words about how old the page is.
"use strict";
(function () {
  const MISSES = 3;
  const parts = new Map(); // id of a live part -> {missed, at}

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

  // What somebody has opened stays open when the part is rendered anew.
  let opened = new Map();
  document.addEventListener("htmx:beforeSwap", function (event) {
    opened = new Map(Array.from(event.detail.target.querySelectorAll("details[id]"), (one) => [one.id, one.open]));
  });
  document.addEventListener("htmx:afterSettle", function () {
    opened.forEach(function (open, id) {
      const one = document.getElementById(id);
      if (one) one.open = open;
    });
    opened = new Map();
  });

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
})();

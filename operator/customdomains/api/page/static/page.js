// Brings the page to life: copying, checking without a reload, and changes as they happen.
// Without it the page says and does the same, but for copying.
"use strict";

(() => {
  const main = document.querySelector("main[data-events]");
  const moments = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });
  const shown = new Map(); // what the server has sent for each region

  const regions = (root) => [...root.querySelectorAll("[data-region]")];
  const isLeaf = (region) => region.querySelector("[data-region]") === null;

  function enhance(root) {
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
    for (const time of root.querySelectorAll("time")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.getTime())) time.textContent = moments.format(moment);
    }
  }

  // Takes over what has changed, region by region, and keeps the focus where it was.
  function update(html, again) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const focused = document.activeElement;
    for (const region of regions(fresh)) {
      const name = region.dataset.region;
      const here = main.querySelector(`[data-region="${name}"]`);
      if (here === null) continue;
      here.className = region.className;
      if (!isLeaf(region) || (shown.get(name) === region.innerHTML && !again.includes(name))) continue;
      shown.set(name, region.innerHTML);
      const lost = here.contains(focused);
      const open = [...here.querySelectorAll("details[open]")].map((details) => details.id);
      here.replaceChildren(...document.importNode(region, true).childNodes);
      enhance(here);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (lost) (document.getElementById(focused.id) ?? document.getElementById("status-title")).focus();
    }
    return fresh;
  }

  function say(text) {
    main.querySelector('[data-region="notice"]').textContent = text;
  }

  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent;
    const label = button.querySelector("[data-label]");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      if (!document.execCommand("copy")) return;
    }
    label.textContent = "Copied";
    button.classList.add("copied");
    say(`${button.getAttribute("aria-label").replace(/^Copy /, "Copied: ")}`);
    setTimeout(() => {
      label.textContent = "Copy";
      button.classList.remove("copied");
    }, 2000);
  }

  async function check(form) {
    const button = form.querySelector("button");
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    button.querySelector("[data-label]").textContent = "Checking…";
    say("");
    try {
      const answer = await fetch(form.action, { method: "POST" });
      if (!answer.ok) {
        location.reload();
        return;
      }
      update(await answer.text(), ["actions", "notice"]);
    } catch {
      say("The check could not be started. Are you online?");
      button.removeAttribute("aria-disabled");
      button.querySelector("[data-label]").textContent = "Check now";
    }
  }

  function follow() {
    const source = new EventSource(main.dataset.events);
    source.addEventListener("status", (event) => {
      const { title, html } = JSON.parse(event.data);
      update(html, []);
      document.title = title;
    });
    source.addEventListener("deleted", () => location.reload());
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) document.querySelector("[data-stopped]").hidden = false;
    });
  }

  for (const region of regions(main)) if (isLeaf(region)) shown.set(region.dataset.region, region.innerHTML);
  enhance(document);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-check]")) return;
    event.preventDefault();
    check(event.target);
  });
  follow();
})();

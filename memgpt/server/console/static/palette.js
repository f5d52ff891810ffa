// The palette finds the commands of this page, which are its own links and buttons, so the two cannot differ; and agents,
// blocks and entities, which the server is asked for.
export const typed = "input:not([type=checkbox]), textarea, select, [contenteditable]";
const wait = 150; // milliseconds
const most = 200; // commands that are shown
let dialog, input, list, note, found = [], at = 0, asked = 0, asking;

function commands(words) {
  const seen = new Set();
  const fits = (name) => words.every((word) => name.toLowerCase().includes(word));
  return [...document.querySelectorAll("[data-command]")].flatMap((element) => {
    const { command, key } = element.dataset;
    if (element.hidden || seen.has(command) || !fits(command)) return [];
    seen.add(command);
    return [{ name: command, key, run: () => perform(element) }];
  }).slice(0, most);
}

export function perform(element) {
  if (element.matches(typed)) element.focus();
  else element.click();
}

async function names(text, signal) {
  const query = new URLSearchParams({ q: text });
  for (const name of ["agent", "at"]) if (dialog.dataset[name]) query.set(name, dialog.dataset[name]);
  const answer = await fetch(`${dialog.dataset.names}?${query}`, { signal });
  if (!answer.ok) return [];
  return (await answer.json()).map(({ name, about, href }) => ({ name, about, run: () => location.assign(href) }));
}

function choose(n) {
  at = Math.min(Math.max(n, 0), found.length - 1);
  [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
  if (found.length) input.setAttribute("aria-activedescendant", `palette-${at}`);
  else input.removeAttribute("aria-activedescendant");
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

function run(n) {
  if (!found[n]) return;
  dialog.close();
  found[n].run();
}

function part(name, text, fields = {}) {
  const element = Object.assign(document.createElement(name), fields);
  element.textContent = text;
  return element;
}

function option({ name, about, key }, n) {
  const item = Object.assign(document.createElement("li"), { id: `palette-${n}`, role: "option" });
  item.append(part("span", name, { dir: "auto" }));
  if (about) item.append(part("span", about, { className: "note" }));
  if (key) item.append(part("kbd", key));
  item.addEventListener("click", () => run(n));
  return item;
}

// What was chosen stays chosen when the server's answer comes.
function show(things, chosen = 0) {
  found = things;
  list.replaceChildren(...found.map(option));
  input.setAttribute("aria-expanded", String(found.length > 0));
  choose(chosen);
}

function say() {
  note.textContent = found.length ? note.dataset.found.replace("{n}", found.length) : note.dataset.none;
}

async function find() {
  const text = input.value.trim();
  const own = commands(text.toLowerCase().split(/\s+/).filter(Boolean));
  clearTimeout(asked);
  asking?.abort();
  show(own);
  if (!text) return say();
  asking = new AbortController();
  const { signal } = asking;
  asked = setTimeout(async () => {
    const things = await names(text, signal).catch(() => []);
    if (signal.aborted) return;
    show([...own, ...things], at);
    say();
  }, wait);
}

function press(event) {
  if (event.key === "ArrowDown") choose(at + 1);
  else if (event.key === "ArrowUp") choose(at - 1);
  else if (event.key === "Enter") run(at);
  else return;
  event.preventDefault();
}

export function openPalette() {
  if (!dialog || document.querySelector("dialog[open]")) return;
  input.value = "";
  dialog.showModal();
  find();
  input.focus();
}

export function preparePalette(element) {
  if (!element) return;
  dialog = element;
  input = element.querySelector("input");
  list = element.querySelector("ul");
  note = element.querySelector("[role=status]");
  input.addEventListener("input", find);
  input.addEventListener("keydown", press);
  for (const opener of document.querySelectorAll('[data-open="palette"]')) {
    opener.hidden = false;
    opener.addEventListener("click", openPalette);
  }
}

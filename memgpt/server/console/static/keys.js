// Keys: every one belongs to a link, button or field of the page that carries data-key. They are off while somebody types,
// and those without Ctrl where somebody has switched them off.
import { openPalette, perform, typed } from "./palette.js";

const remembered = "memgpt-single-keys";
let before = "";
let forgotten = 0;

// Of a key that each row has, the one of the chosen row.
function target(key) {
  const named = `[data-key="${CSS.escape(key)}"]`;
  return document.querySelector(`[data-row].chosen ${named}`) ?? document.querySelector(named);
}

function choose(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("chosen"));
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  rows[at]?.classList.remove("chosen");
  next.classList.add("chosen");
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("a, button")?.focus();
}

function part(name, text) {
  const element = document.createElement(name);
  element.append(text);
  return element;
}

function showKeys() {
  const commands = new Map();
  for (const { dataset } of document.querySelectorAll("[data-key][data-command]")) {
    if (!commands.has(dataset.key)) commands.set(dataset.key, dataset.command);
  }
  document.getElementById("keys-of-page")?.replaceChildren(...[...commands].flatMap(([key, command]) => [
    part("dt", part("kbd", key)), part("dd", command),
  ]));
  document.getElementById("keys")?.showModal();
}

// A browser may refuse to remember anything; then they are on.
function singleKeys(on) {
  try {
    if (on === undefined) return localStorage.getItem(remembered) !== "off";
    localStorage.setItem(remembered, on ? "on" : "off");
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
  return on ?? true;
}

function press(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    event.target.closest("form[data-save]")?.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(typed) || document.querySelector("dialog[open]")) return;
  if (!singleKeys()) return;
  const key = before ? `${before} ${event.key}` : event.key;
  before = "";
  clearTimeout(forgotten);
  if (key === "/") document.querySelector("[data-search]")?.focus();
  else if (key === "j") choose(1);
  else if (key === "k") choose(-1);
  else if (key === "y") navigator.clipboard.writeText(location.href);
  else if (target(key)) perform(target(key));
  else if (document.querySelector(`[data-key^="${CSS.escape(key)} "]`)) {
    before = key;
    forgotten = setTimeout(() => { before = ""; }, 1500);
    return;
  } else return;
  event.preventDefault();
}

export function listen(root) {
  root.addEventListener("keydown", press);
  const box = document.getElementById("single-keys");
  if (!box) return;
  box.checked = singleKeys();
  box.addEventListener("change", () => singleKeys(box.checked));
  for (const opener of document.querySelectorAll('[data-open="keys"]')) {
    opener.hidden = false;
    opener.addEventListener("click", showKeys);
  }
}

// Keys: every one belongs to a link or button of the page that carries data-key. They are off while somebody types.
import { openPalette } from "./palette.js";

const typed = "input, textarea, select, [contenteditable]";
let before = "";
let forgotten = 0;

function target(key) {
  return document.querySelector(`[data-key="${CSS.escape(key)}"]`);
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
  const commands = [...document.querySelectorAll("[data-key][data-command]")];
  document.getElementById("keys-of-page")?.replaceChildren(...commands.flatMap(({ dataset }) => [
    part("dt", part("kbd", dataset.key)), part("dd", dataset.command),
  ]));
  document.getElementById("keys")?.showModal();
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
  const key = before ? `${before} ${event.key}` : event.key;
  before = "";
  clearTimeout(forgotten);
  if (key === "/") document.querySelector("[data-search]")?.focus();
  else if (key === "?") showKeys();
  else if (key === "j") choose(1);
  else if (key === "k") choose(-1);
  else if (key === "y") navigator.clipboard.writeText(location.href);
  else if (target(key)) target(key).click();
  else if (document.querySelector(`[data-key^="${CSS.escape(key)} "]`)) {
    before = key;
    forgotten = setTimeout(() => { before = ""; }, 1500);
    return;
  } else return;
  event.preventDefault();
}

export function listen(root) {
  root.addEventListener("keydown", press);
}

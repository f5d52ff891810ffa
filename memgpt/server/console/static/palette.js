// The palette finds the commands of this page: they are its own links and buttons, so the two cannot differ.
let dialog, input, list, shown = [], at = 0;

function commands() {
  return [...document.querySelectorAll("[data-command]")].filter((element) => !element.hidden);
}

function choose(n) {
  at = Math.min(Math.max(n, 0), shown.length - 1);
  [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
  input.setAttribute("aria-activedescendant", shown.length ? `palette-${at}` : "");
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

function run(n) {
  const command = shown[n];
  dialog.close();
  command?.click();
}

function show() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = commands().filter((element) => words.every((word) => element.dataset.command.toLowerCase().includes(word)));
  list.replaceChildren(...shown.map((element, n) => {
    const item = document.createElement("li");
    item.id = `palette-${n}`;
    item.setAttribute("role", "option");
    const name = document.createElement("span");
    name.textContent = element.dataset.command;
    item.append(name);
    if (element.dataset.key) {
      const key = document.createElement("kbd");
      key.textContent = element.dataset.key;
      item.append(key);
    }
    item.addEventListener("click", () => run(n));
    return item;
  }));
  choose(0);
}

function press(event) {
  if (event.key === "ArrowDown") choose(at + 1);
  else if (event.key === "ArrowUp") choose(at - 1);
  else if (event.key === "Enter") run(at);
  else return;
  event.preventDefault();
}

export function openPalette() {
  if (!dialog || dialog.open) return;
  input.value = "";
  dialog.showModal();
  show();
  input.focus();
}

export function preparePalette(element) {
  if (!element) return;
  dialog = element;
  input = element.querySelector("input");
  list = element.querySelector("ul");
  input.addEventListener("input", show);
  input.addEventListener("keydown", press);
  for (const opener of document.querySelectorAll('[data-open="palette"]')) {
    opener.hidden = false;
    opener.addEventListener("click", openPalette);
  }
}

// Rows that are selected: how many, and their texts and addresses for the clipboard.
const boxes = () => [...document.querySelectorAll("input.select")];

function chosen() {
  return boxes().filter((box) => box.checked).map((box) => box.closest("[data-row]"));
}

function textOf(row) {
  const link = row.querySelector("header a[href]");
  return [row.querySelector(".text")?.textContent.trim(), link?.href].filter(Boolean).join("\n");
}

export function countSelected() {
  const bar = document.getElementById("selected");
  if (!bar) return;
  const n = chosen().length;
  bar.hidden = !n;
  bar.querySelector("span").textContent = bar.dataset.count.replace("{n}", n);
}

export function listenToSelection(root) {
  root.addEventListener("change", (event) => {
    if (event.target.matches("input.select")) countSelected();
  });
  root.addEventListener("click", async (event) => {
    if (event.target.closest("[data-select-none]")) {
      for (const box of boxes()) box.checked = false;
      countSelected();
    }
    const copy = event.target.closest("[data-copy-selected]");
    if (!copy) return;
    await navigator.clipboard.writeText(chosen().map(textOf).join("\n\n"));
    copy.textContent = copy.dataset.copied;
  });
}

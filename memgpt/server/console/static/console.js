// What every page does: times in the reader's zone, keys, the palette, and forms that send themselves.
import { showTimes } from "./time.js";
import { listen } from "./keys.js";
import { preparePalette } from "./palette.js";
import { countSelected, listenToSelection } from "./select.js";

document.documentElement.classList.add("with-script");

const copied = "[data-copy], [data-copies], [data-copy-text], [data-copy-link]";

// What a button copies: an answer, another element's text, its own (with this service's address), or the page's address.
async function textOf(data) {
  if (data.copies) return document.getElementById(data.copies).textContent;
  if (data.copyText) return data.copyText.replace("http://127.0.0.1:8283", location.origin);
  return data.copy ? (await fetch(data.copy)).text() : location.href;
}

// When something that was refused for a while can be asked again.
function countDown(note) {
  const until = Date.now() + 1000 * Number(note.dataset.wait);
  const timer = setInterval(() => {
    const left = Math.ceil((until - Date.now()) / 1000);
    note.textContent = left > 0 ? note.dataset.text.replace("{n}", left) : note.dataset.over;
    if (left <= 0 || !note.isConnected) clearInterval(timer);
  }, 1000);
}

function unreached(is) {
  document.getElementById("unreached")?.toggleAttribute("hidden", !is);
}

function prepare(root) {
  showTimes(root);
  root.querySelectorAll("[data-wait]").forEach(countDown);
  for (const button of root.querySelectorAll(`${copied}, [data-print], input.select`)) button.hidden = false;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
});

document.addEventListener("click", async (event) => {
  const copy = event.target.closest(copied);
  if (!copy) return;
  await navigator.clipboard.writeText(await textOf(copy.dataset));
  copy.textContent = copy.dataset.copied;
});

// The one-time token of `memgpt console` comes behind the #, which no server and no log sees.
function signInOnce() {
  const form = document.querySelector("form[data-once]");
  const once = new URLSearchParams(location.hash.slice(1)).get("once");
  if (!form || !once) return;
  history.replaceState(null, "", location.pathname + location.search);
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "once", value: once });
  form.append(field);
  form.querySelector("[name=key]").required = false;
  form.submit();
}

// How long a text is, while it is typed.
document.addEventListener("input", (event) => {
  const { count, limit } = event.target.dataset;
  if (!count) return;
  const length = [...event.target.value].length;
  const note = document.getElementById(count);
  note.textContent = note.textContent.replace(/^\D*[\d,.]+/, length.toLocaleString("en"));
  event.target.setAttribute("aria-invalid", String(length > Number(limit)));
});

signInOnce();
prepare(document);
listen(document);
listenToSelection(document);
preparePalette(document.getElementById("palette"));
document.addEventListener("htmx:error", () => unreached(true));
document.addEventListener("htmx:after:request", () => unreached(false));
document.addEventListener("htmx:after:swap", () => {
  prepare(document);
  countSelected();
});

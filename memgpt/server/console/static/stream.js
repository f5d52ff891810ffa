// A list that is live: it asks now and then for the newest id, and fetches the list anew only when there is a newer one.
// Where somebody has opened something in it, a link is shown in the place of that, so that nothing moves under their eyes.
const longest = 600; // questions, before whoever still watches must come back to the tab

async function look(list) {
  const answer = await fetch(list.dataset.watch, { headers: { Accept: "text/plain" } });
  if (!answer.ok) return;
  const newest = Number(await answer.text());
  if (newest <= Number(list.dataset.newest)) return;
  list.dataset.newest = String(newest);
  const results = list.closest("#results");
  if (window.htmx && !results?.querySelector("details[open]")) list.dispatchEvent(new CustomEvent("newer"));
  else list.querySelector("a").hidden = false;
}

let asked = 0;
async function watch() {
  const list = document.querySelector("[data-watch]");
  if (list && document.visibilityState === "visible" && asked < longest) {
    asked += 1;
    try { await look(list); } catch { /* the server is away for a moment: the next question finds it again */ }
  }
  setTimeout(watch, 1000 * Number(list?.dataset.every ?? 3));
}

document.addEventListener("visibilitychange", () => { asked = 0; });
watch();

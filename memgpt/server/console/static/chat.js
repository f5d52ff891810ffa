// A turn as it happens: events of the answer to a form, written as text. The page shows the whole turn when it has ended.
const form = document.querySelector("form[data-chat]");
const live = document.getElementById("live");
const saying = document.getElementById("saying");
const edits = document.getElementById("edits");
const cancel = document.getElementById("cancel");
let spoken;

function line(text, kind = "note") {
  const element = document.createElement("p");
  element.className = kind;
  element.dir = "auto";
  element.textContent = text;
  saying.append(element);
  spoken = undefined;
  return element;
}

function say(text) {
  spoken ??= line("", "text saying");
  const at = spoken;
  at.append(text);
  spoken = at;
}

const shown = {
  text: (event) => say(event.text),
  tool_called: (event) => line(`${form.dataset.calls} ${event.name}`),
  tool_returned: (event) => line(`${form.dataset.returned} ${event.result.slice(0, 200)}`, event.failed ? "problem" : "note"),
  change: () => edits.dispatchEvent(new Event("edited")),
  restarted: () => line(form.dataset.restarted),
  evicted: () => line(form.dataset.evicted),
  cut: () => line(form.dataset.cut),
  error: (event) => line(`${form.dataset.failed}: ${event.detail}`, "problem"),
};

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const fields = Object.fromEntries(piece.split("\n").map((field) => [field.split(": ", 1)[0], field.slice(field.indexOf(": ") + 2)]));
      if (fields.event) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

function post(source, headers = {}) {
  return fetch(source.action, { method: "POST", headers, body: new URLSearchParams(new FormData(source)) });
}

async function run() {
  const answer = await post(form, { Accept: "text/event-stream" });
  if (!answer.ok) {
    shown.error(await answer.json());
    return;
  }
  for await (const [name, event] of events(answer.body)) {
    if (name === "ended") return;
    shown[name]?.(event);
  }
}

async function send(event) {
  event.preventDefault();
  const text = form.elements.text.value;
  saying.replaceChildren();
  edits.replaceChildren();
  line(text, "turn user");
  live.hidden = cancel.hidden = false;
  const button = form.querySelector("button");
  button.disabled = true;
  const running = run();
  form.elements.text.value = "";
  try {
    await running;
  } catch {
    line(form.dataset.gone, "problem");
  }
  button.disabled = false;
  cancel.hidden = true;
  if (!saying.querySelector(".problem")) live.hidden = true;
  document.getElementById("turns").dispatchEvent(new Event("ended"));
  form.elements.text.focus();
}

if (form) {
  form.addEventListener("submit", send);
  cancel.addEventListener("submit", (event) => {
    if (live.hidden) return;
    event.preventDefault();
    post(cancel);
  });
}

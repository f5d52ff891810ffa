// The graph page: the form is the state, and its address the view. What is opened or folded changes the form; the server
// answers the table and the links anew, and the drawing follows with the data of that address.
import { Drawing } from "./graph-drawing.js";
import { listen } from "./graph-pointer.js";
import { filled, showPanel } from "./graph-panel.js";
import { prepareSliders } from "./graph-times.js";

const form = document.getElementById("graph-form");
const view = document.getElementById("graph-view");
const area = document.getElementById("graph-canvas");
const panel = document.getElementById("graph-panel");
const said = document.getElementById("graph-said");
const words = JSON.parse(view.dataset.words);
const canvas = area.querySelector("canvas");
const drawing = new Drawing(canvas);
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let worker, run = 0, moved = false, data = null, shown = "", reading = null, fitted = false, changed = 0, tableIsOpen = false;

function workerAddress() {
  const address = view.dataset.worker;
  const ours = /^\/static\/[0-9a-f]+\/graph-worker\.js$/;
  const checked = (text) => {
    if (!ours.test(text)) throw new TypeError("no worker of this console");
    return text;
  };
  return window.trustedTypes ? trustedTypes.createPolicy("memgpt", { createScriptURL: checked }).createScriptURL(address) : checked(address);
}

function tell(text) {
  said.textContent = text;
}

// A place that is the same each time: rings by distance, at an angle that the id decides.
function seeded(node) {
  let hash = (node.id ^ 0x9e3779b9) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b) >>> 0;
  const angle = (hash / 2 ** 32) * 2 * Math.PI;
  const away = node.depth * 140 + ((hash >>> 8) % 100);
  return { x: away * Math.cos(angle), y: away * Math.sin(angle) };
}

function build(answer) {
  const before = new Map(drawing.nodes.map((node) => [node.key, node]));
  const opened = new Set([...form.querySelectorAll("[name=open]")].map((input) => Number(input.value)));
  const starts = new Set(answer.starts);
  const nodes = answer.nodes.map(([id, name, type, depth, more]) => ({ key: String(id), id, name, type, depth, more, start: starts.has(id) }));
  const place = new Map(nodes.map((node, n) => [node.id, n]));
  const way = new Set(answer.way ?? []);
  const links = answer.facts.map(([id, source, target, type, from, to, ended]) => ({
    id, source: place.get(source), target: place.get(target), type, from, to, ended, way: way.has(id),
  }));
  for (const [n, node] of [...nodes.entries()]) {
    if (!node.more || !(node.depth < answer.hops || opened.has(node.id))) continue;
    const name = filled(words.more, { n: node.more.toLocaleString() });
    links.push({ source: n, target: nodes.length, type: "", more: true, ended: true });
    nodes.push({ key: `more ${node.id}`, id: node.id, hub: n, name, type: "", depth: node.depth + 1, more: node.more });
  }
  const neighbour = new Map();
  for (const { source, target } of links) {
    for (const [a, b] of [[source, target], [target, source]]) if (before.has(nodes[b].key)) neighbour.set(a, before.get(nodes[b].key));
  }
  let kept = 0;
  nodes.forEach((node, n) => {
    const old = before.get(node.key);
    const start = seeded(node);
    const beside = neighbour.get(n);
    if (old) kept += 1;
    if (old) Object.assign(node, { x: old.x, y: old.y });
    else if (beside) Object.assign(node, { x: beside.x + start.x / 10, y: beside.y + start.y / 10 });
    else Object.assign(node, start);
  });
  return { nodes, links, fresh: kept < nodes.length / 2 };
}

function layOut(fresh) {
  run += 1;
  const positions = new Float32Array(drawing.nodes.flatMap(({ x, y }) => [x, y]));
  const links = new Uint32Array(drawing.links.flatMap(({ source, target }) => [source, target]));
  const ticks = Math.round((fresh ? 1 : 0.5) * (drawing.nodes.length > 1500 ? 60 : 120));
  worker.postMessage({ run, positions, links, alpha: fresh ? 1 : 0.3, ticks }, [positions.buffer, links.buffer]);
}

function place({ data: answer }) {
  if (answer.run !== run) return;
  drawing.nodes.forEach((node, n) => Object.assign(node, { x: answer.positions[2 * n], y: answer.positions[2 * n + 1] }));
  if (answer.done) view.dataset.state = "settled";
  if (calm && !answer.done) return;
  if (drawing.resting) return; // it is being moved, and drawn where things are now once it rests
  if (moved) drawing.draw();
  else drawing.fit();
}

function update(answer) {
  performance.mark("graph-data");
  const chosen = drawing.nodes[drawing.selected]?.key;
  const { nodes, links, fresh } = build(answer);
  data = answer;
  drawing.show(nodes, links);
  if (fresh) moved = false;
  drawing.selected = nodes.findIndex((node) => node.key === chosen);
  if (drawing.selected < 0) drawing.selected = nodes.findIndex((node) => node.start);
  if (fresh || !fitted) drawing.fit();
  else drawing.draw();
  fitted = true;
  view.dataset.state = "drawn";
  view.dataset.drawn = `${answer.nodes.length} ${answer.facts.length}`;
  performance.mark("graph-drawn");
  if (drawing.selected >= 0) choose(drawing.selected, false);
  tell(filled(words.drawn, { n: answer.nodes.length, m: answer.facts.length }));
  layOut(fresh);
}

async function load() {
  const part = document.getElementById("graph-part");
  const address = part?.dataset.graphData;
  if (!address || address === shown) return;
  shown = address;
  reading?.abort();
  reading = new AbortController();
  view.dataset.state = "loading";
  area.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { signal: reading.signal, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    update(await answer.json());
  } catch (error) {
    if (error.name === "AbortError") return;
    shown = "";
    view.dataset.state = "failed";
    tell(words.failed);
    panel.textContent = words.failed;
  }
  area.removeAttribute("aria-busy");
}

function page(id) {
  return `${document.body.dataset.agent}/entities/${id}`;
}

function choose(n, aloud) {
  drawing.selected = n;
  const node = drawing.nodes[n];
  const facts = drawing.near[n].filter((link) => !drawing.links[link].more).length;
  const actions = [];
  if (node.more) actions.push([`${words.expand} (${filled(words.more, { n: node.more.toLocaleString() })})`, () => open(node)]);
  if (form.querySelector(`[name=open][value="${node.id}"]`)) actions.push([words.fold, () => fold(node)]);
  if (node.hub === undefined) {
    actions.push([words.start, () => { set("from", [node.id]); set("open", []); set("path", []); form.elements.to.value = ""; submit(); }]);
    if (!node.start) actions.push([words.path, () => { set("path", [node.id]); form.elements.to.value = ""; submit(); }]);
    actions.push([words.open_page, () => location.assign(page(node.id))]);
  }
  showPanel(panel, drawing, n, { words, page, actions, choose });
  if (!aloud) return;
  drawing.reveal(n);
  drawing.draw();
  tell(node.hub === undefined ? filled(words.chosen, { name: node.name, type: node.type, n: facts }) : node.name);
}

// The hidden fields of a name, as many as there are values.
function set(name, values) {
  for (const input of form.querySelectorAll(`input[type=hidden][name=${name}]`)) input.remove();
  for (const value of values) {
    const input = document.createElement("input");
    form.append(Object.assign(input, { type: "hidden", name, value }));
  }
}

function openedIds() {
  return [...form.querySelectorAll("[name=open]")].map((input) => input.value);
}

function submit() {
  clearTimeout(changed);
  form.requestSubmit();
}

function open(node) {
  set("open", [...openedIds(), node.id]);
  submit();
}

function takeBack() {
  const ids = openedIds();
  if (!ids.length) return;
  set("open", ids.slice(0, -1));
  submit();
}

function fold(node) {
  const ids = openedIds();
  set("open", ids.filter((id) => id !== String(node.id)));
  if (openedIds().length < ids.length) submit();
}

// The neighbour that lies in a direction, or else the nearest thing there.
function walk([dx, dy]) {
  const here = drawing.nodes[drawing.selected];
  if (!here) return choose(0, true);
  const toward = (n) => {
    const [x, y] = [drawing.nodes[n].x - here.x, drawing.nodes[n].y - here.y];
    const away = Math.hypot(x, y) || 1;
    return { n, away, cosine: (x * dx + y * dy) / away };
  };
  const others = new Set(drawing.near[drawing.selected].flatMap((link) => [drawing.links[link].source, drawing.links[link].target]));
  others.delete(drawing.selected);
  let ways = [...others].map(toward).filter(({ cosine }) => cosine > 0.35);
  if (!ways.length) ways = drawing.nodes.map((_, n) => toward(n)).filter(({ n, cosine }) => n !== drawing.selected && cosine > 0.5);
  ways.sort((a, b) => a.away / a.cosine - b.away / b.cosine);
  if (ways.length) choose(ways[0].n, true);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target !== area) return;
  const node = drawing.nodes[drawing.selected];
  if (arrows[event.key]) walk(arrows[event.key]);
  else if (event.key === "Enter" && node?.more) open(node);
  else if (event.key === "Backspace") takeBack();
  else if (event.key === "f" && node) fold(node);
  else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") fit();
  else if (event.key === "Home") choose(Math.max(0, drawing.nodes.findIndex(({ start }) => start)), true);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function zoom(factor, x, y) {
  moved = true;
  drawing.zoom(factor, x, y);
}

function fit() {
  moved = false;
  drawing.fit();
}

// Enter in a field is a change and a submission: one of them counts.
form.addEventListener("change", () => {
  clearTimeout(changed);
  changed = setTimeout(submit, 50);
});
form.addEventListener("submit", () => clearTimeout(changed));
form.addEventListener("formdata", ({ formData }) => {
  const given = [...formData].filter(([name, value]) => value !== "" && !(name === "hops" && value === "1"));
  for (const name of new Set(formData.keys())) formData.delete(name);
  for (const [name, value] of given) formData.append(name, value);
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-graph-back]")) return;
  event.preventDefault();
  takeBack();
});
// The table stays open, or closed, when it is made anew.
document.addEventListener("toggle", ({ target }) => {
  if (target.id === "graph-table") tableIsOpen = target.open;
}, true);
document.addEventListener("htmx:after:swap", () => {
  const table = document.getElementById("graph-table");
  if (table && tableIsOpen) table.open = true;
  load();
});
area.addEventListener("keydown", press);
listen(canvas, { area, drawing, zoom, choose, open, moving: () => { moved = true; } });
for (const [name, act] of [["in", () => zoom(1.3)], ["out", () => zoom(1 / 1.3)], ["fit", fit]]) {
  area.querySelector(`[data-graph=${name}]`).addEventListener("click", act);
}
view.hidden = false;
worker = new Worker(workerAddress());
worker.addEventListener("message", place);
new ResizeObserver(() => drawing.resize()).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawing.resize());
prepareSliders(form, words);
drawing.resize();
load();

// Beside the drawing: the chosen thing, its facts in the picture, and what can be done with it.
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

function element(name, fields, ...children) {
  const made = document.createElement(name);
  Object.assign(made, fields);
  made.append(...children);
  return made;
}

export function filled(text, places) {
  return text.replace(/\{(\w+)\}/g, (_, name) => places[name]);
}

function times(link, words) {
  const parts = [];
  if (link.from) parts.push(filled(words.from, { time: day.format(new Date(link.from)) }));
  if (link.to) parts.push(filled(words.to, { time: day.format(new Date(link.to)) }));
  if (link.ended) parts.push(words.ended);
  return parts.join(", ") || words.always;
}

function factOf(link, n, drawing, words, choose) {
  const outward = link.source === n;
  const other = outward ? link.target : link.source;
  const button = element("button", { type: "button", className: "quiet", dir: "auto", textContent: drawing.nodes[other].name });
  button.addEventListener("click", () => choose(other, true));
  const fact = element("span", { dir: "auto", textContent: link.type });
  return element("li", { className: "row" }, fact, outward ? " → " : " ← ", button, element("span", { className: "note", textContent: ` ${times(link, words)}` }));
}

// Fill the panel; `actions` are [word, run] of what can be done with the thing.
export function showPanel(panel, drawing, n, { words, page, actions, choose }) {
  const node = drawing.nodes[n];
  const name = element("h2", { dir: "auto" }, node.hub === undefined ? element("a", { href: page(node.id), textContent: node.name }) : node.name);
  const about = element("p", { className: "note", dir: "auto", textContent: node.hub === undefined ? node.type : "" });
  const buttons = actions.map(([word, run]) => {
    const button = element("button", { type: "button", textContent: word });
    button.addEventListener("click", run);
    return button;
  });
  const own = drawing.near[n].filter((link) => !drawing.links[link].more);
  const facts = own.slice(0, 50).map((link) => factOf(drawing.links[link], n, drawing, words, choose));
  const rest = own.length > 50 ? [element("p", { className: "note", textContent: filled(words.more_facts, { n: own.length - 50 }) })] : [];
  const list = facts.length ? element("ul", { className: "rows" }, ...facts) : element("p", { className: "note", textContent: words.no_facts });
  const legend = drawing.types.map(([type, colour]) => element("li", {}, element("span", { className: `swatch share-${colour}` }), element("span", { dir: "auto", textContent: ` ${type}` })));
  panel.replaceChildren(name, about, element("p", { className: "actions" }, ...buttons), list, ...rest, element("ul", { className: "legend", ariaLabel: words.legend }, ...legend));
}

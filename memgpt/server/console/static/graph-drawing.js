// Draws things and the facts between them on a canvas. While the view moves, the last picture is moved along; once it
// rests, it is drawn sharp. Colours are those of the page.
const rest = 120; // milliseconds
const kinds = ["archival", "message", "chunk", "fact", "block", "summary"];
const cell = { width: 130, height: 18 };

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.picture = document.createElement("canvas");
    this.nodes = [];
    this.links = [];
    this.near = [];
    this.types = []; // the most frequent, with their colours
    this.byDegree = []; // places of the nodes, those with most links first
    this.selected = -1;
    this.view = { x: 0, y: 0, k: 1 };
    this.drawnAt = this.view;
    this.frames = 0;
    this.resting = 0; // the timer of the sharp drawing that follows a movement; 0 while nothing moves
    this.asked = 0;
  }

  // The page's size of the canvas may have changed, or its theme.
  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    this.width = clientWidth;
    this.height = clientHeight;
    this.margin = Math.round(Math.max(clientWidth, clientHeight) * 0.2);
    Object.assign(this.canvas, { width: clientWidth * this.ratio, height: clientHeight * this.ratio });
    Object.assign(this.picture, {
      width: (clientWidth + 2 * this.margin) * this.ratio,
      height: (clientHeight + 2 * this.margin) * this.ratio,
    });
    const values = getComputedStyle(this.canvas);
    const colour = (name) => values.getPropertyValue(`--c-${name}`).trim();
    this.colours = Object.fromEntries([...kinds, "text", "muted", "line-strong", "accent", "surface", "danger"].map((name) => [name, colour(name)]));
    this.font = values.fontFamily;
    this.draw();
  }

  show(nodes, links) {
    this.nodes = nodes;
    this.links = links;
    this.near = nodes.map(() => []);
    links.forEach((link, n) => {
      this.near[link.source].push(n);
      if (link.target !== link.source) this.near[link.target].push(n);
    });
    const types = new Map();
    for (const node of nodes) if (node.hub === undefined) types.set(node.type, (types.get(node.type) ?? 0) + 1);
    const order = [...types.keys()].sort((a, b) => types.get(b) - types.get(a) || (a < b ? -1 : 1));
    this.types = order.slice(0, kinds.length).map((type, n) => [type, kinds[n]]);
    const dense = nodes.length > 1000 ? 0.6 : 1;
    nodes.forEach((node, n) => {
      node.colour = kinds[order.indexOf(node.type)] ?? "line-strong";
      node.radius = dense * (5 + Math.min(9, Math.sqrt(this.near[n].length)));
    });
    this.byDegree = nodes.map((_, n) => n).sort((a, b) => this.near[b].length - this.near[a].length || a - b);
  }

  fit() {
    if (!this.nodes.length) return;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { x, y } of this.nodes) {
      left = Math.min(left, x); right = Math.max(right, x);
      top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
    const k = Math.min(2, (this.width - 80) / Math.max(right - left, 1), (this.height - 80) / Math.max(bottom - top, 1));
    this.view = { k, x: this.width / 2 - (k * (left + right)) / 2, y: this.height / 2 - (k * (top + bottom)) / 2 };
    this.draw();
  }

  move(view) {
    this.view = { ...this.view, ...view };
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.draw(), rest);
    this.asked ||= requestAnimationFrame(() => this.blit());
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const k = Math.min(8, Math.max(0.02, this.view.k * factor));
    const by = k / this.view.k;
    this.move({ k, x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by });
  }

  // Bring a node into the view.
  reveal(n) {
    const { x, y, k } = this.view;
    const at = { x: this.nodes[n].x * k + x, y: this.nodes[n].y * k + y };
    const inside = at.x > 40 && at.y > 40 && at.x < this.width - 40 && at.y < this.height - 40;
    if (!inside) this.move({ x: x + this.width / 2 - at.x, y: y + this.height / 2 - at.y });
  }

  pick(x, y) {
    const { view } = this;
    let best = -1;
    let nearest = Infinity;
    this.nodes.forEach((node, n) => {
      const away = Math.hypot(node.x * view.k + view.x - x, node.y * view.k + view.y - y);
      if (away < nearest && away < Math.max(12, this.radius(node) + 4)) [best, nearest] = [n, away];
    });
    return best;
  }

  radius(node) {
    return node.radius * Math.min(1.6, Math.max(0.45, Math.sqrt(this.view.k)));
  }

  // Show the last picture where the view is now.
  blit() {
    this.asked = 0;
    this.frames += 1;
    const { context, ratio, view, drawnAt, margin } = this;
    const by = view.k / drawnAt.k;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.drawImage(
      this.picture,
      view.x - (drawnAt.x + margin) * by, view.y - (drawnAt.y + margin) * by,
      (this.width + 2 * margin) * by, (this.height + 2 * margin) * by,
    );
  }

  draw() {
    clearTimeout(this.resting);
    this.resting = 0;
    if (!this.width || !this.height) return;
    this.drawnAt = { ...this.view };
    const pen = this.picture.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, this.margin * this.ratio, this.margin * this.ratio);
    pen.clearRect(-this.margin, -this.margin, this.width + 2 * this.margin, this.height + 2 * this.margin);
    const at = this.nodes.map((node) => [node.x * this.view.k + this.view.x, node.y * this.view.k + this.view.y]);
    this.drawLinks(pen, at);
    this.drawNodes(pen, at);
    this.drawLabels(pen, at);
    this.blit();
  }

  drawLinks(pen, at) {
    const own = new Set(this.selected < 0 ? [] : this.near[this.selected]);
    const plain = Math.max(0.12, Math.min(0.8, 400 / (this.links.length + 1)));
    const stroke = (chosen, colour, width, dash, alpha) => {
      pen.beginPath();
      this.links.forEach((link, n) => {
        if (!chosen(link, n)) return;
        pen.moveTo(...at[link.source]);
        pen.lineTo(...at[link.target]);
      });
      Object.assign(pen, { strokeStyle: this.colours[colour], lineWidth: width, globalAlpha: alpha });
      pen.setLineDash(dash);
      pen.stroke();
    };
    stroke((link) => !link.ended, "line-strong", 1, [], plain);
    stroke((link) => link.ended, "line-strong", 1, [5, 4], plain);
    stroke((link, n) => own.has(n) && !link.ended, "accent", 2, [], 1);
    stroke((link, n) => own.has(n) && link.ended, "accent", 2, [5, 4], 1);
    stroke((link) => link.way, "danger", 4, [], 0.8);
    Object.assign(pen, { globalAlpha: 1, lineWidth: 1 });
    pen.setLineDash([]);
    this.drawArrows(pen, at, own);
  }

  // Which way facts point: those of the chosen thing, or all where there are few.
  drawArrows(pen, at, own) {
    const few = this.links.length <= 300 && this.view.k > 0.5;
    pen.fillStyle = this.colours["line-strong"];
    this.links.forEach((link, n) => {
      if (link.more || link.source === link.target || !(few || own.has(n))) return;
      const [x, y] = at[link.target];
      const angle = Math.atan2(y - at[link.source][1], x - at[link.source][0]);
      const away = this.radius(this.nodes[link.target]) + 2;
      const tip = [x - away * Math.cos(angle), y - away * Math.sin(angle)];
      pen.beginPath();
      pen.moveTo(...tip);
      for (const side of [-0.4, 0.4]) pen.lineTo(tip[0] - 9 * Math.cos(angle + side), tip[1] - 9 * Math.sin(angle + side));
      pen.fill();
    });
  }

  drawNodes(pen, at) {
    this.nodes.forEach((node, n) => {
      const [x, y] = at[n];
      if (x < -this.margin || y < -this.margin || x > this.width + this.margin || y > this.height + this.margin) return;
      pen.beginPath();
      pen.arc(x, y, this.radius(node), 0, 2 * Math.PI);
      pen.fillStyle = node.hub === undefined ? this.colours[node.colour] : this.colours.surface;
      pen.fill();
      if (node.hub === undefined && !node.start && !node.more) return;
      pen.setLineDash(node.hub === undefined ? [] : [3, 3]);
      Object.assign(pen, { strokeStyle: this.colours[node.start ? "text" : "muted"], lineWidth: node.start ? 3 : 1.5 });
      pen.beginPath();
      pen.arc(x, y, this.radius(node) + (node.hub === undefined ? 2.5 : 0), 0, 2 * Math.PI);
      pen.stroke();
      pen.setLineDash([]);
    });
    if (this.selected < 0) return;
    Object.assign(pen, { strokeStyle: this.colours.accent, lineWidth: 3 });
    pen.beginPath();
    pen.arc(...at[this.selected], this.radius(this.nodes[this.selected]) + 5, 0, 2 * Math.PI);
    pen.stroke();
  }

  // Of the things in the view those with most facts are named, where the names do not lie on each other.
  drawLabels(pen, at) {
    Object.assign(pen, { font: `13px ${this.font}`, textAlign: "center", textBaseline: "top", lineJoin: "round" });
    const taken = new Set();
    const first = [this.selected, ...this.nodes.flatMap((node, n) => (node.start || node.hub !== undefined ? [n] : []))];
    let left = 40;
    for (const n of [...first.filter((n) => n >= 0), ...this.byDegree]) {
      const [x, y] = at[n];
      if (left <= 0) break;
      if (x < 0 || y < 0 || x > this.width || y > this.height) continue;
      const [column, row] = [Math.floor(x / cell.width), Math.floor(y / cell.height)];
      const places = [-1, 0, 1].flatMap((c) => [0, 1].map((r) => `${column + c} ${row + r}`));
      if (places.some((place) => taken.has(place)) && n !== this.selected) continue;
      taken.add(`${column} ${row}`).add(`${column} ${row + 1}`);
      left -= 1;
      const text = [...this.nodes[n].name];
      const label = text.length > 28 ? `${text.slice(0, 27).join("")}…` : this.nodes[n].name;
      Object.assign(pen, { strokeStyle: this.colours.surface, lineWidth: 4, fillStyle: this.colours.text });
      const below = y + this.radius(this.nodes[n]) + 4;
      pen.strokeText(label, x, below);
      pen.fillText(label, x, below);
    }
  }
}

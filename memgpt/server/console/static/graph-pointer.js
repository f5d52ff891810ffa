// Mouse, pen and fingers on the drawing: drag moves, two fingers or the wheel zoom, a click chooses, a second one opens.
export function listen(canvas, { area, drawing, zoom, choose, open, moving }) {
  const pointers = new Map();

  canvas.addEventListener("pointerdown", (event) => {
    area.focus({ preventScroll: true });
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY, dragged: 0 });
    canvas.setPointerCapture(event.pointerId);
  });

  canvas.addEventListener("pointermove", (event) => {
    const from = pointers.get(event.pointerId);
    if (!from) return;
    const [dx, dy] = [event.offsetX - from.x, event.offsetY - from.y];
    const dragged = from.dragged + Math.hypot(dx, dy);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const before = Math.hypot(from.x - other.x, from.y - other.y) || 1;
      zoom(Math.hypot(event.offsetX - other.x, event.offsetY - other.y) / before, other.x, other.y);
    } else if (dragged > 4) {
      moving();
      drawing.move({ x: drawing.view.x + dx, y: drawing.view.y + dy });
    } else return;
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY, dragged });
  });

  function release(event) {
    const from = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (!from || from.dragged > 4 || event.type === "pointercancel") return;
    const n = drawing.pick(event.offsetX, event.offsetY);
    if (n < 0) return;
    const again = n === drawing.selected;
    choose(n, true);
    const node = drawing.nodes[n];
    if (node.more && (node.hub !== undefined || again)) open(node);
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);

  // Without the focus the wheel scrolls the page, as everywhere.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== area && !event.ctrlKey) return;
    event.preventDefault();
    zoom(1.002 ** -event.deltaY, event.offsetX, event.offsetY);
  }, { passive: false });
}

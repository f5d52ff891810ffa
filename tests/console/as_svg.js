// What is in the window, as an SVG of rectangles and lines of text: a picture that is text. Drawings on a canvas are left out.
() => {
  const [width, height] = [innerWidth, innerHeight];
  const out = [];
  const round = (n) => Math.round(n * 10) / 10;
  const escaped = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const clear = (colour) => colour === "transparent" || /, 0\)$/.test(colour);
  const inside = (r) => r.width > 0.5 && r.height > 0.5 && r.bottom > 0 && r.top < height && r.right > 0 && r.left < width;

  function box(r, fill, stroke, radius) {
    if (clear(fill) && !stroke) return;
    const paint = `fill="${clear(fill) ? "none" : fill}"${stroke ? ` stroke="${stroke}"` : ""}`;
    out.push(`<rect x="${round(r.left)}" y="${round(r.top)}" width="${round(r.width)}" height="${round(r.height)}" rx="${radius}" ${paint}/>`);
  }

  function background(element, style, r) {
    const sides = ["Top", "Right", "Bottom", "Left"].map((side) => parseFloat(style[`border${side}Width`]) > 0 && style[`border${side}Style`] !== "none");
    box(r, style.backgroundColor, sides.every(Boolean) ? style.borderTopColor : "", parseFloat(style.borderTopLeftRadius) || 0);
    if (sides.every(Boolean)) return;
    if (sides[0]) box({ ...place(r), height: 1 }, style.borderTopColor, "", 0);
    if (sides[2]) box({ ...place(r), top: r.bottom - 1, height: 1 }, style.borderBottomColor, "", 0);
  }

  const place = ({ left, top, width, height }) => ({ left, top, width, height });

  function line(text, r, style) {
    const size = parseFloat(style.fontSize);
    const y = r.top + r.height / 2 + size * 0.35;
    const strong = Number(style.fontWeight) >= 600 ? ' font-weight="600"' : "";
    const family = style.fontFamily.includes("mono") ? ' font-family="ui-monospace, monospace"' : "";
    const drawn = `x="${round(r.left)}" y="${round(y)}" font-size="${round(size)}" textLength="${round(r.width)}" fill="${style.color}"`;
    out.push(`<text ${drawn}${strong}${family} lengthAdjust="spacingAndGlyphs">${escaped(text)}</text>`);
    if (style.textDecorationLine.includes("underline")) box({ left: r.left, top: y + 2, width: r.width, height: 1 }, style.color, "", 0);
  }

  // The words of a text by the lines they stand on.
  function words(node, style) {
    let current = null;
    const range = document.createRange();
    for (const match of node.data.matchAll(/\S+/g)) {
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      const r = range.getBoundingClientRect();
      if (!inside(r)) continue;
      if (current && Math.abs(current.r.top - r.top) < 2) {
        current.text += ` ${match[0]}`;
        current.r.width = r.right - current.r.left;
      } else {
        if (current) line(current.text, current.r, style);
        current = { text: match[0], r: place(r) };
      }
    }
    if (current) line(current.text, current.r, style);
  }

  function field(element, style, r) {
    if (element.type === "checkbox") {
      const [left, top] = [r.left + r.width / 2 - 7, r.top + r.height / 2 - 7];
      return box({ left, top, width: 14, height: 14 }, element.checked ? style.color : "transparent", style.color, 3);
    }
    const text = element.tagName === "SELECT" ? element.selectedOptions[0]?.text : element.value || element.placeholder;
    const left = r.left + parseFloat(style.paddingLeft);
    const shown = (text ?? "").slice(0, Math.floor((r.width - 12) / (parseFloat(style.fontSize) * 0.52)));
    if (shown) line(shown, { ...place(r), left, width: shown.length * parseFloat(style.fontSize) * 0.48 }, style);
  }

  function walk(element) {
    const style = getComputedStyle(element);
    const r = element.getBoundingClientRect();
    if (!element.checkVisibility({ visibilityProperty: true }) || r.width <= 1 || r.height <= 1) return;
    if (element instanceof SVGElement) {
      for (const part of element.querySelectorAll("rect")) {
        const at = part.getBoundingClientRect();
        if (inside(at)) box(at, getComputedStyle(part).fill, "", 0);
      }
      return;
    }
    if (inside(r) && element.type !== "checkbox") background(element, style, r);
    if (element.matches("input, select, textarea")) return inside(r) ? field(element, style, r) : undefined;
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) words(child, style);
      else if (child.nodeType === Node.ELEMENT_NODE) walk(child);
    }
  }

  walk(document.body);
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif">`;
  const page = `<title>${escaped(document.title)}</title>\n<rect width="${width}" height="${height}" fill="${getComputedStyle(document.body).backgroundColor}"/>`;
  return `${head}\n${page}\n${out.join("\n")}\n</svg>\n`;
}

// Measures the page that it stands in, and writes what is wrong with it into the page around it.
(() => {
  const complaints = [];
  const say = (it) => complaints.push(it);
  const page = document.scrollingElement;
  const words = (node) => node.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
  const size = (r) => `${r.width.toFixed(0)} x ${r.height.toFixed(0)} at ${r.left.toFixed(0)}, ${r.top.toFixed(0)}`;

  if (page.scrollWidth > window.innerWidth) say(`the page is ${page.scrollWidth} px wide, the window ${window.innerWidth} px`);
  for (const node of document.querySelectorAll("body *")) {
    if (node.closest("svg") && node.tagName !== "svg") continue;
    const r = node.getBoundingClientRect();
    if (r.width > 0 && (r.left < 0 || r.right > window.innerWidth + 0.5)) say(`<${node.tagName}> "${words(node)}" is outside the window: ${size(r)}`);
    if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0) say(`<${node.tagName}> "${words(node)}" has to be scrolled`);
  }

  const channel = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const rgb = (colour) => {
    const parts = colour.match(/[\d.]+/g).map(Number);
    return parts.length > 3 && parts[3] === 0 ? null : parts.slice(0, 3);
  };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  const ownText = (node) => [...node.childNodes].some((it) => it.nodeType === 3 && it.textContent.trim());
  let texts = 0;
  for (const node of document.querySelectorAll("body *")) {
    if (!ownText(node) || ["SCRIPT", "STYLE", "title"].includes(node.tagName) || !node.checkVisibility()) continue;
    texts += 1;
    const style = getComputedStyle(node);
    const ratio = contrast(rgb(node.closest("svg") ? style.fill : style.color), behind(node));
    if (ratio < 4.5) say(`text "${words(node)}" has a contrast of ${ratio.toFixed(2)}`);
  }

  const charts = [...document.querySelectorAll("figure")];
  for (const figure of charts) {
    const svg = figure.querySelector(":scope > svg");
    const named = (attribute) => document.getElementById(svg.getAttribute(attribute))?.textContent.trim();
    const box = svg.getBoundingClientRect();
    const end = page.scrollHeight - window.scrollY;
    if (box.width < 250 || box.height < 60) say(`chart ${figure.id} is not to be seen: ${size(box)}`);
    if (box.left < 0 || box.right > window.innerWidth || box.bottom > end) say(`chart ${figure.id} is outside the page: ${size(box)}`);
    if (svg.getAttribute("role") !== "img" || !named("aria-labelledby") || !named("aria-describedby")) say(`chart ${figure.id} has no name`);
    const inside = (r) => r.left >= box.left - 1 && r.right <= box.right + 1 && r.top >= box.top - 1 && r.bottom <= box.bottom + 1;
    const marks = [...svg.querySelectorAll(".model, .other, .model-pale, .chosen, .reference")];
    if (!marks.some((it) => { const r = it.getBoundingClientRect(); return r.width + r.height > 4; })) say(`chart ${figure.id} is empty`);
    for (const mark of marks) {
      if (!inside(mark.getBoundingClientRect())) say(`a mark of chart ${figure.id} is cut off: ${size(mark.getBoundingClientRect())}`);
      const style = getComputedStyle(mark);
      const ratio = contrast(rgb(mark.classList.contains("fill") ? style.fill : style.stroke), behind(svg));
      if (ratio < 3) say(`a mark of chart ${figure.id} has a contrast of ${ratio.toFixed(2)}`);
    }
    const dashes = new Map();
    for (const line of svg.querySelectorAll("polyline.stroke.model, polyline.stroke.other, polyline.stroke.reference, polyline.stroke.chosen")) {
      dashes.set(line.classList[1], getComputedStyle(line).strokeDasharray);
    }
    if (new Set(dashes.values()).size < dashes.size) say(`lines of chart ${figure.id} differ by colour alone`);
    const labels = [...svg.querySelectorAll("text")].map((it) => [it, it.getBoundingClientRect()]);
    if (labels.length < 4) say(`chart ${figure.id} has ${labels.length} labels`);
    labels.forEach(([label, r], index) => {
      if (!inside(r)) say(`label "${words(label)}" of chart ${figure.id} is cut off: ${size(r)}`);
      if (Math.min(r.width, r.height) < 5 || Math.max(r.width, r.height) < 8) say(`label "${words(label)}" of chart ${figure.id} is too small: ${size(r)}`);
      const px = parseFloat(getComputedStyle(label).fontSize) * box.width / svg.viewBox.baseVal.width;
      if (px < 9) say(`label "${words(label)}" of chart ${figure.id} is set in ${px.toFixed(1)} px`);
      for (const [other, o] of labels.slice(index + 1)) {
        const width = Math.min(r.right, o.right) - Math.max(r.left, o.left);
        const height = Math.min(r.bottom, o.bottom) - Math.max(r.top, o.top);
        if (width > 0.5 && height > 2) say(`labels "${words(label)}" and "${words(other)}" of chart ${figure.id} overlap by ${width.toFixed(1)} x ${height.toFixed(1)} px`);
      }
    });
  }

  const measured = {
    complaints,
    charts: charts.map((it) => it.id),
    texts,
    title: document.title,
    window_px: window.innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    background: luminance(behind(document.body)),
  };
  const out = parent.document.createElement("pre");
  out.id = "measured";
  out.textContent = JSON.stringify(measured).replace(/[<>&]/g, (it) => "\\u" + it.charCodeAt(0).toString(16).padStart(4, "0"));
  parent.document.body.append(out);
})();

// Returns what is wrong with the appearance of the page, one line per fault: see package browsertest.
(() => {
  const faults = [];
  const name = e => {
    const text = (e.innerText || e.value || e.getAttribute("aria-label") || "").trim().slice(0, 40);
    return `<${e.localName}${e.id ? "#" + e.id : ""}${e.className && e.className.baseVal === undefined ? "." + e.className.split(" ")[0] : ""}> ${JSON.stringify(text)}`;
  };

  // The page must not scroll sideways.
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    faults.push(`the page is ${root.scrollWidth} px wide, the window ${innerWidth}`);
  }

  // All elements with text and all controls, and the visible part of each.
  const seen = [];
  for (const e of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(e);
    if (style.visibility === "hidden" || style.opacity === "0" || !e.checkVisibility()) continue;
    if (e.closest(".hidden, .skip, [hidden], noscript, option, title")) continue;
    const used = ["INPUT", "SELECT", "BUTTON", "TEXTAREA"].includes(e.tagName);
    const nodes = [...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE && n.data.trim() !== "");
    if (!used && nodes.length === 0 || !used && e.closest("button, select")) continue;
    let rects = [e.getBoundingClientRect()];
    if (!used) {
      rects = nodes.flatMap(n => {
        const range = document.createRange();
        range.selectNodeContents(n);
        return [...range.getClientRects()];
      });
    }
    for (let r of rects) {
      let box = { left: r.left, right: r.right, top: r.top, bottom: r.bottom };
      for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
        const s = getComputedStyle(p);
        if (s.overflowX === "visible" && s.overflowY === "visible") continue;
        const c = p.getBoundingClientRect();
        box = { left: Math.max(box.left, c.left), right: Math.min(box.right, c.right), top: Math.max(box.top, c.top), bottom: Math.min(box.bottom, c.bottom) };
      }
      if (box.right - box.left > 1 && box.bottom - box.top > 1) seen.push({ e, box, used, fixed: sticky(e) });
    }
  }
  function sticky(e) {
    for (; e; e = e.parentElement) if (["sticky", "fixed"].includes(getComputedStyle(e).position)) return true;
    return false;
  }

  // Texts and controls must not overlap. Sticky elements may cover those that scroll below them.
  seen.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < seen.length; i++) {
    for (let j = i + 1; j < seen.length; j++) {
      const a = seen[i], b = seen[j];
      if (b.box.top >= a.box.bottom) break; // all others are below, too: a long page has millions of pairs
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide <= 0 || high <= 0) continue;
      if (a.e === b.e || a.e.contains(b.e) || b.e.contains(a.e) || a.fixed !== b.fixed) continue;
      // The boxes of neighbouring lines of text overlap by their leading.
      if (wide > 1.5 && high > (a.used || b.used ? 1.5 : 4)) faults.push(`${name(a.e)} and ${name(b.e)} overlap by ${wide.toFixed(0)} x ${high.toFixed(0)} px`);
    }
    const s = seen[i];
    if (s.box.left < -1 || s.box.right > innerWidth + 1) faults.push(`${name(s.e)} reaches out of the window`);
    if (s.used && s.e.type !== "range" && s.e.type !== "checkbox" && s.box.bottom - s.box.top < 24) faults.push(`${name(s.e)} is too small to be hit`);
  }

  // Text needs a contrast of 4.5 to 1 against its background, large text 3 to 1 (WCAG 2).
  const parse = c => { const [r, g, b, a = 1] = c.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
  const over = (top, below) => ({ r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1 });
  const light = c => {
    const f = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(c.r) + .7152 * f(c.g) + .0722 * f(c.b);
  };
  const judged = new Set();
  for (const { e } of seen) {
    if (e.disabled || e.type === "range" || e.type === "checkbox" || judged.has(e)) continue;
    judged.add(e);
    const style = getComputedStyle(e);
    const svg = e instanceof SVGElement;
    if (svg && !e.closest("[data-judged]")) continue; // drawn on a background of its own
    let behind = [];
    for (let p = e; p; p = p.parentElement) behind.unshift(parse(getComputedStyle(p).backgroundColor));
    const paper = behind.reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
    const ink = over(parse(svg ? style.fill : style.color), paper);
    const [x, y] = [light(ink), light(paper)];
    const ratio = (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
    const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5) - .01) faults.push(`${name(e)} has a contrast of ${ratio.toFixed(2)}`);
  }

  // Every control needs a name for screen readers, and ids must be unique.
  for (const e of document.querySelectorAll("a[href], button, input, select, textarea, [role=img], svg[role]")) {
    const labels = [...(e.labels || [])].map(l => l.innerText).join("");
    const by = (e.getAttribute("aria-labelledby") || "").split(" ").map(id => document.getElementById(id)?.innerText || "").join("");
    if (!(e.getAttribute("aria-label") || by || labels || e.textContent || e.title).trim()) faults.push(`${name(e)} has no name`);
  }
  // Tables and figures say what they show.
  for (const e of document.querySelectorAll("table")) {
    if (!(e.caption?.textContent || e.getAttribute("aria-label") || "").trim()) faults.push(`${name(e)} has no caption`);
  }
  for (const e of document.querySelectorAll("figure")) {
    if (!e.querySelector("figcaption")?.textContent.trim()) faults.push(`${name(e)} has no caption`);
  }
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) {
    if (ids.has(e.id)) faults.push(`two elements have the id ${e.id}`);
    ids.add(e.id);
  }
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const e of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of e.getAttribute(attribute).split(" ")) if (!document.getElementById(id)) faults.push(`${name(e)}: ${attribute} names ${id}, which isn't there`);
    }
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("the page doesn't have one h1");
  return [...new Set(faults)].slice(0, 30);
})()

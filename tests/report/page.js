// Questions about the page that is shown; each returns what is wrong, so that nothing is good.
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parse = (color) => {
  const found = color.match(/[\d.]+/g).map(Number);
  return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
};
const ratio = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const backgroundOf = (element) => {
  for (let node = element; node; node = node.parentElement) {
    const found = parse(getComputedStyle(node).backgroundColor);
    if (found.alpha === 1) return found.rgb;
  }
  return [255, 255, 255];
};
const named = (node) => `<${node.tagName.toLowerCase()} class="${node.getAttribute("class") || ""}"> ${node.textContent.trim().slice(0, 40)}`;

const questions = {
  contrast() {
    const wrong = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || element.closest("script, title") || !element.getClientRects().length) continue;
      const style = getComputedStyle(element);
      const svg = element.namespaceURI.endsWith("svg");
      const bar = element.classList.contains("rank") ? element.previousElementSibling : null;
      const back = bar ? parse(getComputedStyle(bar).fill).rgb : backgroundOf(element);
      const found = ratio(parse(svg ? style.fill : style.color).rgb, back);
      if (found < 4.5) wrong.add(`${found.toFixed(2)}: ${named(element)}`);
    }
    return [...wrong];
  },
  // What is drawn needs 3:1 against the page (WCAG 1.4.11); grid lines only help.
  drawings() {
    const wrong = new Set();
    for (const shape of document.querySelectorAll("svg rect:not(.free)")) {
      const style = getComputedStyle(shape);
      const color = shape.classList.contains("earlier") ? style.stroke : style.fill;
      const found = ratio(parse(color).rgb, backgroundOf(shape.closest("svg").parentElement));
      if (found < 3) wrong.add(`${found.toFixed(2)}: ${shape.getAttribute("class")}`);
    }
    return [...wrong];
  },
  headings() {
    const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((node) => Number(node.tagName[1]));
    const wrong = levels.filter((level, index) => (index === 0 ? level !== 1 : level > levels[index - 1] + 1 || level === 1));
    return wrong.length ? [levels.join(" ")] : [];
  },
  names() {
    const wrong = [];
    const labelled = (node) => (node.getAttribute("aria-label") || document.getElementById(node.getAttribute("aria-labelledby"))?.textContent || "").trim();
    for (const node of document.querySelectorAll("svg[role=img], [role=region], nav, section, article, button")) {
      if (!labelled(node)) wrong.push(`no name: ${named(node)}`);
    }
    for (const node of document.querySelectorAll("body svg:not(svg svg):not([role=img])")) {
      if (!node.closest("[aria-hidden=true]")) wrong.push(`a drawing without a role: ${named(node)}`);
    }
    for (const node of document.querySelectorAll("thead th")) {
      if (node.scope !== "col" && !node.hasAttribute("aria-hidden")) wrong.push(`no scope: ${named(node)}`);
    }
    for (const row of document.querySelectorAll("tbody tr")) {
      if (!row.querySelector("th[scope=row]")) wrong.push(`a row without a header: ${named(row)}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    wrong.push(...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `twice: ${id}`));
    for (const link of document.querySelectorAll("a")) {
      if (!document.getElementById(link.hash.slice(1))) wrong.push(`leads nowhere: ${link.href}`);
    }
    return wrong;
  },
  overflow() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll("body *")]
      .filter((node) => node.getBoundingClientRect().right > width + 0.5 && !node.parentElement.closest(".scroll, .log"))
      .map((node) => `${node.getBoundingClientRect().right.toFixed(0)}: ${named(node)}`)
      .slice(0, 5)
      .concat(`${document.documentElement.scrollWidth} wide`);
  },
  // A partition that is drawn but cannot be seen, or a name that leaves the drawing.
  disk() {
    const frame = document.querySelector(".disk svg");
    if (!frame) return [];
    const box = frame.getBoundingClientRect();
    const thin = [...frame.querySelectorAll("rect.part")].filter((part) => part.getBoundingClientRect().width < 4);
    const outside = [...frame.querySelectorAll("text")].filter((text) => {
      const place = text.getBoundingClientRect();
      return place.left < box.left - 0.5 || place.right > box.right + 0.5 || place.bottom > box.bottom + 0.5;
    });
    return [...thin.map((node) => `thin: ${named(node)}`), ...outside.map((node) => `outside: ${named(node)}`)];
  },
  focus() {
    const wrong = [];
    for (const node of document.querySelectorAll("a[href], button:not([hidden]), summary, [tabindex='0']")) {
      node.focus({ focusVisible: true });
      const style = getComputedStyle(node);
      if (document.activeElement !== node) wrong.push(`takes no focus: ${named(node)}`);
      else if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong.push(`focus is not seen: ${named(node)}`);
    }
    document.activeElement.blur();
    return wrong;
  },
};
return Object.fromEntries(Object.entries(questions).map(([name, ask]) => [name, ask()]).filter(([, wrong]) => wrong.length));

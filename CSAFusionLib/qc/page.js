"use strict";
// Everything a file name, a warning or a reader's note may say goes into the page as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const MARKS = { good: "✓", doubtful: "?", bad: "✕", failed: "–", unchecked: "·" };
  const WORDS = { good: "Good.", doubtful: "Doubtful.", bad: "Bad.", failed: "Failed.", unchecked: "Not checked." };
  const KEEP = "csafusion-qc-" + data.id;
  const PERIOD_MS = 700;
  const WIDTH = 720, HEIGHT = 264;

  // What the reader decides, by the name of the case: {decision, note, digest}, the last of what was decided on.
  const kept = new Map();
  try {
    for (const [name, one] of Object.entries(JSON.parse(localStorage.getItem(KEEP) || "{}"))) kept.set(name, one);
  } catch (error) {
    warn();
  }

  function warn() {
    byId("unsaved").textContent = "This browser keeps nothing of this page: export before you leave it.";
  }

  function of(number) {
    const one = data.cases[number], known = kept.get(one.name) || { decision: "", note: "" };
    return known.digest === one.digest ? known : { decision: "", note: known.note };
  }

  function keep(number, change) {
    const one = data.cases[number];
    kept.set(one.name, Object.assign({}, of(number), change, { digest: one.digest }));
    try {
      localStorage.setItem(KEEP, JSON.stringify(Object.fromEntries(kept)));
    } catch (error) {
      warn();
    }
  }

  // ---- rows
  const rows = data.cases.map((one, number) => makeRow(one, number));
  let current = -1;

  function makeRow(one, number) {
    const row = byId("row").content.firstElementChild.cloneNode(true);
    const find = (selector) => row.querySelector(selector);
    row.id = "case-" + number;
    row.dataset.number = number;
    row.dataset.level = one.level;
    find("h2").id = "name-" + number;
    row.setAttribute("aria-labelledby", "name-" + number);
    row.tabIndex = -1;
    find(".mark").textContent = MARKS[one.level];
    find(".name").textContent = one.name;
    find(".level").textContent = WORDS[one.level];
    find(".reason").textContent = one.reason;
    for (const [title, text] of one.figures) {
      find("dl").append(make("dt", title), make("dd", text));
    }
    for (const note of one.notes) {
      find(".notes").append(make("li", note));
    }
    if (one.view) {
      find(".view a").href = one.view;
      find(".view").hidden = false;
    }
    find(".pass").addEventListener("click", () => decide(number, "pass"));
    find(".fail").addEventListener("click", () => decide(number, "fail"));
    const note = find(".note input");
    note.value = of(number).note;
    note.addEventListener("input", () => keep(number, { note: note.value }));
    row.addEventListener("focusin", () => choose(number, false));
    row.addEventListener("click", () => choose(number, false));
    showDecision(row, of(number).decision);
    return row;
  }

  function make(kind, text, className) {
    const element = document.createElement(kind);
    if (text) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  function showDecision(row, decision) {
    row.dataset.decision = decision;
    for (const name of ["pass", "fail"]) {
      row.querySelector("." + name).setAttribute("aria-pressed", String(decision === name));
    }
  }

  function decide(number, decision) {
    keep(number, { decision: of(number).decision === decision ? "" : decision });
    showDecision(rows[number], of(number).decision);
    count();
  }

  function choose(number, scroll) {
    if (current >= 0) rows[current].removeAttribute("aria-current");
    current = number;
    rows[number].setAttribute("aria-current", "true");
    if (scroll) {
      rows[number].focus({ preventScroll: true });
      rows[number].scrollIntoView({ block: "start" });
    }
  }

  // ---- filters and order
  const isShown = (number) => {
    const one = data.cases[number], level = byId("by-level").value, decision = byId("by-decision").value;
    const words = byId("find").value.trim().toLowerCase();
    return (!level || one.level === level) &&
      (!decision || (of(number).decision || "open") === decision) &&
      (!words || (one.name + " " + of(number).note).toLowerCase().includes(words));
  };

  function arrange() {
    const order = rows.map((_, number) => number);
    if (byId("order").value === "name") {
      order.sort((a, b) => data.cases[a].name.localeCompare(data.cases[b].name, "en", { numeric: true }));
    }
    byId("rows").replaceChildren(...order.map((number) => rows[number]));
    filter();
  }

  function filter() {
    rows.forEach((row, number) => { row.hidden = !isShown(number); row.style.display = row.hidden ? "none" : ""; });
    byId("none").hidden = rows.some((row) => !row.hidden);
    count();
  }

  function count() {
    const decisions = rows.map((_, number) => of(number).decision);
    const passed = decisions.filter((one) => one === "pass").length;
    const failed = decisions.filter((one) => one === "fail").length;
    const shown = rows.filter((row) => !row.hidden).length;
    byId("count").textContent = `${shown} of ${rows.length} shown; decided ${passed + failed}: ` +
      `${passed} pass, ${failed} fail.`;
  }

  function step(way) {
    const shown = [...byId("rows").children].filter((row) => !row.hidden).map((row) => Number(row.dataset.number));
    if (!shown.length) return;
    const place = shown.indexOf(current);
    const next = place < 0 ? 0 : Math.min(Math.max(place + way, 0), shown.length - 1);
    choose(shown[next], true);
  }

  // ---- pictures, only of the rows near the window
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const box = entry.target.querySelector(".pictures");
      if (!entry.isIntersecting) box.replaceChildren();
      else if (!box.firstChild) fill(Number(entry.target.dataset.number), box);
    }
  }, { rootMargin: "600px 0px" });

  // The pictures stand at the end of the page and may not have been read yet.
  const waiting = new Map();
  function fill(number, box) {
    if (!data.cases[number].hasPictures) return;
    const source = byId("pictures-" + number);
    const isWhole = source && (source.nextElementSibling || document.readyState !== "loading");
    if (!isWhole) {
      waiting.set(number, box);
      return;
    }
    const found = JSON.parse(source.textContent);
    if (found.error) box.append(make("p", found.error, "missing"));
    if (found.fixed && found.registered) box.append(flickerOf(found), checkerboardOf(found));
    else if (found.registered) box.append(plain("Registered moving", found.registered));
    if (found.fused) box.append(plain("Fused", found.fused));
    if (found.headers && found.registered) box.append(differenceOf(found));
    if (found.misalignment) {
      const whole = plain("How far off", found.misalignment);
      whole.querySelector("figcaption").append(make("span", found.misalignmentSaid));
      box.append(whole);
    }
  }
  const ready = () => {
    for (const [number, box] of waiting) {
      waiting.delete(number);
      if (!box.firstChild) fill(number, box);
    }
  };
  document.addEventListener("DOMContentLoaded", ready);
  const reading = setInterval(() => {
    ready();
    if (document.readyState !== "loading") clearInterval(reading);
  }, 200);

  function figure(title, className) {
    const whole = make("figure", "", className), caption = make("figcaption"), stack = make("div", "", "stack");
    caption.append(make("strong", title));
    whole.append(stack, caption);
    return { whole, caption, stack };
  }

  function image(address, alt, className) {
    const picture = make("img", "", className);
    picture.decoding = "async";
    picture.alt = alt;
    picture.src = address;
    return picture;
  }

  function plain(title, address) {
    const parts = figure(title, "plain");
    parts.stack.append(image(address, title + ": axial, coronal and sagittal"));
    return parts.whole;
  }

  function flickerOf(found) {
    const parts = figure("Fixed and registered moving, in turn", "flicker");
    parts.stack.append(image(found.fixed, "Fixed"), image(found.registered, "Registered moving", "over"));
    return parts.whole;
  }

  async function decoded(addresses) {
    const pictures = addresses.map((address) => image(address, ""));
    await Promise.all(pictures.map((picture) => picture.decode()));
    return pictures;
  }

  function canvas(label) {
    const surface = make("canvas");
    surface.width = WIDTH;
    surface.height = HEIGHT;
    surface.setAttribute("role", "img");
    surface.setAttribute("aria-label", label);
    return surface;
  }

  function checkerboardOf(found) {
    const parts = figure("Checkerboard", "checkerboard"), surface = canvas("Squares of fixed and registered moving");
    const label = make("label", "square "), slider = make("input");
    Object.assign(slider, { type: "range", min: 8, max: 132, value: 36 });
    slider.setAttribute("aria-label", "Side of a square of the checkerboard");
    label.append(slider);
    parts.caption.append(label);
    parts.stack.append(surface);
    decoded([found.fixed, found.registered]).then(([fixed, moved]) => {
      const draw = () => {
        const paper = surface.getContext("2d"), side = Number(slider.value);
        paper.drawImage(fixed, 0, 0, WIDTH, HEIGHT);
        for (let y = 0; y * side < HEIGHT; y++) {
          for (let x = y % 2; x * side < WIDTH; x += 2) {
            const width = Math.min(side, WIDTH - x * side), height = Math.min(side, HEIGHT - y * side);
            paper.drawImage(moved, x * side, y * side, width, height, x * side, y * side, width, height);
          }
        }
        surface.dataset.side = side;
      };
      slider.addEventListener("input", draw);
      draw();
    });
    return parts.whole;
  }

  function differenceOf(found) {
    const parts = figure("Result less headers", "difference");
    const surface = canvas("Where the registered moving volume is darker or brighter than by its headers");
    parts.caption.append(make("span", "darker"), make("span", "", "scale"), make("span", "brighter"));
    parts.stack.append(surface);
    decoded([found.registered, found.headers]).then((pictures) => {
      const paper = surface.getContext("2d", { willReadFrequently: true });
      const [after, before] = pictures.map((picture) => {
        paper.drawImage(picture, 0, 0, WIDTH, HEIGHT);
        return paper.getImageData(0, 0, WIDTH, HEIGHT);
      });
      // From grey, where nothing changed, to blue or orange, which every kind of colour vision tells apart.
      const ends = [[33, 102, 172], [224, 130, 20]], middle = 140;
      for (let place = 0; place < after.data.length; place += 4) {
        const brightness = (pixels) => (pixels[place] + pixels[place + 1] + pixels[place + 2]) / 765;
        const change = brightness(after.data) - brightness(before.data);
        const end = ends[change < 0 ? 0 : 1], share = Math.min(1, 1.6 * Math.abs(change));
        const shade = brightness(after.data) + brightness(before.data) < 0.04 ? 0 : 1;
        for (let channel = 0; channel < 3; channel++) {
          before.data[place + channel] = shade * (middle + share * (end[channel] - middle));
        }
      }
      paper.putImageData(before, 0, 0);
      surface.dataset.drawn = "true";
    });
    return parts.whole;
  }

  // ---- flicker
  const flicker = byId("flicker");
  const isFlickering = () => flicker.getAttribute("aria-pressed") === "true";
  const swap = () => byId("rows").classList.toggle("swapped");
  const setFlicker = (on) => flicker.setAttribute("aria-pressed", String(on));
  flicker.addEventListener("click", () => setFlicker(!isFlickering()));
  setInterval(() => { if (isFlickering() && !document.hidden) swap(); }, PERIOD_MS);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) setFlicker(false);

  // ---- keys
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=text], input[type=search], select");
    if (event.key === "Escape" && typing) {
      event.target.blur();
      if (current >= 0) rows[current].focus({ preventScroll: true });
      return;
    }
    if (typing || !byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.matches("button, input")) return;
    const act = {
      p: () => decideAndGo("pass"), f: () => decideAndGo("fail"), u: () => clear(), n: () => step(1), b: () => step(-1),
      e: () => { if (current >= 0) rows[current].querySelector(".note input").focus(); },
      " ": () => { setFlicker(false); swap(); },
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  function decideAndGo(decision) {
    if (current < 0 || rows[current].hidden) {
      step(1);
      return;
    }
    keep(current, { decision });
    showDecision(rows[current], decision);
    count();
    step(1);
  }

  function clear() {
    if (current < 0) return;
    keep(current, { decision: "" });
    showDecision(rows[current], "");
    count();
  }

  // ---- export
  const cell = (text) => {
    const flat = String(text).replace(/[\t\r\n]+/g, " ").trim();
    // A spreadsheet would take it for a formula.
    return /^[=+\-@]/.test(flat) ? "'" + flat : flat || "n/a";
  };
  byId("export").addEventListener("click", () => {
    const lines = [["name", "verdict", "decision", "note", "reason"]];
    data.cases.forEach((one, number) => {
      lines.push([one.name, one.level, of(number).decision, of(number).note, one.reason].map(cell));
    });
    const text = lines.map((line) => line.join("\t")).join("\n") + "\n";
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    link.download = "qc.tsv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  byId("title").textContent = "Quality control: " + data.title;
  byId("notice").textContent = data.notice;
  document.title = "QC " + data.title;
  for (const id of ["by-level", "by-decision"]) byId(id).addEventListener("change", filter);
  byId("find").addEventListener("input", filter);
  byId("order").addEventListener("change", arrange);
  arrange();
  rows.forEach((row) => watcher.observe(row));
})();

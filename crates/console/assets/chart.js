// <plim-chart>: draws the table that it holds as lines over time, with a crosshair for pointer and keys.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 240;
const LEFT = 56;
const RIGHT = 12;
const TOP = 26;
const BOTTOM = 24;
/// A line this many times above all that is drawn would press it flat: it is told at the edge instead.
const FAR = 4;
const KEEP = 300;

const seconds = (s) => {
  if (s === 0) return "0";
  if (s < 0.000_999_5) return `${(s * 1e6).toFixed(0)} µs`;
  if (s < 0.009_995) return `${(s * 1e3).toFixed(1)} ms`;
  if (s < 0.999_5) return `${(s * 1e3).toFixed(0)} ms`;
  return s < 9.995 ? `${s.toFixed(2)} s` : `${s.toFixed(0)} s`;
};
const UNITS = {
  rate: (x) => (x === 0 ? "0" : Math.abs(x) < 9.95 ? `${x.toFixed(1)}/s` : `${x.toFixed(0)}/s`),
  seconds,
};
const KEYS = { traffic: "rate", p50: "p50_s", p99: "p99_s" };

function make(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
  node.append(...children);
  return node;
}

/// 1, 2, 2.5 or 5 times a power of ten, so that about four of them fit.
function tick(most) {
  const raw = most / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw);
}

/// With the day where there are several.
function clock(at, days) {
  const text = new Date(at * 1000).toISOString();
  return days ? text.slice(5, 16).replace("T", " ") : text.slice(11, 19);
}

class Chart extends HTMLElement {
  connectedCallback() {
    if (this.plot) return;
    this.keys = this.dataset.keys.split(",");
    this.units = this.dataset.units.split(",").map((u) => UNITS[u] ?? String);
    this.steps = this.read(this);
    this.svg = make("svg", {
      class: "plot", tabindex: "0", role: "img", "aria-label": `${this.getAttribute("aria-label")}: arrow keys read values`,
    });
    this.says = document.createElement("p");
    this.says.className = "says";
    this.says.setAttribute("role", "status");
    this.prepend(this.svg, this.says);
    this.plot = true;
    this.svg.addEventListener("pointermove", (e) => this.point(this.near(e.offsetX)));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("keydown", (e) => this.key(e));
    this.svg.addEventListener("blur", () => this.point(null));
    this.querySelector("details").addEventListener("toggle", () => this.table());
    new ResizeObserver(() => this.draw()).observe(this);
  }

  read(from) {
    return [...from.querySelectorAll("tbody tr")].map((row) => {
      const [at, ...cells] = row.cells;
      return { at: Number(at.dataset.at), values: cells.map((c) => (c.textContent === "" ? null : Number(c.textContent))) };
    });
  }

  days() {
    return this.steps.at(-1).at - this.steps[0].at > 86_400;
  }

  /// The newest steps of the stream.
  append_steps(steps) {
    const newest = this.steps.at(-1)?.at ?? 0;
    const fresh = steps.filter((s) => s.at_s > newest);
    if (fresh.length === 0) return;
    this.steps.push(...fresh.map((s) => ({ at: s.at_s, values: this.keys.map((k) => s[KEYS[k]]) })));
    this.steps.splice(0, this.steps.length - KEEP);
    this.table();
    this.draw();
  }

  /// What the server draws now.
  take(other) {
    for (const name of other.getAttributeNames()) this.setAttribute(name, other.getAttribute(name));
    this.steps = this.read(other);
    this.table();
    this.draw();
  }

  /// The table follows only while somebody reads it.
  table() {
    const body = this.querySelector("tbody");
    if (!this.querySelector("details").open) return;
    body.replaceChildren(...this.steps.toReversed().map((s) => {
      const row = document.createElement("tr");
      const at = row.insertCell();
      at.dataset.at = s.at;
      at.textContent = clock(s.at, this.days());
      s.values.forEach((v, i) => (row.insertCell().textContent = v === null ? "—" : this.units[i](v)));
      return row;
    }));
  }

  draw() {
    const width = Math.max(this.clientWidth, 200);
    const { steps } = this;
    if (steps.length === 0) return;
    const drawn = steps.flatMap((s) => s.values.filter((v) => v !== null));
    const highest = Math.max(...drawn, 1e-9);
    const mark = this.dataset.mark ? Number(this.dataset.mark) : null;
    const far = mark !== null && mark > FAR * highest;
    const most = 1.12 * Math.max(highest, mark === null || far ? 0 : Number(this.dataset.markHigh));
    const [from, to] = [steps[0].at, Math.max(steps.at(-1).at, steps[0].at + 1)];
    this.x = (at) => LEFT + ((width - LEFT - RIGHT) * (at - from)) / (to - from);
    this.y = (v) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * Math.min(v, most)) / most;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = [...this.grid(most, from, to, width)];
    if (mark !== null) parts.push(...this.mark(mark, far, width));
    parts.push(...this.curves());
    this.cross = make("g", {});
    this.svg.replaceChildren(...parts, this.cross);
    this.point(this.at ?? null);
  }

  *grid(most, from, to, width) {
    const step = tick(most);
    for (let v = 0; v <= most; v += step) {
      const y = this.y(v);
      yield make("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
      yield make("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, this.units[0](v));
    }
    const marks = width < 480 ? 2 : 4;
    for (let i = 0; i <= marks; i++) {
      const at = from + ((to - from) * i) / marks;
      const anchor = i === 0 ? "start" : i === marks ? "end" : "middle";
      yield make("text", { x: this.x(at), y: HEIGHT - 6, "text-anchor": anchor }, clock(at, this.days()));
    }
  }

  *mark(at, far, width) {
    const { markLow, markHigh, markName } = this.dataset;
    if (far) {
      yield make("text", { class: "mark-name", x: width - RIGHT, y: TOP - 10, "text-anchor": "end" }, `↑ ${markName}`);
      return;
    }
    const [top, bottom, y] = [this.y(Number(markHigh)), this.y(Number(markLow)), this.y(at)];
    yield make("rect", { class: "band", x: LEFT, width: width - LEFT - RIGHT, y: top, height: Math.max(bottom - top, 0) });
    yield make("line", { class: "mark", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
    yield make("text", { class: "mark-name", x: width - RIGHT, y: y - 7, "text-anchor": "end" }, markName);
  }

  *curves() {
    for (const [i] of this.keys.entries()) {
      let path = "";
      let gap = true;
      for (const s of this.steps) {
        const v = s.values[i];
        if (v === null) {
          gap = true;
          continue;
        }
        path += `${gap ? "M" : "L"}${this.x(s.at).toFixed(1)} ${this.y(v).toFixed(1)}`;
        gap = false;
      }
      if (path === "") continue;
      if (this.keys.length === 1) {
        const base = this.y(0);
        const last = this.x(this.steps.at(-1).at);
        yield make("path", { class: "area", d: `${path}L${last} ${base}L${LEFT} ${base}Z` });
      }
      yield make("path", { class: `curve s${i}`, d: path });
    }
  }

  near(x) {
    if (!this.x) return null;
    let best = 0;
    this.steps.forEach((s, i) => {
      if (Math.abs(this.x(s.at) - x) < Math.abs(this.x(this.steps[best].at) - x)) best = i;
    });
    return this.steps[best]?.at ?? null;
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -KEEP, End: KEEP, Escape: 0 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    if (by === 0) return this.point(null);
    const read = this.steps.findIndex((s) => s.at === this.at);
    // Nothing is read yet: the keys begin at the newest.
    const now = read < 0 ? this.steps.length - 1 : read;
    const from = read < 0 && by === -1 ? now : now + by * (event.shiftKey ? 10 : 1);
    this.point(this.steps[Math.min(Math.max(from, 0), this.steps.length - 1)].at);
  }

  /// Reads the values at a time; without one, the newest stand beside the names.
  point(at) {
    this.at = at;
    const step = this.steps.find((s) => s.at === at) ?? null;
    const shown = step ?? this.steps.at(-1);
    const items = this.keys.map((key, i) => {
      const item = document.createElement("span");
      item.className = `key k${i}`;
      item.textContent = `${key} ${shown.values[i] === null ? "—" : this.units[i](shown.values[i])}`;
      return item;
    });
    // Only what somebody asks for is read out.
    this.says.setAttribute("aria-live", step ? "polite" : "off");
    this.says.replaceChildren(...(step ? [clock(step.at, this.days())] : []), ...items);
    this.cross?.replaceChildren(
      ...(step ? [make("line", { class: "cross", x1: this.x(at), x2: this.x(at), y1: TOP, y2: HEIGHT - BOTTOM })] : []),
    );
  }
}

customElements.define("plim-chart", Chart);

// Live values: one stream while the page can be seen. What changes each second comes in it; when more has changed,
// the page is asked for anew and the parts that differ are put in place, so that all words come from the server.

const AGAIN_MS = 3000;

export function listen() {
  const { page, of, last } = document.body.dataset;
  if (!page) return;
  const light = document.getElementById("live");
  let source;
  let late = false;
  const say = (text, stale) => {
    light.hidden = false;
    light.textContent = text;
    light.classList.toggle("stale", stale);
  };
  const open = () => {
    if (source) return;
    source = new EventSource("/live?" + new URLSearchParams({ page, of, last }));
    source.onmessage = (event) => {
      say("live", false);
      const frame = JSON.parse(event.data);
      show(frame);
      if (frame.version !== document.body.dataset.version || late) {
        late = false;
        renew(frame.version);
      }
    };
    source.onerror = () => {
      say("no connection", true);
      late = true;
      // Browsers give up for good when the answer was an error.
      if (source.readyState === EventSource.CLOSED) {
        close();
        renew(document.body.dataset.version);
        setTimeout(open, AGAIN_MS);
      }
    };
  };
  const close = () => {
    source?.close();
    source = undefined;
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
    } else {
      late = true;
      open();
    }
  });
  if (!document.hidden) open();
}

function show(frame) {
  for (const [name, text] of Object.entries(frame.text)) {
    for (const place of document.querySelectorAll(`[data-live="${CSS.escape(name)}"]`)) {
      if (place.textContent !== text) place.textContent = text;
    }
  }
  if (frame.level !== null) {
    const top = 100 - 55 * Math.min(Math.max(frame.level, 0), 1.3);
    document.querySelector("plim-mark .water")?.setAttribute("y", top.toFixed(1));
  }
  for (const chart of document.querySelectorAll("plim-chart")) chart.append_steps?.(frame.steps);
}

let renewing = false;
/// Came while the page before it was on its way.
let next;

async function renew(version) {
  next = version;
  if (renewing) return;
  renewing = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    // The session has ended: whoever looks is asked who they are.
    if (answer.redirected) return location.assign(answer.url);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.body.dataset.version = fresh.body.dataset.version ?? version;
    for (const part of document.querySelectorAll("[data-part]")) replace(part, fresh);
    for (const chart of document.querySelectorAll("plim-chart")) {
      const name = chart.getAttribute("aria-label");
      const other = fresh.querySelector(`plim-chart[aria-label="${CSS.escape(name)}"]`);
      if (other) chart.take?.(other);
    }
    // A chart that was not there while nothing had come yet.
    if (!document.querySelector("plim-chart") && fresh.querySelector("plim-chart")) location.reload();
    document.dispatchEvent(new Event("plimsoll:parts"));
  } catch {
    // The light says that there is no connection.
  } finally {
    renewing = false;
    if (next !== version) renew(next);
  }
}

function replace(part, fresh) {
  // Whoever is typing, or has put the focus there, is not disturbed.
  if (part.contains(document.activeElement) && document.activeElement !== document.body) return;
  const other = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
  if (!other) return;
  const unfolded = [...part.querySelectorAll("details")].map((d) => d.open);
  other.querySelectorAll("details").forEach((d, i) => {
    if (unfolded[i]) d.open = true;
  });
  if (part.innerHTML !== other.innerHTML) part.replaceWith(document.adoptNode(other));
}

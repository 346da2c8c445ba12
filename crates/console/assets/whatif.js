// What if, while a slider is turned: the same question as the form sends, one at a time, and its answer put in place.
// All words come from the server; without this the form is sent by its button.

/// So long nothing has moved, before it is asked.
const REST_MS = 250;
/// After somebody else's question.
const AGAIN_MS = 1000;

export function turn() {
  const form = document.querySelector("form.whatif");
  const place = document.getElementById("whatif-answer");
  const state = document.getElementById("whatif-state");
  if (!form || !place || !state) return;
  let timer;
  let asking = false;
  let moved = false;

  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(ask, ms);
  };

  async function ask() {
    if (asking) {
      moved = true;
      return;
    }
    asking = true;
    moved = false;
    state.textContent = "Asking …";
    try {
      const answer = await fetch("/advice?" + new URLSearchParams(new FormData(form)), { headers: { accept: "text/html" } });
      if (answer.redirected) return location.assign(answer.url);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("whatif-answer");
      if (fresh?.querySelector("[data-again]")) return later(AGAIN_MS);
      // What was asked before the slider moved on is shown all the same: it is on the way there.
      if (fresh) place.replaceChildren(...fresh.childNodes);
      place.classList.toggle("old", moved);
      const line = [...place.querySelectorAll("tbody tr")].find((r) => r.cells[0].textContent === "Load line");
      state.textContent = line ? `Load line ${line.cells[1].textContent}, then ${line.cells[2].textContent}` : "";
    } catch {
      state.textContent = "No connection.";
    } finally {
      asking = false;
      if (moved) later(0);
    }
  }

  form.addEventListener("input", ({ target }) => {
    if (target.type === "range") {
      const said = `${Number(Number(target.value).toFixed(2))} ${target.dataset.unit}`.trim();
      target.setAttribute("aria-valuetext", said);
      target.parentElement.querySelector("output").textContent = said;
    }
    if (target.type !== "range" && target.name === "q") return;
    place.classList.add("old");
    later(REST_MS);
  });
}

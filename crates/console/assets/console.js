// Starts what a page has: charts, and the stream of live values. Pages work without.
import "./chart.js";
import { listen } from "./live.js";
import { turn } from "./whatif.js";

// Names that were given once are offered again on this machine.
const KEY = "plimsoll-who";
function names() {
  for (const input of document.querySelectorAll('input[name="who"]')) {
    if (!input.value) input.value = localStorage.getItem(KEY) ?? "";
  }
}
document.addEventListener("submit", (event) => {
  const who = event.target.elements.namedItem("who");
  if (who?.value) localStorage.setItem(KEY, who.value);
});
document.addEventListener("plimsoll:parts", names);
names();
listen();
turn();

// Shows the preview while somebody types. Without it the button does the same.
const editor = document.getElementById("editor");
const look = document.getElementById("look");
const place = document.getElementById("frame");
const told = document.getElementById("told");
const PAUSE_MS = 700;
let waiting = 0;
let number = 0;

// A new frame each time: a form sent to the old one would fill the browser's history with drafts.
function show() {
  number += 1;
  const frame = document.createElement("iframe");
  frame.name = `preview-${number}`;
  frame.title = "Preview";
  frame.setAttribute("sandbox", "");
  frame.className = "coming";
  const latest = number;
  frame.addEventListener("load", () => {
    if (latest !== number) {
      frame.remove();
      return;
    }
    for (const old of [...place.children]) if (old !== frame) old.remove();
    frame.className = "";
    told.textContent = "The preview shows what you typed.";
  });
  place.append(frame);
  look.formTarget = frame.name;
  editor.requestSubmit(look);
}

function soon() {
  clearTimeout(waiting);
  told.textContent = "";
  waiting = setTimeout(show, PAUSE_MS);
}

if (editor && look && place) {
  const shown = new Set(["source", "channel", "invoices", "charges", "kind", "lives", "notice_id"]);
  const changed = (event) => { if (shown.has(event.target.name)) soon(); };
  editor.addEventListener("input", changed);
  editor.addEventListener("change", changed);
  // After a refusal the page holds what was typed, not what is stored.
  if (editor.dataset.typed) show();
}

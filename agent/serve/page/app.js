// The page: shows one session, says things in it, and follows what happens.

import { Brush } from "./brush.js";

const at = (id) => document.getElementById(id);
let session = null; // id
const NOTHING = { turns: [], messages: [], region: "off", working: false }; // before there is a session
let state = NOTHING; // as GET /v1/sessions/ID returns it
let sideBySide = false; // whether variants are shown in the place of the picture

async function asked(path, how = {}) {
  const answer = await fetch(`/v1${path}`, how);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error || `The server answered ${answer.status}.`);
}

const pictureOf = (name, width) => `/v1/pictures/${name}${width ? `?width=${width}` : ""}`;

// What is shown

function element(kind, properties, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function log(kind, text, picture) {
  if (!text && !picture) return;
  const line = element("p", { className: kind, textContent: text });
  line.classList.toggle("table", / {2,}\S.*\n/.test(text));
  if (picture) {
    const small = element("img", { src: pictureOf(picture, 640), alt: "", onload: () => line.scrollIntoView({ block: "nearest" }) });
    line.append(element("a", { href: pictureOf(picture), target: "_blank", title: "At full size" }, small));
  }
  at("log").append(line);
  line.scrollIntoView({ block: "nearest" });
}

function showMessages() {
  at("log").replaceChildren();
  for (const message of state.messages) {
    if (!message.text.startsWith("/")) log("person", message.text);
    log("reply", message.reply);
  }
}

function show() {
  const head = state.turns[state.head];
  showVariants(head);
  const others = { original: originalOf(head), previous: head && state.turns[head.parent],
    mask: head?.mask && { picture: head.mask } };
  const before = others[at("against").value];
  for (const id of ["tools", "caption", "tree"]) at(id).hidden = !head;
  at("empty").hidden = Boolean(head);
  for (const [id, turn] of [["after", head], ["before", before]]) {
    at(id).hidden = !turn || (id === "before" && turn === head);
    if (turn?.picture) at(id).src = pictureOf(turn.picture, 1280);
  }
  at("compare").hidden = sideBySide || (at("before").hidden && head?.parent == null);
  at("rebase").hidden = head?.parent == null;
  at("cut").hidden = at("before").hidden;
  if (at("picture").dataset.turn !== String(head?.turn)) setCut(0); // a new picture is seen whole
  at("picture").dataset.turn = head?.turn;
  at("caption").textContent = head ? head.caption : "";
  at("download").href = `/v1/sessions/${session}/turns/${state.head}/file`;
  document.title = head ? `@${head.turn} ${nameOf(head)} – Palimpsest` : "Palimpsest";
  showBox(corners(state.region));
  showTree();
  showQuestion(state.question || cutOff(state.unfinished));
  working(state.working);
}

function setCut(share) {
  at("cut").value = share;
  at("picture").style.setProperty("--cut", `${share}%`);
}

function originalOf(turn) {
  while (turn && turn.parent !== null) turn = state.turns[turn.parent];
  return turn;
}

const nameOf = (turn) => turn.request || "original";

function showTree() {
  const rows = new Map(); // turn -> row of the grid
  const taken = new Set(); // parents whose first child stands on their own row
  let last = 0;
  at("tree").replaceChildren(...state.turns.map((turn) => {
    const first = turn.parent !== null && !taken.has(turn.parent);
    if (first) taken.add(turn.parent);
    rows.set(turn.turn, first ? rows.get(turn.parent) : ++last);
    const button = element("button", { className: "turn", title: `@${turn.turn} ${nameOf(turn)}`, type: "button" },
      ...(turn.picture ? [element("img", { src: pictureOf(turn.picture, 320), alt: "", loading: "lazy" })] : []),
      element("span", { textContent: `@${turn.turn} ${nameOf(turn)}` }));
    button.setAttribute("role", "listitem");
    button.setAttribute("aria-current", String(turn.turn === state.head));
    button.style.gridRow = rows.get(turn.turn);
    button.style.gridColumn = depthOf(turn);
    if (turn.parent !== null) { // a line leads up to the parent
      button.dataset.up = rows.get(turn.turn) - rows.get(turn.parent);
      button.style.setProperty("--up", button.dataset.up);
    }
    button.onclick = () => say(`/goto @${turn.turn}`);
    return button;
  }));
  at("tree").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function depthOf(turn) {
  let depth = 1;
  for (; turn.parent !== null; turn = state.turns[turn.parent]) depth += 1;
  return depth;
}

function showVariants(head) { // all that was made from the same picture
  const made = head && head.parent !== null ? state.turns.filter((turn) => turn.parent === head.parent) : [];
  sideBySide = sideBySide && made.length > 1;
  at("beside").hidden = made.length < 2;
  at("beside").textContent = `Side by side (${made.length})`;
  at("beside").setAttribute("aria-pressed", String(sideBySide));
  at("picture").hidden = sideBySide;
  at("variants").hidden = !sideBySide;
  at("variants").replaceChildren(...(sideBySide ? made : []).map((turn) => {
    const button = element("button", { className: "variant", type: "button", title: `Go on with @${turn.turn}` },
      element("img", { src: pictureOf(turn.picture, 640), alt: "" }),
      element("span", { textContent: `@${turn.turn} ${nameOf(turn)}` }));
    button.setAttribute("aria-current", String(turn === head));
    button.onclick = () => { sideBySide = false; say(`/goto @${turn.turn}`); };
    return button;
  }));
}

function cutOff(message) { // the server was stopped in mid-message
  return message && { question: `“${message}” was cut off.`, options: ["go on"] };
}

function showQuestion(question) {
  const options = question ? question.options : [];
  if (question && at("log").lastElementChild?.textContent !== question.question) log("reply", question.question);
  at("options").replaceChildren(...options.map((option) =>
    element("button", { textContent: option, type: "button", onclick: () => say(option) })));
}

function working(busy, doing = "", stops = true) {
  at("work").hidden = !busy;
  at("stop").hidden = !stops;
  at("doing").textContent = doing;
  for (const button of document.querySelectorAll("#tools button, #send, .turn, .variant")) button.disabled = busy;
  if (busy && !doing) at("bar").removeAttribute("value");
  if (!busy) at("glimpse").hidden = true;
}

function glimpse(png) { // a guess at the picture while it is made, in base64
  if (!at("glimpse").complete) return; // the one before is still being read
  URL.revokeObjectURL(at("glimpse").src);
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  at("glimpse").src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  at("glimpse").hidden = false;
}

// A box that edits keep to, as [left, top, width, height] in pixels of the whole picture

let drawn = null; // while it is dragged: where it began

const corners = (region) => (/^[\d,]+$/.test(region) ? region.split(",").map(Number) : null);

function frame() { // where the picture is inside its element, and how much it is enlarged
  const [width, height] = state.size, image = at("after");
  const scale = Math.min(image.clientWidth / width, image.clientHeight / height);
  const left = image.offsetLeft + (image.clientWidth - scale * width) / 2;
  const top = image.offsetTop + (image.clientHeight - scale * height) / 2;
  return { left, top, scale, width, height };
}

function showBox(box) {
  at("box").hidden = !box || !state.size;
  const region = state.region;
  const on = Boolean(box) || region !== "off" || at("picture").classList.contains("drawing");
  at("region").setAttribute("aria-pressed", String(on));
  const base = region.split(";")[0], painted = base.startsWith("#");
  at("region").textContent = region === "off" || corners(region) ? "Region" : `Region: ${painted ? "painted" : base}`;
  at("brush").hidden = on && !brush.painting;
  at("brush").textContent = brush.painting ? "Done" : "Brush";
  at("brush").setAttribute("aria-pressed", String(brush.painting));
  at("region").hidden = brush.painting;
  at("brushes").hidden = !brush.painting;
  at("eraser").setAttribute("aria-pressed", String(brush.erasing));
  if (brush.painting) brush.place(frame()); // the tools beside it may have moved the picture
  at("painted").hidden = !painted;
  if (painted) at("painted").src = pictureOf(base.slice(1), 1280);
  if (at("box").hidden) return;
  const { left, top, scale } = frame();
  const [x, y, width, height] = box;
  Object.assign(at("box").style, { left: `${left + scale * x}px`, top: `${top + scale * y}px`,
    width: `${scale * width}px`, height: `${scale * height}px` });
}

function pointed(event) { // the pixel of the whole picture under the pointer
  const { left, top, scale, width, height } = frame();
  const rect = at("picture").getBoundingClientRect();
  const inside = (value, most) => Math.round(Math.min(Math.max(value / scale, 0), most));
  return [inside(event.clientX - rect.left - left, width), inside(event.clientY - rect.top - top, height)];
}

function between([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
}

at("region").onclick = () => {
  if (!session) return say("/region");
  if (state.region !== "off") return say("/region off");
  sideBySide = false;
  show();
  at("picture").classList.toggle("drawing");
  showBox(null);
};
at("picture").onpointerdown = (event) => {
  if (!at("picture").classList.contains("drawing") || event.target.id === "cut") return;
  event.preventDefault();
  at("picture").setPointerCapture(event.pointerId);
  drawn = pointed(event);
};
at("picture").onpointermove = (event) => drawn && showBox(between(drawn, pointed(event)));
at("picture").onpointerup = (event) => {
  if (!drawn) return;
  const box = between(drawn, pointed(event));
  drawn = null;
  at("picture").classList.remove("drawing");
  if (box[2] > 3 && box[3] > 3) say(`/region ${box.join(",")}`);
  else showBox(null);
};
const brush = new Brush(at("paint"));
at("brush").onclick = async () => {
  if (!brush.painting) {
    sideBySide = false;
    show();
    brush.begin(frame());
    return showBox(null);
  }
  const mask = await brush.end();
  showBox(null);
  if (!mask) return;
  const form = new FormData();
  form.append("mask", mask, "mask.png");
  try {
    const told = await (await asked(`/sessions/${session}/masks`, { method: "POST", body: form })).json();
    say(`/region ${told.region}`);
  } catch (error) {
    log("failed", error.message);
  }
};
at("width").oninput = () => { brush.width = at("width").value / 100; };
at("eraser").onclick = () => { brush.erasing = !brush.erasing; showBox(null); };

window.onresize = () => showBox(corners(state.region));

// What happens

const HEARD = {
  queued: (told) => working(true, `${told.before} before you`),
  step: (told) => {
    Object.assign(at("bar"), { max: told.of, value: told.i });
    working(true, told.phase === "invert" ? "reading the picture" : "drawing");
  },
  glimpse: (told) => glimpse(told.png),
  "turn.started": () => working(true, ""),
  "turn.completed": (told) => {
    at("glimpse").hidden = true;
    if (told.picture) at("after").src = pictureOf(told.picture, 1280);
  },
  reply: (told) => log("reply", told.text, told.picture),
  note: (told) => log("note", told.text),
  "turn.failed": (told) => log("failed", told.error),
  save: (told) => { location.href = `/v1/sessions/${session}/turns/${told.turn}/file`; },
};

async function say(text) {
  if (!text.trim()) return;
  if (!session) {
    at("text").value = text.startsWith("/") ? "" : text;
    return log("note", "Open a picture first, or begin with the sample portrait.");
  }
  if (!text.startsWith("/")) log("person", text);
  at("options").replaceChildren();
  working(true);
  const talked = session;
  try {
    const answer = await asked(`/sessions/${session}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text }),
    });
    let failure = "";
    for await (const told of events(answer.body)) {
      if (talked !== session) continue; // another session was chosen meanwhile
      if (told.event === "turn.failed") failure = told.error;
      else if (told.event === "reply" && failure) told.text = told.text.replace(failure, "").trim();
      HEARD[told.event]?.(told);
    }
  } catch (error) {
    log("failed", error.message);
  }
  if (talked !== session) return;
  await refresh({ told: true });
  await list();
  at("text").focus();
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
    const parts = (held + value).split("\n\n");
    held = parts.pop();
    for (const part of parts) yield JSON.parse(part.slice(part.indexOf("data: ") + 6));
  }
}

async function refresh({ told = false } = {}) { // told: its messages are in the log already
  if (!session) return;
  const shown = session;
  try {
    const now = await (await asked(`/sessions/${session}`)).json();
    if (shown !== session) return; // another session was chosen meanwhile
    const same = JSON.stringify(now.messages) === JSON.stringify(state.messages);
    state = now;
    if (!told && !same) showMessages();
    show();
  } catch (error) {
    log("failed", error.message);
    working(false);
    return;
  }
  if (state.working) setTimeout(refresh, 1000); // it was begun elsewhere, or before a reload
}

// Sessions and pictures

async function take(told) {
  session = told.session;
  state = told;
  at("models").value = state.model;
  location.hash = session;
  sideBySide = false;
  showMessages();
  for (const note of told.notes || []) log("note", note);
  show();
  if (state.working) setTimeout(refresh, 1000);
  await list();
}

async function list() {
  const rows = await (await asked("/sessions")).json();
  const names = rows.map((row) => [row.session, row.name || row.messages.find((said) => !said.startsWith("/")) || row.session]);
  if (session && !names.some(([id]) => id === session)) names.unshift([session, "this one"]);
  if (!session) names.unshift(["", names.length ? "choose an earlier one" : "none yet"]);
  at("sessions").replaceChildren(...names.map(([value, text]) => element("option", { value, textContent: text })));
  at("sessions").value = session || "";
}

async function models() { // there is something to choose if there are two
  const { data } = await (await asked("/models")).json();
  at("models").replaceChildren(...data.map(({ id }) => element("option", { value: id, textContent: id })));
  at("choosing").hidden = data.length < 2;
}

async function leave() { // for a new session
  session = null;
  state = NOTHING;
  history.replaceState(null, "", location.pathname);
  showMessages();
  show();
  await list();
}

async function begin(files, caption = "") {
  const form = new FormData();
  for (const file of files) form.append("pictures", file);
  form.append("caption", caption);
  form.append("model", at("models").value);
  const into = session && files.length && state.turns.length ? `/sessions/${session}/pictures` : "/sessions";
  working(true, "opening", false);
  at("bar").removeAttribute("value");
  try {
    await take(await (await asked(into, { method: "POST", body: form })).json());
  } catch (error) {
    working(state.working);
    if (!caption && /can tell what/.test(error.message)) return askCaption(files);
    log("failed", error.message);
  }
}

function askCaption(files) {
  at("asked").textContent = "Nobody here can tell what the picture shows. Say it in a few words:";
  at("said").value = "";
  at("ask").showModal();
  at("ask").onclose = () => {
    if (at("ask").returnValue === "yes" && at("said").value.trim()) begin(files, at("said").value);
  };
}

at("form").onsubmit = (event) => {
  event.preventDefault();
  if (!at("work").hidden) return; // what is typed meanwhile stays
  const text = at("text").value;
  at("text").value = "";
  say(text);
};
at("text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); at("form").requestSubmit(); }
};
document.onkeydown = (event) => { if (event.key === "Escape" && !at("work").hidden) at("stop").click(); };
at("stop").onclick = () => asked(`/sessions/${session}/stop`, { method: "POST" });
at("open").onclick = () => at("files").click();
at("files").onchange = () => { begin([...at("files").files]); at("files").value = ""; };
at("sample").onclick = () => { session = null; begin([]); };
at("sessions").onchange = async () => at("sessions").value && take(await (await asked(`/sessions/${at("sessions").value}`)).json());
at("models").onchange = async () => {
  if (session && at("models").value !== state.model) await leave();
  at("text").focus();
};
at("against").onchange = () => { show(); setCut(50); };
at("beside").onclick = () => { sideBySide = !sideBySide; show(); };
at("cut").oninput = () => setCut(at("cut").value);
for (const button of document.querySelectorAll("[data-say]")) button.onclick = () => say(button.dataset.say);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => { event.preventDefault(); if (event.dataTransfer.files.length) begin([...event.dataTransfer.files]); };

window.onfocus = () => at("work").hidden && refresh(); // another tab, or the terminal, may have gone on

const wanted = location.hash.slice(1);
try {
  await models();
  if (wanted) await take(await (await asked(`/sessions/${wanted}`)).json());
  else await list();
} catch (error) {
  log("failed", error.message);
}

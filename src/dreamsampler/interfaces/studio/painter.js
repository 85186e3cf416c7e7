// Painting masks: strokes in a few colors over a picture, each color with a prompt of its own.
// The value is JSON: {picture: {path, url}, mask: PNG as a data URL, prompts: [...]}.
const COLORS = ["#ff3b6b", "#2f7bff", "#f5b301", "#17b26a"];
const NAMES = ["Pink", "Blue", "Yellow", "Green"];
const MOST = 16e6;
const $ = (name) => element.querySelector(".dsp-" + name);
const canvas = $("canvas"), picture = $("picture"), ring = $("ring");
const pen = canvas.getContext("2d", { willReadFrequently: true });
let state = { picture: null, prompts: [""] };
let strokes = [], base = null, color = 0, erasing = false, current = null, sent = null;
let cursor = { x: 0, y: 0 };

const tell = (text) => { $("status").textContent = text; };
const radius = () => Math.max(1, ($("size").value / 200) * Math.max(canvas.width, canvas.height));

function publish() {
  const painted = strokes.some((s) => !s.erase) || base !== null;
  sent = JSON.stringify({
    picture: state.picture,
    mask: painted ? canvas.toDataURL("image/png") : null,
    prompts: state.prompts,
  });
  props.value = sent;
  trigger("input");
}

function drawStroke(s) {
  pen.globalCompositeOperation = s.erase ? "destination-out" : "source-over";
  pen.strokeStyle = pen.fillStyle = COLORS[s.color];
  pen.lineWidth = 2 * s.radius;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  const [first, ...rest] = s.points;
  if (!rest.length) {
    pen.arc(first[0], first[1], s.radius, 0, 7);
    pen.fill();
    return;
  }
  pen.moveTo(first[0], first[1]);
  for (const [x, y] of rest) pen.lineTo(x, y);
  pen.stroke();
}

function redraw() {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.globalCompositeOperation = "source-over";
  if (base) pen.drawImage(base, 0, 0, canvas.width, canvas.height);
  strokes.forEach(drawStroke);
}

function position(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * canvas.width,
    ((event.clientY - box.top) / box.height) * canvas.height,
  ];
}

function showRing(x, y) {
  const scale = canvas.getBoundingClientRect().width / canvas.width;
  const r = radius() * scale;
  cursor = { x, y };
  ring.style.cssText = `display:block;width:${2 * r}px;height:${2 * r}px;` +
    `left:${x * scale - r}px;top:${y * scale - r}px;` +
    `border-color:${erasing ? "#fff" : COLORS[color]}`;
}

function begin(x, y) {
  current = { color, erase: erasing, radius: radius(), points: [[x, y]] };
  strokes.push(current);
  drawStroke(current);
}

function extend(x, y) {
  current.points.push([x, y]);
  const last = current.points.slice(-2);
  drawStroke({ ...current, points: last });
}

function finish() {
  if (!current) return;
  current = null;
  redraw();
  publish();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  begin(...position(event));
});
canvas.addEventListener("pointermove", (event) => {
  showRing(...position(event));
  if (!current) return;
  const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  (all.length ? all : [event]).forEach((each) => extend(...position(each)));
});
canvas.addEventListener("pointerup", finish);
canvas.addEventListener("pointercancel", finish);
canvas.addEventListener("pointerleave", () => { if (!current) ring.style.display = "none"; });
canvas.addEventListener("keydown", (event) => {
  const step = radius() / 2;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
  else if (moves[event.key]) {
    const [dx, dy] = moves[event.key];
    const x = Math.min(Math.max(cursor.x + dx, 0), canvas.width);
    const y = Math.min(Math.max(cursor.y + dy, 0), canvas.height);
    showRing(x, y);
    if (event.shiftKey) { begin(x, y); finish(); }
  } else if (event.key === " ") { begin(cursor.x, cursor.y); finish(); }
  else if (event.key === "[") $("size").stepDown(3);
  else if (event.key === "]") $("size").stepUp(3);
  else return;
  event.preventDefault();
});
canvas.addEventListener("focus", () => {
  if (!cursor.x && !cursor.y) showRing(canvas.width / 2, canvas.height / 2);
});

function undo() {
  if (!strokes.pop() && base) base = null;
  redraw();
  publish();
}
function tool(erase) {
  erasing = erase;
  $("brush").setAttribute("aria-pressed", String(!erase));
  $("eraser").setAttribute("aria-pressed", String(erase));
}
$("brush").addEventListener("click", () => tool(false));
$("eraser").addEventListener("click", () => tool(true));
$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", () => { strokes = []; base = null; redraw(); publish(); });
$("other").addEventListener("click", () => $("file").click());

function rows() {
  const list = $("prompts");
  list.replaceChildren();
  state.prompts.forEach((words, i) => {
    const row = document.createElement("div");
    row.className = "dsp-row";
    row.innerHTML =
      `<button type="button" class="dsp-chip" style="--c:${COLORS[i]}" aria-pressed="${i === color}"` +
      ` aria-label="Paint in ${NAMES[i].toLowerCase()}"></button>` +
      `<label><span>${state.prompts.length > 1 ? NAMES[i] + " prompt" : "Prompt"}</span>` +
      `<input type="text" class="dsp-words" placeholder="What the whole picture should show in the end"></label>`;
    const field = row.querySelector("input");
    field.value = words;
    field.addEventListener("input", () => { state.prompts[i] = field.value; publish(); });
    field.addEventListener("focus", () => pick(i));
    row.querySelector("button").addEventListener("click", () => pick(i));
    list.append(row);
  });
  $("more").hidden = state.prompts.length >= COLORS.length;
}
function pick(i) {
  color = i;
  tool(false);
  element.querySelectorAll(".dsp-chip").forEach((chip, j) => chip.setAttribute("aria-pressed", String(i === j)));
}
$("more").addEventListener("click", () => {
  state.prompts.push("");
  rows();
  pick(state.prompts.length - 1);
  element.querySelectorAll(".dsp-words")[state.prompts.length - 1].focus();
  publish();
});

function open(file, mask) {
  picture.onload = () => {
    const scale = Math.min(1, Math.sqrt(MOST / (picture.naturalWidth * picture.naturalHeight)));
    canvas.width = Math.round(picture.naturalWidth * scale);
    canvas.height = Math.round(picture.naturalHeight * scale);
    cursor = { x: 0, y: 0 };
    strokes = [];
    base = null;
    $("drop").hidden = true;
    $("work").hidden = false;
    tell("Paint over what shall change.");
    if (!mask) return redraw();
    base = new Image();
    base.onload = () => { redraw(); publish(); };
    base.src = mask;
  };
  picture.onerror = () => tell("This browser cannot show that file: upload a PNG, JPEG or WebP picture.");
  picture.src = file.url;
}
async function receive(file) {
  if (!file) return;
  tell("Uploading …");
  try {
    const { path, url } = await upload(file);
    state.picture = { path, url };
    open(state.picture, null);
    publish();
  } catch (error) {
    tell(`${file.name} was not taken: ${error.message || "it may be too large"}.`);
  }
}
$("file").addEventListener("change", () => { receive($("file").files[0]); $("file").value = ""; });
$("drop").addEventListener("click", () => $("file").click());
$("drop").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("file").click(); }
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => { event.preventDefault(); receive(event.dataTransfer.files[0]); });
element.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) { event.preventDefault(); receive(file); }
});

function load() {
  if (!props.value || props.value === sent) return;
  const { picture, mask, prompts } = JSON.parse(props.value);
  state = { picture, prompts: prompts && prompts.length ? prompts : [""] };
  color = 0;
  rows();
  if (picture) open(picture, mask);
  sent = props.value;
}
rows();
load();
watch("value", load);

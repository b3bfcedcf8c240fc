"use strict";

// Rows that the list keeps; older ones go.
const MAX_ROWS = 1000;
const SECONDS = 120;
const GROUPS = {
  event: "events", "client event": "events", missed: "events",
  subscribed: "channels", unsubscribed: "channels", joined: "channels", left: "channels", "cache miss": "channels", refused: "channels", "signed in": "channels",
  connected: "connections", disconnected: "connections", closing: "connections", state: "connections",
  call: "calls",
};

const byId = (id) => document.getElementById(id);
const rows = byId("rows");
const filter = byId("filter");
const pause = byId("pause");
const details = byId("details");

/** All entries, the oldest first. A row is made only for those that pass the filter. */
let entries = [];
let arrived = [];
let isPaused = false;
let events = 0;
let rates = new Array(SECONDS).fill(0);

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

const time = (entry) => {
  const at = new Date(entry.at);
  const part = (value, length) => String(value).padStart(length, "0");
  const shown = element("time", `${part(at.getHours(), 2)}:${part(at.getMinutes(), 2)}:${part(at.getSeconds(), 2)}`);
  shown.append(element("small", `.${part(at.getMilliseconds(), 3)}`));
  return shown;
};

const isShown = (entry) => {
  const kinds = [...document.querySelectorAll("[name=kind]:checked")].map((box) => box.value);
  const wanted = filter.value.trim().toLowerCase();
  const text = () => [entry.kind, entry.who, entry.channel, entry.event, entry.data, entry.note].join(" ").toLowerCase();
  return kinds.includes(GROUPS[entry.kind] ?? "events") && (wanted === "" || text().includes(wanted));
};

const rowOf = (entry) => {
  const isBare = !entry.channel && !entry.who;
  const row = element("li", undefined, [entry.bad && "bad", isBare && "bare"].filter(Boolean).join(" "));
  row.entry = entry;
  row.append(
    time(entry),
    element("span", entry.kind, "kind"),
    element("span", entry.channel ?? entry.who ?? "", entry.channel ? "channel" : ""),
    element("span", entry.event ?? ""),
    element("span", [entry.note, entry.data, entry.channel && entry.who].filter(Boolean).join("  "), "data"),
  );
  return row;
};

const show = (shown) => {
  // However many arrive at once, only the newest can stay.
  const newest = shown.slice(-MAX_ROWS).reverse().map(rowOf);
  const top = rows.scrollTop;
  rows.prepend(...newest);
  // Someone who reads further down keeps the place.
  if (top > 0 && newest.length > 0) rows.scrollTop = top + newest.length * newest[0].offsetHeight;
  while (rows.childElementCount > MAX_ROWS) rows.lastElementChild.remove();
  byId("empty").hidden = entries.length > 0;
};

const showAll = () => {
  rows.replaceChildren();
  show(entries.filter(isShown));
};

const take = () => {
  if (isPaused || arrived.length === 0) return;
  entries = entries.concat(arrived).slice(-MAX_ROWS * 5);
  show(arrived.filter(isShown));
  arrived = [];
};

let isTaking = false;
const arrive = (entry) => {
  arrived.push(entry);
  if (arrived.length > MAX_ROWS * 5) arrived.shift();
  if (isPaused) pause.textContent = `Resume (${arrived.length})`;
  if (isTaking) return;
  isTaking = true;
  requestAnimationFrame(() => { isTaking = false; take(); });
};

const setPaused = (paused) => {
  isPaused = paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Resume" : "Pause";
  take();
};

const list = (id, items, none) => {
  const nodes = items.map(([name, note, className]) => {
    const item = element("li");
    item.append(element("span", name, className));
    if (note) item.append(element("small", note));
    return item;
  });
  byId(id).replaceChildren(...(nodes.length > 0 ? nodes : [element("li", none)]));
};

const showState = (state) => {
  byId("server").textContent = state.server;
  const counts = { ...state.counts, connections: state.connection_count, channels: state.channels.length };
  for (const count of document.querySelectorAll("[data-count]")) {
    count.textContent = (counts[count.dataset.count] ?? "–").toLocaleString();
  }
  events = state.counts.events + state.counts.client_events;
  list("channels", state.channels.map((channel) => {
    const users = channel.users?.length ? `: ${channel.users.join(", ")}` : "";
    const count = channel.count === undefined ? "has subscribers" : `${channel.count} subscribed`;
    return [channel.name, count + users, "channel"];
  }), "No channel has subscribers.");
  list("connections", state.connections.map((connection) => {
    const user = connection.user ? `${connection.user}, ` : "";
    return [connection.id, user + (connection.channels.join(", ") || "no channels")];
  }), "No connections.");
  byId("known").replaceChildren(...state.channels.map((channel) => {
    const option = element("option");
    option.value = channel.name;
    return option;
  }));
  for (const control of byId("publish").elements) control.disabled = !state.can_publish;
  if (!state.can_publish) report("Publishing needs the application's id and secret.", false);
};

const draw = () => {
  const canvas = byId("rate");
  const context = canvas.getContext("2d");
  const max = Math.max(1, ...rates);
  const width = canvas.width / SECONDS;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = getComputedStyle(canvas).color;
  rates.forEach((rate, second) => {
    const height = (rate / max) * (canvas.height - 2);
    context.fillRect(second * width, canvas.height - height, width - 1, height);
  });
  byId("rate-now").textContent = rates.at(-1).toLocaleString();
  byId("rate-max").textContent = Math.max(...rates).toLocaleString();
};

let counted;
setInterval(() => {
  // After a restart the server counts from 0 again.
  const rate = counted === undefined || events < counted ? 0 : events - counted;
  counted = events;
  rates = rates.slice(1).concat(rate);
  draw();
}, 1000);

const report = (text, isGood) => {
  const output = byId("published");
  output.textContent = text;
  output.className = isGood ? "" : "bad";
};

byId("publish").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const form = submitted.target;
  const channels = form.channels.value.split(/[\s,]+/).filter(Boolean);
  const body = JSON.stringify({ channels, event: form.event.value, data: form.data.value });
  try {
    const answer = await fetch("/console/publish", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    report(answer.ok ? `Published to ${channels.join(", ")}.` : await answer.text(), answer.ok);
  } catch {
    report("The console cannot be reached; the event may have been published.", false);
  }
});

const open = (entry) => {
  const fields = { Time: new Date(entry.at).toISOString(), Kind: entry.kind, Socket: entry.who, Channel: entry.channel, Event: entry.event, Note: entry.note };
  const known = Object.entries(fields).filter(([, value]) => value);
  byId("fields").replaceChildren(...known.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  let data = entry.data ?? "";
  try { data = JSON.stringify(JSON.parse(data), null, 2); } catch { /* not JSON, shown as it is */ }
  byId("data").textContent = data;
  byId("data").hidden = data === "";
  details.showModal();
};

const current = () => rows.querySelector("[aria-current]");
const move = (row) => {
  if (!row) return;
  current()?.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  row.scrollIntoView({ block: "nearest" });
};

rows.addEventListener("click", (click) => {
  const row = click.target.closest("li");
  if (row) { move(row); open(row.entry); }
});
rows.addEventListener("keydown", (key) => {
  if (key.key === "ArrowDown") move(current()?.nextElementSibling ?? rows.firstElementChild);
  else if (key.key === "ArrowUp") move(current()?.previousElementSibling);
  else if (key.key === "Enter" && current()) open(current().entry);
  else return;
  key.preventDefault();
});
document.addEventListener("keydown", (key) => {
  const isTyping = ["INPUT", "TEXTAREA"].includes(document.activeElement.tagName);
  if (isTyping && key.key === "Escape") document.activeElement.blur();
  if (isTyping || details.open || key.ctrlKey || key.metaKey || key.altKey) return;
  const actions = { "/": () => filter.focus(), p: () => setPaused(!isPaused), n: () => byId("publish").elements.channels.focus() };
  const action = actions[key.key];
  if (action) { key.preventDefault(); action(); }
});

pause.addEventListener("click", () => setPaused(!isPaused));
byId("clear").addEventListener("click", () => { entries = []; arrived = []; showAll(); });
byId("filters").addEventListener("input", showAll);
byId("filters").addEventListener("submit", (submitted) => submitted.preventDefault());

const status = (state, text) => {
  byId("status").dataset.state = state;
  byId("status").textContent = text;
};

const follow = () => {
  const source = new EventSource("/console/feed");
  source.addEventListener("open", () => status("open", "live"));
  source.addEventListener("entry", (message) => arrive(JSON.parse(message.data)));
  source.addEventListener("state", (message) => showState(JSON.parse(message.data)));
  source.addEventListener("error", () => {
    status("lost", "the server is away, trying again");
    // After some errors browsers give up by themselves.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 1000);
  });
};
follow();
draw();

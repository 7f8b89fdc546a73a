// The box: asks for a user or for items like one, adds events, and marks what they changed. The figures renew themselves.
"use strict";

const K = 20;
const PAUSE_MS = 120;
const RENEW_MS = 5000;
const $ = (id) => document.getElementById(id);

const make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const surface = document.querySelector(".try")?.dataset.surface;
const state = { asked: null, ranks: new Map(), titles: new Map(), choices: [], active: -1, turn: 0 };

const send = async (path, body) => {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, options || undefined);
  if (reply.status === 401) location.reload();
  const told = await reply.json();
  if (!reply.ok) throw new Error(told.detail);
  return told;
};

const say = (text, wrong = false) => {
  $("said").textContent = text;
  $("said").className = wrong ? "bad" : "soft";
};

const attempt = (work) => async (...given) => {
  try {
    await work(...given);
  } catch (error) {
    say(error.message, true);
  }
};

// Choices under the box

const look = async () => {
  const text = $("who").value.trim();
  const turn = ++state.turn;
  if (!text) return show([]);
  const found = await send(`/page/search?${new URLSearchParams({ surface, text })}`);
  if (turn !== state.turn) return;
  const user = { kind: "user", id: text, title: text, about: found.user ? "user" : "nobody knows this user" };
  const items = found.items.map((one) => ({ kind: "item", id: one.item_id, title: one.title, about: "more like this" }));
  show(found.user ? [user, ...items] : [...items, user]);
};

const show = (choices) => {
  state.choices = choices;
  state.active = choices.length ? 0 : -1;
  $("choices").replaceChildren(...choices.map((one, place) => {
    const line = make("li", { id: `choice-${place}`, role: "option" },
      make("span", { textContent: one.title }), make("small", { textContent: one.about }));
    line.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(one); });
    return line;
  }));
  $("choices").hidden = !choices.length;
  $("who").setAttribute("aria-expanded", String(choices.length > 0));
  mark();
};

const mark = () => {
  [...$("choices").children].forEach((line, place) => line.setAttribute("aria-selected", String(place === state.active)));
  if (state.active < 0) $("who").removeAttribute("aria-activedescendant");
  else {
    $("who").setAttribute("aria-activedescendant", `choice-${state.active}`);
    $("choices").children[state.active].scrollIntoView({ block: "nearest" });
  }
};

const choose = attempt(async (one) => {
  state.turn++;
  show([]);
  $("who").value = one.title;
  state.asked = one;
  state.ranks = new Map();
  await ask();
});

// Answers

const ask = async (event) => {
  const whom = state.asked.kind === "user" ? { user_id: state.asked.id } : { item_ids: [state.asked.id] };
  const answer = await send("/v1/retrieve", { ...whom, surface, k: K, include: ["explain", "features"] });
  const before = state.ranks;
  state.ranks = new Map(answer.candidates.map((one) => [one.item_id, one.rank]));
  state.request = answer.request_id;
  for (const one of answer.candidates) state.titles.set(one.item_id, titleOf(one));
  $("answer").hidden = false;
  $("event").hidden = state.asked.kind !== "user";
  $("known").replaceChildren(...known(answer));
  list(answer, before);
  const took = `${answer.took_ms.total.toFixed(2)} ms`;
  const whose = state.asked.kind === "user" ? `for ${state.asked.title}` : `like ${state.asked.title}`;
  const made = { tower: "by taste and popularity", cold: "by popularity: nothing is known of this user" }[answer.source];
  const moved = event ? `${event} ${changes(before)}. ` : "";
  say(`${moved}${answer.candidates.length} candidates ${whose}${made ? `, ${made}` : ""}, from release ${answer.sequence} in ${took}.`);
};

const titleOf = (one) => String(one.item.title ?? one.item.name ?? one.item.label ?? one.item_id);

const changes = (before) => {
  const fresh = [...state.ranks.keys()].filter((id) => !before.has(id)).length;
  const moved = [...state.ranks].filter(([id, rank]) => before.has(id) && before.get(id) !== rank).length;
  const gone = [...before.keys()].filter((id) => !state.ranks.has(id)).length;
  return `${fresh} new, ${moved} moved, ${gone} gone`;
};

const list = (answer, before) => {
  const reach = Math.max(...answer.candidates.flatMap((one) => one.explain
    ? [Math.abs(one.explain.taste) + Math.abs(one.explain.popularity)] : [Math.abs(one.score)]), 1e-9);
  $("found").replaceChildren(...answer.candidates.map((one) => candidate(one, before, reach)));
  const gone = [...before.keys()].filter((id) => !state.ranks.has(id)).map((id) => state.titles.get(id));
  $("gone").textContent = gone.length ? `Gone: ${gone.join(" · ")}` : "";
};

const candidate = (one, before, reach) => {
  const title = make("button", { className: "title plain", textContent: titleOf(one), title: "More like this" });
  title.addEventListener("click", () => choose({ kind: "item", id: one.item_id, title: titleOf(one) }));
  const said = Object.entries(one.item).filter(([name, value]) => value !== null && String(value) !== titleOf(one) && !/^(title|name|label)$/.test(name));
  const about = [one.item_id, ...said.map(([name, value]) => `${name} ${plain(value)}`)];
  const what = make("div", { className: "what" }, title, make("small", { className: "soft", textContent: about.join(" · ") }));
  const line = make("li", {}, make("span", { className: "rank", textContent: one.rank }), movement(one, before), what, why(one, reach));
  if (state.asked.kind === "user") {
    const add = make("button", { className: "add", textContent: "Add event" });
    add.setAttribute("aria-label", `Add an event: ${state.asked.title} and ${titleOf(one)}`);
    add.addEventListener("click", () => post(one, add));
    line.append(add);
  }
  return line;
};

const exact = (value) => String(typeof value === "number" ? Number(value.toPrecision(5)) : value);

const plain = (value) => {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value.replace(/^(\d{4}-\d\d-\d\d)T00:00:00(\.0+)?(Z|\+00:00)$/, "$1") : exact(value);
};

const movement = (one, before) => {
  const old = before.get(one.item_id);
  if (!before.size || old === one.rank) return make("span", { className: "moved" });
  if (old === undefined) return make("span", { className: "moved good", textContent: "new" });
  const steps = Math.abs(old - one.rank);
  const [sign, word] = old > one.rank ? ["↑", "up"] : ["↓", "down"];
  const made = make("span", { className: `moved ${word}`, textContent: `${sign}${steps}` });
  made.setAttribute("aria-label", `${word} ${steps}`);
  return made;
};

const why = (one, reach) => {
  const parts = one.explain ? [["taste", one.explain.taste], ["popularity", one.explain.popularity]] : [["taste", one.score]];
  const said = one.explain ? parts.map(([name, value]) => `${name} ${value.toFixed(3)}`).join(", ") : `score ${one.score.toFixed(3)}`;
  const bar = make("span", { className: "bar", title: said });
  for (const [name, value] of parts) {
    const part = make("i", { className: value < 0 ? `${name} less` : name });
    part.style.width = `${(100 * Math.abs(value)) / reach}%`;
    bar.append(part);
  }
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", said);
  return make("span", { className: "why" }, bar, make("span", { className: "score", textContent: one.score.toFixed(3) }));
};

const known = (answer) => {
  const features = Object.entries(answer.features ?? {}).filter(([, value]) => value !== null);
  if (!features.length) return [];
  const terms = features.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", {}, ...feature(value))]);
  const open = $("known").querySelector("details")?.open ?? true;
  return [make("details", { open }, make("summary", { textContent: "What is known of them" }), make("dl", {}, ...terms))];
};

const feature = (value) => {
  if (!Array.isArray(value)) return [exact(value)];
  if (value.length > 6 && value.every((one) => typeof one === "number")) return [strip(value)];
  const newest = value.slice(0, 8).map((one) => state.titles.get(String(one)) ?? String(one));
  return [newest.length ? newest.join(" · ") + (value.length > 8 ? ` and ${value.length - 8} more` : "") : "none"];
};

const strip = (values) => {
  const most = Math.max(...values.map(Math.abs), 1e-9);
  const made = make("span", { className: "strip", title: `${values.length} numbers` });
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `${values.length} numbers`);
  for (const value of values) {
    const part = make("i", { className: value < 0 ? "less" : "" });
    part.style.height = `${(50 * Math.abs(value)) / most}%`;
    made.append(part);
  }
  return made;
};

// Events

const post = attempt(async (one, button) => {
  const value = $("value").value.trim().replace(",", ".");
  if (value && !Number.isFinite(Number(value))) throw new Error("The event's value must be a number, or empty.");
  button.disabled = true;
  try {
    const event = { kind: "interaction", user_id: state.asked.id, item_id: one.item_id, type: $("type").value.trim() || "view",
      request_id: state.request, surface, ...(value && { value: Number(value) }) };
    const began = performance.now();
    await send("/v1/events", event);
    await ask(`Event stored in ${Math.round(performance.now() - began)} ms.`);
    renew();
  } finally {
    button.disabled = false;
  }
});

// Figures

const renew = async () => {
  if (document.hidden) return;
  let text;
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!reply.ok) return;
    text = await reply.text();
  } catch {
    return; // the server is away: what was known stays until it is back
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (!fresh.getElementById("figures")) return location.reload(); // the key is not good any more
  if (!fresh.getElementById("ask") !== !$("ask")) return location.reload(); // the first release is here
  for (const part of document.querySelectorAll(".live")) {
    const now = fresh.getElementById(part.id).innerHTML;
    if (now !== part.innerHTML) part.innerHTML = now;
  }
};

if (surface !== undefined) {
  let waiting;
  $("who").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(attempt(look), PAUSE_MS);
  });
  $("who").addEventListener("keydown", (event) => {
    const count = state.choices.length;
    if (event.key === "Escape") show([]);
    else if (count && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      state.active = (state.active + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
      mark();
    }
  });
  $("who").addEventListener("blur", () => show([]));
  $("ask").addEventListener("submit", attempt(async (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    if (!state.choices.length) await look();
    if (state.active >= 0) await choose(state.choices[state.active]);
  }));
}
if ($("figures")) setInterval(renew, RENEW_MS);

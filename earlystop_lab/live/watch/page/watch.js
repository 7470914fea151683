// Asks the server every second and shows what it says. What comes from there is shown as text:
// it goes into textContent, never into markup, and never into the charts' labels.

const EVERY = 1000;
const DASHES = ["dash", "dot", "dashdot", "longdash"];
const at = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

// of runs laid over the one that is shown; on dark and on light
const COLOURS = [
  "#c2410c", "#15803d", "#9333ea", "#be185d", "#0f766e", "#a16207", "#4f46e5", "#64748b",
];

let known = { criteria: [], runs: [] };
//: the run that is shown and those laid over it, by name: what the server said of each, and its tag
const fetched = new Map();
//: the column that runs are sorted by, null for the server's order
let sorted = { column: null, descending: false };

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function list(node, texts) {
  if (node.dataset.said === JSON.stringify(texts)) return;
  node.dataset.said = JSON.stringify(texts);
  node.replaceChildren(...texts.map((text) => element("li", { textContent: text })));
}

const number = (value) => (value === null ? "not finite" : String(Number(value.toPrecision(5))));
const epochs = (value) => String(value);

function ago(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

// -- the runs ---------------------------------------------------------------------------------

const asked = () => new URLSearchParams(location.hash.slice(1));
const chosen = () => asked().get("run") ?? known.runs[0]?.run ?? null;
const overlaid = () => {
  const there = new Set(known.runs.map((run) => run.run));
  return [...new Set(asked().getAll("with"))].filter((name) => there.has(name) && name !== chosen());
};
const rows = new Map();

function addressOf(name, others) {
  return `#${new URLSearchParams([["run", name], ...others.map((other) => ["with", other])])}`;
}

function lay(name, over) {
  const others = overlaid().filter((other) => other !== name);
  history.replaceState(null, "", addressOf(chosen(), over ? [...others, name] : others));
  goOn();
}

// what a run is sorted by in each column; null comes last, whichever way
const keys = (run) => [
  run.run, run.epoch, run.val, run.best?.val ?? null, ...run.stops, run.silent,
];

function inOrder(runs) {
  const { column, descending } = sorted;
  if (column === null) return runs;
  const sign = descending ? -1 : 1;
  const key = new Map(runs.map((run) => [run, keys(run)[column] ?? null]));
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  return [...runs].sort((first, second) => {
    const [a, b] = [key.get(first), key.get(second)];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * compare(a, b);
  });
}

function sortBy(column) {
  const again = sorted.column === column;
  // the third time: as before
  sorted = again && sorted.descending
    ? { column: null, descending: false }
    : { column, descending: again };
  showRuns();
}

function showColumns() {
  const units = new Set(known.runs.map((run) => run.unit));
  const unit = units.size === 1 ? [...units][0] : "position";
  const titles = [
    "Run", unit[0].toUpperCase() + unit.slice(1), "Validation", "Best", ...known.criteria,
    "Last check",
  ];
  if (at("columns").dataset.said !== JSON.stringify(titles)) {
    at("columns").dataset.said = JSON.stringify(titles);
    at("columns").replaceChildren(...titles.map((title, i) => element(
      "th", { scope: "col" },
      element("button", { type: "button", textContent: title, onclick: () => sortBy(i) }),
    )));
  }
  [...at("columns").children].forEach((head, i) => {
    if (i !== sorted.column) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
  });
}

function row(name) {
  if (!rows.has(name)) {
    const link = element("a", { textContent: name, title: name });
    const box = element("input", { type: "checkbox", title: "Lay over the run that is shown" });
    box.setAttribute("aria-label", `Lay ${name} over the run that is shown`);
    box.onchange = () => lay(name, box.checked);
    const cells = Array.from({ length: known.criteria.length + 4 }, () => element("td"));
    const made = element("tr", {}, element("th", { scope: "row" }, box, link), ...cells);
    rows.set(name, { made, link, box, cells });
  }
  return rows.get(name);
}

function showRun(run) {
  const { made, link, box, cells } = row(run.run);
  const others = overlaid();
  link.href = addressOf(run.run, others);
  box.checked = others.includes(run.run);
  box.disabled = run.run === chosen();
  const part = at("filter").value.trim().toLowerCase();
  made.hidden = !run.run.toLowerCase().includes(part);
  const best = run.best ? `${number(run.best.val)} at ${epochs(run.best.epoch)}` : "none";
  const stops = run.stops.map((stop) => (stop === null ? "goes on" : `stops at ${epochs(stop)}`));
  const texts = [epochs(run.epoch), number(run.val), best, ...stops, ago(run.silent)];
  texts.forEach((text, i) => say(cells[i], text));
  run.stops.forEach((stop, i) => cells[3 + i].classList.toggle("stopped", stop !== null));
  made.classList.toggle("chosen", run.run === chosen());
  if (run.run === chosen()) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  return made;
}

function showRuns() {
  showColumns();
  const there = inOrder(known.runs).map(showRun);
  const names = new Set(known.runs.map((run) => run.run));
  for (const [name, { made }] of rows) {
    if (!names.has(name)) {
      made.remove();
      rows.delete(name);
    }
  }
  // rows stay where they are, so that whoever is on one keeps it; new ones come on top
  const body = at("runs");
  const focused = document.activeElement;
  there.forEach((made, i) => {
    if (body.children[i] !== made) body.insertBefore(made, body.children[i] ?? null);
  });
  if (body.contains(focused)) focused.focus();
  at("all").hidden = !known.runs.length;
  at("none").hidden = Boolean(known.runs.length);
  const troubles = [known.trouble, ...known.unread].filter(Boolean);
  if (known.refused) {
    const posts = known.refused === 1 ? "1 post" : `${known.refused} posts`;
    troubles.push(`${posts} refused; the last: ${known.refusal}`);
  }
  list(at("troubles"), troubles);
  at("troubles").hidden = !troubles.length;
}

// -- the charts -------------------------------------------------------------------------------

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

// errors that fall by orders of magnitude show nothing but their first epochs on a linear scale
function scale(unit, traces, scaled) {
  const values = traces
    .filter((trace) => trace.yaxis === undefined)
    .flatMap((trace) => trace.y)
    .filter((value) => value !== null);
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const logarithmic = scaled === "" ? low > 0 && high > 20 * low : scaled === "log";
  return logarithmic
    ? { type: "log", dtick: "D2", title: { text: `${unit}, logarithmic` } }
    : { type: "linear", title: { text: unit } };
}

function draw(node, traces, stops, words) {
  const axis = { gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false, automargin: true };
  const layout = {
    margin: { l: 55, r: 12, t: 24, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text"), family: "system-ui, sans-serif", size: 13 },
    xaxis: { ...axis, title: { text: words.at }, range: words.epochs },
    yaxis: { ...axis, ...scale(words.unit, words.wide ? traces : [], words.scaled ?? "") },
    // of what has no place on the other one
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    legend: { orientation: "h", y: 1, yanchor: "bottom", x: 1, xanchor: "right" },
    showlegend: words.legend,
    // a part that was zoomed into stays, whatever comes
    uirevision: words.about,
    shapes: stops.map(({ epoch, dash }) => ({
      type: "line", x0: epoch, x1: epoch, y0: 0, y1: 1, yref: "paper",
      line: { color: colour("alert"), width: 1.5, dash },
    })),
    annotations: stops.map(({ epoch, text }, i) => ({
      text, x: epoch, y: 1 - 0.09 * i, yref: "paper", xanchor: "left", yanchor: "top",
      showarrow: false, font: { color: colour("alert") },
    })),
  };
  node.setAttribute("aria-label", words.label);
  Plotly.react(node, traces, layout, { displayModeBar: false, responsive: true });
}

function line(name, curve, style = {}, mode = "lines") {
  const few = curve.epoch.length < 30 && mode === "lines" ? "lines+markers" : mode;
  return {
    name, x: curve.epoch, y: curve.value, mode: few, type: "scatter", marker: { size: 5 },
    line: { color: colour(name), width: 1.8, ...style },
  };
}

// the same epochs in all charts of a run, with room for its last point
function span(run, others = []) {
  const all = [run, ...others];
  const first = Math.min(...all.map((each) => each.curves.val.epoch[0]));
  const last = Math.max(...all.map((each) => each.epoch));
  const room = Math.max(1, 0.03 * (last - first));
  return [first - room, last + room];
}

function showCurves(run, others) {
  const traces = others.map((other, i) => {
    const laid = line("val", other.curves.val, { width: 1.4 });
    laid.line.color = laid.marker.color = COLOURS[i % COLOURS.length];
    // names come from outside: they stand in the list above
    return { ...laid, name: `run ${i + 1}`, showlegend: false };
  });
  showOverlaid(run, others);
  if (run.curves.train) traces.push(line("train", run.curves.train));
  traces.push(line("val", run.curves.val));
  if (run.best) {
    traces.push({
      name: "best", x: [run.best.epoch], y: [run.best.val], mode: "markers", type: "scatter",
      marker: { size: 12, color: colour("val"), symbol: "circle-open", line: { width: 2.5 } },
    });
  }
  for (const [name, { count, epoch }] of Object.entries(run.not_finite)) {
    if (!count) continue;
    traces.push({
      name: `${name} not finite (${count})`, x: epoch, y: epoch.map(() => 0.03), yaxis: "y2",
      mode: "markers", type: "scatter", hovertemplate: "%{x}",
      marker: { size: 8, color: colour(name), symbol: "x-thin-open", line: { width: 2 } },
    });
  }
  const stops = run.verdicts
    .map(({ stop, criterion }, i) => ({
      epoch: stop, text: criterion, dash: DASHES[i % DASHES.length],
    }))
    .filter(({ epoch }) => epoch !== null);
  const what = run.channels.mode === "max" ? "score" : "error";
  const many = what[0].toUpperCase() + what.slice(1);
  draw(at("curves"), traces, stops, {
    unit: what, at: run.unit, about: run.run, legend: true, wide: true,
    epochs: span(run, others), scaled: at("scale").value,
    label: `${many}s of ${run.checks} checks, the last at ${run.unit} ${epochs(run.epoch)}; ` +
      run.verdicts.map((each) => sentence(each, run)).join("; "),
  });
}

function showOverlaid(run, others) {
  const texts = others.map((other) => {
    const unit = other.unit === run.unit ? "" : `, in units of ${other.unit}`;
    const mode = other.channels.mode === run.channels.mode ? "" : `, ${other.channels.mode} is best`;
    return `${other.run}: ${other.channels.val}${unit}${mode}`;
  });
  list(at("overlaid"), texts);
  [...at("overlaid").children].forEach((item, i) => {
    item.style.setProperty("--own", COLOURS[i % COLOURS.length]);
  });
}

// a rule with strips looks for the best check at their ends alone
function seen(verdict, run) {
  if (verdict.selected === null || !run.best || verdict.selected === run.best.epoch) return "";
  const value = verdict.selected_val === null ? "not finite" : number(verdict.selected_val);
  return `; the best check that it sees is ${epochs(verdict.selected)} (${value}), that of all ` +
    `${epochs(run.best.epoch)} (${number(run.best.val)})`;
}

function sentence(verdict, run) {
  if (verdict.problem) return verdict.problem;
  if (verdict.reason) return `Stops: ${verdict.reason}${seen(verdict, run)}`;
  const behind = verdict.waiting ? `; ${verdict.waiting} checks still to be looked at` : "";
  const now = verdict.statistics.map(
    (each) => `${each.value === null ? "undefined" : number(each.value)}, stops when ` +
      `${each.passes} ${each.threshold}`,
  );
  return `Goes on: ${now.join("; ") || "nothing to see yet"}${behind}${seen(verdict, run)}`;
}

function cards(run) {
  const node = at("verdicts");
  const key = JSON.stringify([run.run, run.verdicts.map((each) => each.statistics.length)]);
  if (node.dataset.key !== key) {
    node.dataset.key = key;
    node.replaceChildren(...run.verdicts.map((verdict) => element(
      "article", { className: "verdict" },
      element("h4", { textContent: verdict.criterion }),
      element("p", { className: "said" }),
      ...verdict.statistics.map(() => {
        const chart = element("div", { className: "chart" });
        chart.setAttribute("role", "img");
        return chart;
      }),
    )));
  }
  return [...node.children];
}

function showVerdicts(run) {
  cards(run).forEach((card, i) => {
    const verdict = run.verdicts[i];
    say(card.querySelector(".said"), sentence(verdict, run));
    card.querySelector(".said").classList.toggle("stopped", verdict.stop !== null);
    [...card.querySelectorAll(".chart")].forEach((chart, j) => {
      const { curve, threshold, criterion } = verdict.statistics[j];
      const ends = { epoch: [curve.epoch[0], run.epoch], value: [threshold, threshold] };
      const limit = { ...line("threshold", ends, { dash: "dash", width: 1.2 }), mode: "lines" };
      limit.line.color = colour("alert");
      const traces = [{ ...line("statistic", curve), connectgaps: false }, limit];
      traces[0].line.color = colour("val");
      // a rule with strips has a statistic only at their ends
      if (curve.value.includes(null)) traces[0].mode = "lines+markers";
      const stop = { epoch: verdict.stop, text: "", dash: DASHES[i % DASHES.length] };
      draw(chart, traces, verdict.stop === null ? [] : [stop], {
        unit: "statistic", at: run.unit, about: `${run.run} ${criterion}`, legend: false, epochs: span(run),
        label: `Statistic of ${criterion} against its threshold ${threshold}; ${sentence(verdict, run)}`,
      });
    });
  });
}

function show(run, others) {
  say(at("run-title"), run.run);
  document.title = `${run.run} · earlystop watch`;
  const { val, train, mode, stand_in: standIn } = run.channels;
  const what = mode === "max" ? "score, higher is better" : "error";
  const first = standIn
    ? `Nothing of validation: the training ${what} ${val} stands in for it. `
    : `Validation ${what}: ${val}. Training: ${train ?? "none"}. `;
  say(at("channels"), `${first}${run.checks} checks.`);
  list(at("notes"), run.notes);
  at("one").hidden = false;
  showCurves(run, others);
  showVerdicts(run);
}

// -- asking -----------------------------------------------------------------------------------

// whether there is something new of a run, which is fetched; null where there is no such run
async function look(name) {
  const tag = fetched.get(name)?.tag;
  const headers = tag ? { "If-None-Match": tag } : {};
  const found = await fetch(`/api/run?${new URLSearchParams({ name })}`, { cache: "no-store", headers });
  if (found.status === 304) return false;
  if (found.status === 404) {
    fetched.delete(name);
    return null;
  }
  fetched.set(name, { tag: found.headers.get("ETag"), run: await found.json() });
  return true;
}

//: the names of what is drawn
let drawn = "";

async function ask() {
  const answer = await fetch("/api/runs", { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  known = await answer.json();
  showRuns();
  const name = chosen();
  if (name === null) return;
  const names = [name, ...overlaid()];
  for (const other of fetched.keys()) {
    if (!names.includes(other)) fetched.delete(other);
  }
  const found = await Promise.all(names.map(look));
  if (found[0] === null) {
    at("one").hidden = true;
    drawn = "";
    return;
  }
  if (found.includes(true) || drawn !== JSON.stringify(names)) drawAgain();
}

function drawAgain() {
  const names = [chosen(), ...overlaid()].filter((name) => fetched.has(name));
  const [run, ...others] = names.map((name) => fetched.get(name).run);
  if (run === undefined || run.run !== chosen()) return;
  drawn = JSON.stringify([chosen(), ...overlaid()]);
  show(run, others);
}

let waiting = null;

async function goOn() {
  clearTimeout(waiting);
  try {
    await ask();
    const count = known.runs.length;
    say(at("state"), `${count} ${count === 1 ? "run" : "runs"}, saved in ${known.folder}/`);
  } catch (error) {
    say(at("state"), "The server does not answer; what is shown is from before. Trying again …");
    console.info(error);
  }
  clearTimeout(waiting);
  waiting = setTimeout(goOn, document.hidden ? 10 * EVERY : EVERY);
}

say(at("how"), [
  `keras.callbacks.RemoteMonitor(root="${location.origin}")`,
  `keras.callbacks.RemoteMonitor(root="${location.origin}/runs/NAME")  # several at once`,
  "earlystop watch run/log.csv",
].join("\n"));
addEventListener("hashchange", goOn);
document.addEventListener("visibilitychange", goOn);
dark.addEventListener("change", drawAgain);
at("scale").addEventListener("change", drawAgain);
at("filter").addEventListener("input", showRuns);
goOn();

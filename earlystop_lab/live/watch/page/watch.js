// Asks the server every second and shows what it says. What comes from there is shown as text:
// it goes into textContent, never into markup, and never into the charts' labels.

const EVERY = 1000;
const DASHES = ["dash", "dot", "dashdot", "longdash"];
const at = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

let known = { criteria: [], runs: [] };
let shown = { name: null, tag: null, run: null };

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

const chosenByUser = () => new URLSearchParams(location.hash.slice(1)).get("run");
const chosen = () => chosenByUser() ?? known.runs[0]?.run ?? null;
const rows = new Map();

function showColumns() {
  const units = new Set(known.runs.map((run) => run.unit));
  const unit = units.size === 1 ? [...units][0] : "position";
  const titles = [
    "Run", unit[0].toUpperCase() + unit.slice(1), "Validation", "Best", ...known.criteria,
    "Last check",
  ];
  if (at("columns").dataset.said === JSON.stringify(titles)) return;
  at("columns").dataset.said = JSON.stringify(titles);
  at("columns").replaceChildren(
    ...titles.map((title) => element("th", { scope: "col", textContent: title })),
  );
}

function row(name) {
  if (!rows.has(name)) {
    const link = element("a", { textContent: name, title: name });
    link.href = `#${new URLSearchParams({ run: name })}`;
    const cells = Array.from({ length: known.criteria.length + 4 }, () => element("td"));
    const made = element("tr", {}, element("th", { scope: "row" }, link), ...cells);
    rows.set(name, { made, link, cells });
  }
  return rows.get(name);
}

function showRun(run) {
  const { made, link, cells } = row(run.run);
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
  const there = known.runs.map(showRun);
  const names = new Set(known.runs.map((run) => run.run));
  for (const [name, { made }] of rows) {
    if (!names.has(name)) {
      made.remove();
      rows.delete(name);
    }
  }
  // rows stay where they are, so that whoever is on one keeps it; new ones come on top
  const body = at("runs");
  there.forEach((made, i) => {
    if (body.children[i] !== made) body.insertBefore(made, body.children[i] ?? null);
  });
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
function scale(unit, traces) {
  const values = traces
    .filter((trace) => trace.yaxis === undefined)
    .flatMap((trace) => trace.y)
    .filter((value) => value !== null);
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const logarithmic = low > 0 && high > 20 * low;
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
    yaxis: { ...axis, ...scale(words.unit, words.wide ? traces : []) },
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
function span(run) {
  const first = run.curves.val.epoch[0];
  const room = Math.max(1, 0.03 * (run.epoch - first));
  return [first - room, run.epoch + room];
}

function showCurves(run) {
  const traces = [];
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
    unit: what, at: run.unit, about: run.run, legend: true, wide: true, epochs: span(run),
    label: `${many}s of ${run.checks} checks, the last at ${run.unit} ${epochs(run.epoch)}; ` +
      run.verdicts.map((each) => sentence(each, run)).join("; "),
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

function show(run) {
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
  showCurves(run);
  showVerdicts(run);
}

// -- asking -----------------------------------------------------------------------------------

async function ask() {
  const answer = await fetch("/api/runs", { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  known = await answer.json();
  showRuns();
  const name = chosen();
  if (name === null) return;
  const headers = name === shown.name && shown.tag ? { "If-None-Match": shown.tag } : {};
  const found = await fetch(`/api/run?${new URLSearchParams({ name })}`, { cache: "no-store", headers });
  if (found.status === 304) return;
  if (found.status === 404) {
    at("one").hidden = true;
    shown = { name: null, tag: null, run: null };
    return;
  }
  shown = { name, tag: found.headers.get("ETag"), run: await found.json() };
  show(shown.run);
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
dark.addEventListener("change", () => shown.run && show(shown.run));
goOn();

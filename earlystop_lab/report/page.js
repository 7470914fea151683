const at = (id) => document.getElementById(id);
const page = JSON.parse(at("page-data").textContent);

/** Draw a chart with its data, lists of rows by name. */
async function draw(id, spec, datasets) {
  const whole = { ...spec, datasets: { ...spec.datasets, ...datasets } };
  return (await vegaEmbed(at(id), whole, page.options)).view;
}

/** Convert a table from columns to rows. */
function rowsOf(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}

const percent = new Intl.NumberFormat("en", { style: "percent", maximumSignificantDigits: 3 });
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 6 });

/** Fill a select with names, optionally in groups. */
function offer(select, names, groups) {
  const boxes = new Map();
  select.replaceChildren();
  names.forEach((name, index) => {
    const group = groups ? groups[index] : "";
    if (group && !boxes.has(group)) {
      const box = document.createElement("optgroup");
      box.label = group;
      boxes.set(group, box);
      select.append(box);
    }
    (boxes.get(group) ?? select).append(new Option(name, index));
  });
}

/** Unpack the data of a run: compressed JSON in base64. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).json();
}

class Explorer {
  views = {};

  async start() {
    // the data are large, and read only when the explorer is opened
    this.data = JSON.parse(at("explorer-data").textContent);
    offer(at("corpus"), this.data.corpora.map((corpus) => corpus.name));
    at("corpus").addEventListener("change", () => this.pickCorpus());
    at("run").addEventListener("change", () => this.pickRun());
    at("rule").addEventListener("change", () => this.pickRule());
    at("threshold").addEventListener("input", () => this.pickThreshold());
    await this.pickCorpus();
  }

  async pickCorpus() {
    this.corpus = this.data.corpora[at("corpus").value];
    const { runs, rules, of } = this.corpus;
    offer(at("run"), runs.map((run) => run.run), runs.map((run) => run.problem));
    offer(at("rule"), rules.map((rule) => rule.name));
    at("sample").textContent = `${runs.length} of ${of} runs can be selected here.`;
    this.rule = undefined;
    await this.pickRun();
  }

  async pickRun() {
    const asked = this.corpus.runs[at("run").value];
    const run = await unpacked(asked.packed);
    // another run was selected in the meantime
    if (asked !== this.corpus.runs[at("run").value]) return;
    this.run = run;
    this.curve = Object.entries(run.curves).flatMap(([curve, columns]) =>
      rowsOf(columns).map((row) => ({ curve, ...row })),
    );
    await this.pickRule();
  }

  async pickRule() {
    const rule = this.corpus.rules[at("rule").value];
    this.seen = this.run.rules[at("rule").value];
    if (rule !== this.rule) {
      const slider = at("threshold");
      slider.max = rule.members.length - 1;
      slider.value = Math.floor(slider.max / 2);
      slider.disabled = rule.members.length < 2;
      this.sweep = [...new Set([rule, this.corpus.rules[0]])].flatMap((each) => points(each, this.data.floor));
    }
    this.rule = rule;
    await this.pickThreshold();
  }

  async pickThreshold() {
    const { corpus, rule, run, seen } = this;
    const member = at("threshold").value;
    const [stop, selected, error] = [seen.stop[member], seen.selected[member], seen.error[member]];
    const [threshold, statistic] = [rule.thresholds[member], seen.statistics[seen.series[member]]];
    const epochs = { stop, first: run.first, last: run.last };
    say(corpus, rule, run, seen, member);
    await Promise.all([
      this.show("run-curves", { curve: this.curve }, {
        ...epochs,
        selected,
        // the error is null if nothing was measured
        low: Math.min(run.low, error ?? run.low),
        high: Math.max(run.high, error ?? run.high),
      }),
      this.show("run-statistic", { seen: rowsOf(statistic) }, {
        ...epochs, threshold, ...around(statistic, stop, threshold),
      }),
      this.show("run-front", {
        sweep: this.sweep,
        here: [
          { of: "mean over all runs", ...placed(rule.time[member], rule.regret[member], this.data.floor) },
          { of: "this run", ...placed(stop / run.last, seen.regret[member], this.data.floor) },
        ],
      }, {}),
    ]);
  }

  /** Draw a chart for the first time, or update its data and parameters. */
  async show(id, datasets, values) {
    const spec = this.data.charts[id];
    if (!this.views[id]) {
      const params = spec.params.map((param) => ({ ...param, value: values[param.name] ?? param.value }));
      this.views[id] = draw(id, { ...spec, params }, datasets);
    }
    const view = await this.views[id];
    for (const [name, rows] of Object.entries(datasets)) view.data(name, rows);
    for (const [name, value] of Object.entries(values)) view.signal(name, value);
    await view.runAsync();
  }
}

/** A regret of 0 cannot be drawn on a logarithmic axis. */
const placed = (time, regret, floor) => ({ time, regret: Math.max(regret ?? 1, floor) });

function points(rule, floor) {
  return rule.members
    .map((criterion, i) => ({
      rule: rule.name,
      criterion,
      ...placed(rule.time[i], rule.regret[i], floor),
      low: rule.low[i] === null ? null : Math.max(rule.low[i], floor),
      high: rule.low[i] === null ? null : Math.max(rule.high[i] ?? 1, floor),
    }))
    .filter((point) => point.time > 0);
}

/** The range of a statistic up to the stop, including its threshold. */
function around({ epoch, value }, stop, threshold) {
  const until = value.filter((each, i) => epoch[i] <= stop && Math.abs(each) < 1e299);
  const low = Math.min(threshold, ...until);
  const high = Math.max(threshold, ...until);
  const room = 0.08 * (high - low || Math.abs(high) || 1);
  return { low: low - room, high: high + room };
}

/** Describe in words what the charts show. */
function say(corpus, rule, run, seen, member) {
  const [low, high] = [rule.low[member], rule.high[member]];
  const until = high === null ? "unbounded" : percent.format(high);
  const band = low === null ? "" : ` (band ${percent.format(low)} to ${until})`;
  const [stop, selected] = [seen.stop[member], seen.selected[member]].map((epoch) => whole.format(epoch));
  const share = percent.format(seen.stop[member] / run.last);
  const words = {
    criterion: rule.members[member],
    stop: seen.fired[member]
      ? `${corpus.unit} ${stop} of ${whole.format(run.last)}, ${share} of the full run`
      : `never: the run ends at ${corpus.unit} ${stop}`,
    kept: `${corpus.unit} ${selected}, ${corpus.kept} ${number.format(seen.error[member])}`,
    here: `${percent.format(seen.regret[member])} regret of the ${corpus.what}`,
    all: `${percent.format(rule.time[member])} of the time, ${percent.format(rule.regret[member])} regret${band}`,
  };
  for (const [name, text] of Object.entries(words)) at(`found-${name}`).textContent = text;
  at("threshold").setAttribute("aria-valuetext", words.criterion);
  at("statistic-of").textContent = ofStatistic(rule, member, seen.statistics[seen.series[member]]);
}

function ofStatistic({ name, members, threshold, thresholds, passes }, member, { epoch }) {
  if (!epoch.length) return `On this run, the statistic of ${members[member]} is undefined at every check.`;
  if (!threshold)
    return `${name} has no threshold: its statistic is 1 where the rule holds. Each value of its first parameter is a separate rule.`;
  const limit = number.format(thresholds[member]);
  return `${name} stops at the first check where its statistic is ${passes} ${limit} (${threshold}).`;
}

/** The number with which a cell begins; nothing comes last, whatever the order. */
function numberOf(text) {
  const found = text.replace("\u2212", "-").match(/-?(\d+\.?\d*|\.\d+)/);
  return text.startsWith("unbounded") ? Infinity : found ? Number(found[0]) : NaN;
}

/** Sort the rows of a table by a column, the other way round if they are sorted by it already. */
function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const ascending = heads[column].ariaSort !== "ascending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].ariaSort = ascending ? "ascending" : "descending";
  const numeric = heads[column].classList.contains("number");
  const rows = [...table.tBodies[0].rows].map((row) => {
    const text = row.cells[column].textContent.trim();
    return { row, key: numeric ? numberOf(text) : text, empty: !text || (numeric && isNaN(numberOf(text))) };
  });
  const order = new Intl.Collator("en", { numeric: true });
  const compare = numeric ? (a, b) => (a === b ? 0 : a < b ? -1 : 1) : order.compare;
  rows.sort((a, b) => a.empty - b.empty || (a.empty ? 0 : (ascending ? 1 : -1) * compare(a.key, b.key)));
  table.tBodies[0].append(...rows.map(({ row }) => row));
}

for (const table of document.querySelectorAll("table.sorted"))
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
    head.append(button);
  });

for (const kin of document.querySelectorAll(".kin")) {
  const others = [...kin.querySelectorAll(".folded")];
  const of = kin.querySelector(".of");
  if (!of) continue;
  const button = Object.assign(document.createElement("button"), { type: "button", ariaExpanded: "false" });
  button.append(...of.childNodes);
  of.append(button);
  for (const row of others) row.hidden = true;
  button.addEventListener("click", () => {
    const open = button.ariaExpanded === "false";
    button.ariaExpanded = String(open);
    for (const row of others) row.hidden = !open;
  });
}

const seenWidth = new ResizeObserver((entries) => {
  for (const { target } of entries) target.classList.toggle("wider", target.scrollWidth > target.clientWidth + 1);
});
for (const box of document.querySelectorAll(".scroll")) seenWidth.observe(box);

/** Draw what a section holds when it is opened for the first time. */
const drawnIn = new Map();
function drawIn(section) {
  if (!drawnIn.has(section)) {
    const mine = page.charts.filter(({ id }) => section.contains(at(id)));
    const charts = mine.map(({ id, spec, table }) => draw(id, spec, { table: rowsOf(table) }));
    const more = section.id === "explorer" ? [new Explorer().start()] : [];
    drawnIn.set(section, Promise.all([...charts, ...more]).then(() => (section.dataset.ready = "yes")));
  }
  return drawnIn.get(section);
}
const sections = [...document.querySelectorAll("main > details")];
for (const section of sections) section.addEventListener("toggle", () => section.open && drawIn(section));

function openTarget() {
  const section = location.hash && at(decodeURIComponent(location.hash.slice(1)))?.closest("details");
  if (section) section.open = true;
}
window.addEventListener("hashchange", openTarget);
openTarget();

// on paper, all but the explorer is open; charts take a moment, for which a button waits
const onPaper = sections.filter(({ id }) => id !== "explorer");
function openForPaper() {
  for (const section of onPaper) section.open = true;
}
window.addEventListener("beforeprint", openForPaper);
const toPaper = document.createElement("button");
toPaper.type = "button";
toPaper.textContent = "Print";
toPaper.addEventListener("click", async () => {
  openForPaper();
  await Promise.all(onPaper.map(drawIn));
  window.print();
});
const lastItem = document.createElement("li");
lastItem.append(toPaper);
document.querySelector("nav ul").append(lastItem);

document.documentElement.dataset.ready = "yes";

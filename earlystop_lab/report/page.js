const page = JSON.parse(document.getElementById("page-data").textContent);
const at = (id) => document.getElementById(id);

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
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

class Explorer {
  views = {};

  async start() {
    offer(at("corpus"), page.corpora.map((corpus) => corpus.name));
    at("corpus").addEventListener("change", () => this.pickCorpus());
    at("run").addEventListener("change", () => this.pickRun());
    at("rule").addEventListener("change", () => this.pickRule());
    at("threshold").addEventListener("input", () => this.pickThreshold());
    await this.pickCorpus();
  }

  async pickCorpus() {
    this.corpus = page.corpora[at("corpus").value];
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
      this.sweep = [...new Set([rule, this.corpus.rules[0]])].flatMap(points);
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
          { of: "mean over all runs", ...placed(rule.time[member], rule.regret[member]) },
          { of: "this run", ...placed(stop / run.last, seen.regret[member]) },
        ],
      }, {}),
    ]);
  }

  /** Draw a chart for the first time, or update its data and parameters. */
  async show(id, datasets, values) {
    const spec = page.explorer[id];
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
const placed = (time, regret) => ({ time, regret: Math.max(regret ?? 1, page.floor) });

function points(rule) {
  return rule.members
    .map((criterion, i) => ({
      rule: rule.name,
      criterion,
      ...placed(rule.time[i], rule.regret[i]),
      low: rule.low[i] === null ? null : Math.max(rule.low[i], page.floor),
      high: rule.low[i] === null ? null : Math.max(rule.high[i] ?? 1, page.floor),
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

const charts = page.charts.map(({ id, spec, table }) => draw(id, spec, { table: rowsOf(table) }));
await Promise.all([...charts, new Explorer().start()]);
document.documentElement.dataset.ready = "yes";

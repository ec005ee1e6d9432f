"use strict";
(() => {
  const EVERY_MS = 1000, PATIENCE_MS = 4000, LOST_AFTER = 3, GAP_S = 4, SHOWN_S = 600, LEAST_SHOWN_S = 60;
  const LEAST_MS = 10; // the first bucket of latencies reaches up to here: what is inside cannot be told apart
  const HEIGHT = 210, LEFT = 52, RIGHT = 10, TOP = 20, BOTTOM = 22;
  const MARKS = { good: "✓", warn: "!", bad: "✕", unknown: "?" };
  const WORDS = { setup: "setup", warm_up: "warm-up", measure: "measure", drain: "drain", done: "ended" };
  const STEPS = [
    ["planned", "Planned"], ["dropped", "Dropped: planned and never sent"], ["submitted", "Submitted"], ["accepted", "Accepted by the node"],
    ["rejected", "Rejected by the node"], ["finalized_valid", "Final and valid"], ["failed", "Failed in a block"],
    ["failed_expected", "Failed in a block as the workload intends"], ["unresolved", "Never told of"],
    ["reads_issued", "Reads sent"], ["reads_answered", "Reads answered"], ["blocks", "Blocks heard"],
  ];

  const id = name => document.getElementById(name);
  const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const precise = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
  const known = value => value !== null && value !== undefined;
  const count = value => known(value) ? number.format(value) : "–";
  const few = value => known(value) ? (value < 10 ? precise : number).format(value) : "–";
  const percent = value => known(value) ? number.format(value) + " %" : "–";
  const milliseconds = value => !known(value) ? "–" : value >= 1000 ? precise.format(value / 1000) + " s" : few(value) + " ms";
  const latency = value => known(value) && value < LEAST_MS ? "< " + LEAST_MS + " ms" : milliseconds(value);
  const clock = seconds => { const whole = Math.max(0, Math.round(seconds)); return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0"); };

  // Everything that comes from the run goes through textContent or an attribute: none of it can become markup.
  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const draw = (name, attributes = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

  // --- charts

  const column = name => series => series[name];
  const summed = (...names) => series => series.at_s.map((_, place) =>
    names.every(name => known(series[name][place])) ? names.reduce((sum, name) => sum + series[name][place], 0) : null);
  const line = (label, values, colour, dash = "none", width = 2, onlyIfAny = false) => ({ label, values, colour, dash, width, onlyIfAny });
  const CHARTS = [
    { name: "rates", wide: true, title: "Does what is planned come through?", unit: "writes per second", show: few, least: 10, lines: [
      line("planned", column("planned_per_s"), "c0", "none", 7),
      line("submitted", column("submitted_per_s"), "c2", "7 4"),
      line("accepted", column("accepted_per_s"), "c4", "2 4"),
      line("valid and final", column("valid_per_s"), "c1", "none", 2.6),
      line("rejected, failed, dropped", summed("rejected_per_s", "failed_per_s", "dropped_per_s"), "c5", "10 3 2 3", 2, true),
      line("reads answered", column("reads_per_s"), "c3", "none", 1.6, true)] },
    { name: "finality", title: "How long until it is final?", unit: "from the intended time, logarithmic", show: latency, log: true, least: LEAST_MS, lines: [
      line("p50", column("finality_ms_p50"), "c3", "none", 1.6), line("p95", column("finality_ms_p95"), "c1", "7 4"), line("p99", column("finality_ms_p99"), "c2", "none", 2.6)],
      bound: data => data.run && known(data.run.slo_finality_s) ? [data.run.slo_finality_s * 1000, "objective"] : null },
    { name: "accept", title: "How long until the node answers?", unit: "from the intended time, logarithmic", show: latency, log: true, least: LEAST_MS, lines: [
      line("p50", column("accept_ms_p50"), "c3", "none", 1.6), line("p95", column("accept_ms_p95"), "c1", "7 4"), line("p99", column("accept_ms_p99"), "c2", "none", 2.6)] },
    { name: "in-flight", title: "Does it pile up?", unit: "writes sent that are in no block yet", show: count, least: 10, lines: [line("in flight", column("in_flight"), "c1", "none", 2.6)],
      bound: data => { const bounds = data.series.in_flight_bound; return bounds.length ? [bounds[bounds.length - 1], "bound"] : null; } },
    { name: "lag", title: "Do we send in time?", unit: "submit lag: from the intended time to sending", show: milliseconds, least: 1, lines: [line("p99", column("submit_lag_ms_p99"), "c2", "none", 2.6)],
      bound: data => data.run ? [data.run.limits.submit_lag_p99_ns / 1e6, "limit"] : null },
    { name: "cpu", wide: true, title: "Who is busy?", unit: "per cent of one core", show: percent, least: 100, lines: [
      line("busiest worker", column("worker_cpu_percent"), "c1", "none", 2.6), line("observer", column("observer_cpu_percent"), "c3", "2 4"),
      line("ledger, all nodes", column("ledger_cpu_percent"), "c2", "7 4")],
      bound: data => data.run ? [data.run.limits.worker_cpu_percent, "our limit"] : null },
  ];

  function build(chart) {
    chart.svg = draw("svg", { class: "chart", role: "img", tabindex: "0", height: HEIGHT });
    chart.legend = make("ul", { class: "legend" });
    chart.caption = make("figcaption");
    for (const each of chart.lines) {
      each.value = make("b");
      const key = draw("line", { class: each.colour, x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": each.width, "stroke-dasharray": each.dash, opacity: each.width > 5 ? .5 : 1 });
      each.entry = make("li", {}, draw("svg", { "aria-hidden": "true", viewBox: "0 0 26 10" }, key), each.label, each.value);
      chart.legend.append(each.entry);
    }
    chart.svg.addEventListener("pointermove", event => point(event, chart.svg));
    chart.svg.addEventListener("pointerleave", () => { cursor = null; paint(); });
    chart.svg.addEventListener("keydown", step);
    const figure = make("figure", { id: "chart-" + chart.name, class: chart.wide ? "wide" : "" },
      make("h3", {}, chart.title), make("p", { class: "unit" }, chart.unit), chart.legend, chart.svg, chart.caption);
    id("charts").append(figure);
  }

  const steps = top => { const raw = top / 5, size = 10 ** Math.floor(Math.log10(raw)); return [1, 2, size < 10 ? 2 : 2.5, 5, 10].map(one => one * size).find(one => one >= raw); };

  function scale(chart, values, bound) {
    const found = values.flat().filter(known), top = Math.max(chart.least, ...found);
    if (!chart.log) {
      const reach = bound && bound[0] <= 2 * top ? Math.max(top, bound[0]) : top, by = steps(reach * 1.05);
      const end = Math.ceil(reach * 1.05 / by) * by, ticks = [];
      for (let tick = 0; tick <= end + by / 2; tick += by) ticks.push(tick);
      return { ticks, at: value => 1 - value / end, end };
    }
    const low = Math.log10(Math.max(chart.least, Math.min(top, ...found))), high = Math.log10(1.1 * (bound ? Math.max(top, Math.min(bound[0], 5 * top)) : top));
    const from = Math.floor(low), to = Math.max(from + 1, Math.ceil(high)), ticks = [];
    for (let power = from; power <= to; power++) for (const part of to - from < 3 ? [1, 2, 5] : [1]) if (part * 10 ** power <= 10 ** to) ticks.push(part * 10 ** power);
    return { ticks, at: value => 1 - (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from), end: 10 ** to };
  }

  function trace(at, values, trials, x, y) {
    let path = "", before = null;
    values.forEach((value, place) => {
      if (!known(value)) { before = null; return; }
      const joined = before !== null && at[place] - at[before] <= GAP_S && trials[place] === trials[before];
      path += (joined ? "L" : "M") + x(at[place]).toFixed(1) + " " + y(value).toFixed(1) + (joined ? "" : "h.01");
      before = place;
    });
    return path;
  }

  function paintChart(chart, data, from, to) {
    const { series } = data, width = Math.max(260, chart.svg.parentNode.clientWidth), inner = HEIGHT - TOP - BOTTOM;
    const values = chart.lines.map(each => each.values(series)), bound = chart.bound ? chart.bound(data) : null;
    const range = scale(chart, values, bound), x = at => LEFT + (at - from) / (to - from) * (width - LEFT - RIGHT), y = value => TOP + range.at(value) * inner;
    const parts = [];
    for (const span of data.spans) {
      const start = Math.max(span.from_s, from), wide = x(span.to_s) - x(start);
      if (wide <= 0) continue;
      parts.push(draw("rect", { class: span.phase, x: x(start), y: TOP, width: wide, height: inner }));
      if (wide > 48) parts.push(draw("text", { x: x(start) + 4, y: TOP + 12 }, WORDS[span.phase] || span.phase));
    }
    for (const tick of range.ticks) {
      parts.push(draw("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }), draw("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, chart.show(tick)));
    }
    const every = [10, 30, 60, 120].find(one => (to - from) / one <= (width < 500 ? 5 : 11)) || 120;
    for (let tick = Math.ceil(from / every) * every; tick <= to; tick += every) {
      parts.push(draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP, y2: TOP + inner }), draw("text", { x: x(tick), y: HEIGHT - 6, "text-anchor": tick > to - every / 3 ? "end" : "middle" }, clock(tick)));
    }
    parts.push(...trialMarks(data, from, x, inner));
    if (bound && bound[0] <= range.end) {
      parts.push(draw("line", { class: "bound", x1: LEFT, x2: width - RIGHT, y1: y(bound[0]), y2: y(bound[0]) }), draw("text", { class: "bound", x: width - RIGHT - 2, y: y(bound[0]) - 5, "text-anchor": "end" }, bound[1] + " " + chart.show(bound[0])));
    }
    chart.caption.textContent = bound && bound[0] > range.end ? "Not in the picture: " + bound[1] + " " + chart.show(bound[0]) + "." : "";
    chart.lines.forEach((each, place) => {
      if (!blank(each, values[place])) parts.push(draw("path", { class: each.colour, d: trace(series.at_s, values[place], series.trial, x, y), "stroke-width": each.width, "stroke-dasharray": each.dash, opacity: each.width > 5 ? .5 : 1, "stroke-linejoin": "round", "stroke-linecap": each.dash === "none" ? "round" : "butt" }));
    });
    const shown = place(series);
    if (cursor !== null && shown >= 0) {
      parts.push(draw("line", { class: "cursor", x1: x(series.at_s[shown]), x2: x(series.at_s[shown]), y1: TOP, y2: TOP + inner }), draw("text", { x: x(series.at_s[shown]), y: 12, "text-anchor": "middle", class: "trial" }, clock(series.at_s[shown])));
    }
    if (!series.at_s.length) parts.push(draw("text", { x: (LEFT + width - RIGHT) / 2, y: TOP + inner / 2, "text-anchor": "middle", class: "trial" }, "No data yet"));
    chart.svg.setAttribute("width", width);
    chart.svg.setAttribute("viewBox", "0 0 " + width + " " + HEIGHT);
    chart.svg.replaceChildren(...parts);
    label(chart, values, shown);
  }

  function trialMarks(data, from, x, inner) {
    const marks = [];
    data.spans.forEach((span, place) => {
      const before = data.spans[place - 1];
      if (before && before.trial === span.trial && before.ledger === span.ledger || span.from_s < from) return;
      const name = (data.spans.some(one => one.ledger !== span.ledger) ? span.ledger + " " : "trial ") + span.trial;
      marks.push(draw("line", { class: "trial", x1: x(span.from_s), x2: x(span.from_s), y1: TOP - 4, y2: TOP + inner }), draw("text", { class: "trial", x: x(span.from_s) + 3, y: 12 }, name));
    });
    return cursor === null ? marks : marks.filter(mark => mark.nodeName === "line");
  }

  const blank = (each, values) => each.onlyIfAny && !values.some(value => value > 0);

  function label(chart, values, shown) {
    chart.lines.forEach((each, index) => {
      each.entry.hidden = blank(each, values[index]);
      each.value.textContent = chart.show(shown < 0 ? null : values[index][shown]);
    });
    const told = chart.lines.filter(each => !each.entry.hidden).map(each => each.label + " " + each.value.textContent);
    chart.svg.setAttribute("aria-label", chart.title + " " + told.join(", ") + (cursor === null ? "" : ", at " + clock(data.series.at_s[shown])));
  }

  // --- the cursor: one time for all charts, by pointer or by key; null is now

  let data = null, cursor = null, refusals = 0, heardAt = null, spoken = "";
  const limits = () => { const to = Math.max(data.now_s, LEAST_SHOWN_S); return [Math.max(0, to - SHOWN_S, Math.min(data.series.at_s[0] || 0, to - LEAST_SHOWN_S)), to]; };

  function place(series) {
    const last = series.at_s.length - 1;
    if (cursor === null || last < 0) return last;
    let best = 0;
    series.at_s.forEach((at, index) => { if (Math.abs(at - cursor) < Math.abs(series.at_s[best] - cursor)) best = index; });
    return best;
  }
  function point(event, over) {
    if (!data) return;
    const [from, to] = limits(), box = over.getBoundingClientRect();
    cursor = from + Math.min(1, Math.max(0, (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT))) * (to - from);
    paint();
  }
  function step(event) {
    if (!data || !data.series.at_s.length) return;
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key], at = data.series.at_s;
    if (event.key === "Escape") cursor = null;
    else if (move === undefined) return;
    else cursor = at[Math.min(at.length - 1, Math.max(0, place(data.series) + move))];
    event.preventDefault();
    paint();
  }

  // --- the rest of the page

  function paintLights(shown) {
    id("lights").replaceChildren(...shown.map(light => make("li", { class: "light " + light.state },
      make("h3", {}, light.question), make("span", { class: "mark", "aria-hidden": "true" }, MARKS[light.state] || "?"), make("p", { class: "answer" }, light.answer), make("p", { class: "reason" }, light.reason))));
    const words = shown.map(light => light.question + " " + light.answer).join(". ");
    if (words !== spoken) { id("spoken").textContent = words; spoken = words; }
  }

  function paintProgress(trial, run) {
    id("progress").hidden = !trial;
    if (!trial) return;
    const time = known(trial.elapsed_s) ? ", " + clock(trial.elapsed_s) + " since the start signal" : "";
    const left = known(trial.left_s) && trial.left_s > 0 ? ", " + clock(trial.left_s) + " of load left" : "";
    id("phase").textContent = "Trial " + trial.number + " of " + trial.of + ": " + (WORDS[trial.phase] || trial.phase) + time + left;
    const load = Math.max(1, ...trial.phases.map(one => one.end_s || 0)), bar = id("bar");
    if (bar.children.length !== trial.phases.length + (trial.phases.length ? 1 : 0)) bar.replaceChildren(...trial.phases.map(() => make("span")), ...(trial.phases.length ? [make("b")] : []));
    trial.phases.forEach((one, place) => {
      const span = bar.children[place], length = known(one.end_s) ? one.end_s - one.start_s : load * .12;
      span.style.flexGrow = length;
      span.hidden = length <= 0;
      span.className = one.phase === trial.phase ? "on" : "";
      span.textContent = (WORDS[one.phase] || one.phase) + (known(one.end_s) ? " " + clock(length) : "");
    });
    bar.hidden = !trial.phases.length;
    bar.setAttribute("aria-valuemax", load);
    bar.setAttribute("aria-valuenow", Math.min(load, trial.elapsed_s || 0));
    bar.setAttribute("aria-label", id("phase").textContent);
    if (bar.lastChild) bar.lastChild.style.left = Math.min(100, 100 * (trial.elapsed_s || 0) / (load * 1.12)) + "%";
  }

  function paintTiles(series) {
    const last = series.at_s.length - 1, now = name => last < 0 ? null : series[name][last];
    const tile = (name, value, note) => make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, note)));
    id("tiles").replaceChildren(
      tile("Goodput", few(now("valid_per_s")) + "/s", "of " + few(now("planned_per_s")) + "/s planned"),
      tile("Finality p99", latency(now("finality_ms_p99")), "p50 " + latency(now("finality_ms_p50"))),
      tile("In flight", count(now("in_flight")), "at most " + count(now("in_flight_bound"))),
      tile("Block", count(now("block_height")), known(now("block_age_s")) ? precise.format(now("block_age_s")) + " s old" : "none heard yet"),
      tile("Submit lag p99", milliseconds(now("submit_lag_ms_p99")), "our own delay"),
    );
  }

  function paintTables() {
    const row = (name, value) => make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "n" }, count(value)));
    id("errors").replaceChildren(...(data.errors.length ? data.errors.map(each => row(each.error_class.replaceAll("_", " "), each.count)) : [make("tr", {}, make("td", { colspan: "2" }, data.trial ? "Nothing so far." : "No data yet."))]));
    id("totals").replaceChildren(...STEPS.filter(([name]) => data.totals[name] || !name.startsWith("reads")).map(([name, text]) => row(text, data.totals[name])));
    id("finished-section").hidden = !data.finished.length;
    id("finished").replaceChildren(...data.finished.toReversed().map(one => make("tr", {}, make("td", {}, one.ledger), make("td", { class: "n" }, count(one.trial)),
      make("td", { class: one.status }, one.status), make("td", { class: "n" }, few(one.goodput_per_s)), make("td", { class: "said" }, one.reasons.join("; ")))));
  }

  function paint() {
    if (!data) return;
    const [from, to] = limits();
    for (const chart of CHARTS) paintChart(chart, data, from, to);
  }

  function announce() {
    const silent = heardAt === null ? null : Math.round((Date.now() - heardAt) / 1000);
    const lost = refusals >= LOST_AFTER, banner = id("banner");
    let text = "", state = "banner bad";
    if (lost && data && data.ended) [text, state] = ["The run has ended. " + data.outcome + " This is how it was last.", "banner over"];
    else if (lost) text = silent === null ? "No answer from the run. Is it on?" : "No answer for " + (silent - silent % 5) + " s: the run has ended or was stopped. What you see is old.";
    else if (data && data.ended) [text, state] = ["The run has ended. " + data.outcome, "banner over"];
    else if (data && data.stale) text = "Stale: nothing was reported for " + Math.round(data.snapshot_age_s) + " s. What you see is old.";
    else if (!data || !data.run) [text, state] = ["No data yet.", "banner"];
    if (banner.textContent !== text) banner.textContent = text;
    banner.className = state;
    banner.hidden = !text;
    id("main").className = data && data.ended ? "over" : lost || data && data.stale ? "old" : "";
    if (lost && data && !data.ended) paintLights(data.lights.map(light => ({ question: light.question, state: "unknown", answer: "Not known", reason: "No answer from the run." })));
  }

  function show(found) {
    data = found;
    const { run, trial } = data;
    id("title").textContent = run ? run.workload + " on " + run.ledger : "Waiting for a run";
    id("facts").textContent = run ? run.run_id + ", version " + run.version + ", seed " + run.seed : "";
    document.title = run ? (data.ended ? "ended: " : trial.number + "/" + trial.of + " " + (WORDS[trial.phase] || trial.phase) + ": ") + run.workload + " on " + run.ledger : "Live run";
    paintProgress(trial, run);
    paintLights(data.lights);
    paintTiles(data.series);
    paintTables();
    paint();
  }

  async function fetched() {
    try {
      const answer = await fetch("api/live.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // refused, too slow, or cut short: each is counted, and said when it goes on
    }
  }

  async function look() {
    if (document.hidden && data) return;
    const found = await fetched();
    refusals = found ? 0 : refusals + 1;
    if (found) {
      heardAt = Date.now();
      show(found);
    }
    announce();
  }

  CHARTS.forEach(build);
  new ResizeObserver(paint).observe(id("charts"));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  const go = async () => { const began = Date.now(); try { await look(); } finally { setTimeout(go, Math.max(100, EVERY_MS - (Date.now() - began))); } };
  go();
})();

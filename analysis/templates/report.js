// Charts of the page: hover or arrow keys for values, buttons to hide a variant, to change the view
// or the scale. Each figure keeps its still picture for paper and for browsers without scripts.
(() => {
  "use strict";
  const HEIGHT = 260;
  const DASHES = [[], [6, 4], [2, 3]];
  const redraws = [];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--fig-${name}`).trim();

  const number = (value) => Number(value.toPrecision(3)).toString();

  function quantity(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "ms" && value >= 1000) return `${number(value / 1000)} s`;
    return unit === "%" ? `${number(value)}%` : `${number(value)} ${unit === "requests" ? "" : unit}`.trim();
  }

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function button(text, pressed, toggle) {
    const made = element("button", { type: "button", "aria-pressed": String(pressed) }, text);
    made.addEventListener("click", toggle);
    return made;
  }

  // 1, 2 and 5 of each decade; fewer where there are many decades, more where there is hardly one.
  function logSplits(low, high) {
    let found = [];
    for (const digits of [[1], [1, 2, 5], [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]]) {
      found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
        for (const digit of digits) found.push(digit * 10 ** power);
      }
      found = found.filter((at) => at >= low && at <= high);
      if (found.length > 3) break;
    }
    return found;
  }

  function xText(chart, value) {
    if (!chart.ticks.length) return `${number(value)} ${chart.xName}`;
    const named = chart.ticks.find(([at]) => Math.abs(at / value - 1) < 0.01);
    return named ? named[1] : `p${(100 * (1 - 1 / value)).toPrecision(value > 200 ? 4 : 3)}`;
  }

  function scaleOf(view, log, shown) {
    const values = shown.flatMap((line) => line.values).concat(view.mark ?? []).filter((v) => v !== null);
    const low = Math.min(...values), high = Math.max(...values);
    if (!values.length) return { range: [0, 1] };
    if (log && low > 0) {
      const range = [Math.max(low, high / 2000) / 1.2, high * 1.2]; // no more than three decades
      return { distr: 3, range: () => range, splits: () => logSplits(...range) };
    }
    const range = [Math.min(0, low), (high || 1) * 1.06];
    if (!log) return { range: () => range };
    return { distr: 4, asinh: 1, range: () => range, splits: () => [0, ...logSplits(1, Math.max(range[1], 1))] };
  }

  // A sweep that ended at its first rate has one place only: a range without width draws nothing.
  function rangeOf(x) {
    const low = x[0], high = x[x.length - 1];
    return low < high ? [low, high] : [low / 1.5, high * 1.5];
  }

  function options(chart, view, state, width, onCursor) {
    const text = css("muted"), grid = { stroke: css("grid"), width: 1 };
    const font = "12px system-ui, sans-serif";
    const y = scaleOf(view, state.log, view.lines.filter((_, at) => !state.hidden.has(at)));
    const x = { stroke: text, font, grid, ticks: { show: false }, size: 30, gap: 6, label: chart.ticks.length ? undefined : chart.xName, labelSize: 18, labelGap: 0, labelFont: font };
    if (chart.ticks.length) {
      x.splits = () => chart.ticks.map(([at]) => at);
      x.values = () => chart.ticks.map(([, name]) => name);
      x.filter = (_, splits) => splits;
    }
    const left = { stroke: text, font, grid, ticks: { show: false }, size: 62, values: (_, at) => at.map((v) => quantity(v, view.unit === "requests/s" ? "requests" : view.unit)) };
    if (y.splits) { left.splits = y.splits; left.filter = (_, splits) => splits; }
    const { splits, ...scale } = y;
    return {
      width, height: HEIGHT, legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, distr: chart.xLog ? 3 : 1, range: () => rangeOf(chart.x) }, y: scale },
      axes: [x, left],
      series: [{}, ...view.lines.map((line, at) => ({
        label: line.name, stroke: css(line.colour), width: 2, dash: DASHES[line.dash], show: !state.hidden.has(at),
        spanGaps: !chart.stepped, points: { show: chart.x.length < 30 && !chart.stepped, size: 7, fill: css("surface") },
        paths: chart.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
      }))],
      hooks: {
        setCursor: [onCursor],
        drawClear: [(plot) => {
          const { top, height } = plot.bbox, ctx = plot.ctx;
          for (const band of chart.bands) {
            ctx.save();
            ctx.fillStyle = css(band.colour);
            if (band.low !== null && band.high !== null) {
              const from = plot.valToPos(band.low, "x", true);
              ctx.globalAlpha = 0.14;
              ctx.fillRect(from, top, plot.valToPos(band.high, "x", true) - from, height);
            }
            if (band.point !== null) {
              const at = plot.valToPos(band.point, "x", true), half = height / 36;
              ctx.globalAlpha = 1;
              ctx.beginPath();
              ctx.moveTo(at - half, top + height);
              ctx.lineTo(at, top + height - 2 * half);
              ctx.lineTo(at + half, top + height);
              ctx.fill();
            }
            ctx.restore();
          }
        }],
        draw: [(plot) => {
          if (view.mark === null) return;
          const at = plot.valToPos(view.mark, "y", true), { left: from, width: wide } = plot.bbox;
          plot.ctx.save();
          plot.ctx.strokeStyle = text;
          plot.ctx.setLineDash([8, 6]);
          plot.ctx.beginPath();
          plot.ctx.moveTo(from, at);
          plot.ctx.lineTo(from + wide, at);
          plot.ctx.stroke();
          plot.ctx.restore();
        }],
      },
    };
  }

  function enliven(figure) {
    const chart = JSON.parse(figure.querySelector("script").textContent);
    const state = { view: 0, log: chart.views[0].log, hidden: new Set() };
    const title = figure.querySelector("figcaption").textContent;
    const plotted = element("div", { class: "plot", tabindex: "0", role: "img", "aria-label": title });
    const where = element("output", { class: "where" });
    const legend = element("div", { class: "legend", role: "group", "aria-label": `Variants of: ${title}` });
    const tools = element("div", { class: "tools", role: "group", "aria-label": `View of: ${title}` });
    const bar = element("div", { class: "bar" }, tools), still = figure.querySelector("svg");
    still.before(bar);
    still.after(element("div", { class: "live" }, plotted, legend));
    const show = (alive) => figure.classList.toggle("alive", alive);
    const choose = button("interactive", chart.first, () => {
      const alive = show(!figure.classList.contains("alive"));
      choose.setAttribute("aria-pressed", String(alive));
      build();
    });
    bar.prepend(choose);
    let plot = null, values = [];

    const read = (own) => {
      const at = own.cursor.idx, view = chart.views[state.view];
      const inside = at !== null && at !== undefined;
      where.textContent = inside ? `at ${xText(chart, chart.x[at])}` : "hover, or arrow keys, for values";
      values.forEach((out, line) => { out.textContent = inside ? quantity(view.lines[line].values[at], view.unit) : ""; });
    };

    const draw = () => {
      const view = chart.views[state.view];
      if (plot) plot.destroy();
      plotted.setAttribute("aria-label", `${title}: ${view.name}. Left and right arrow keys read values; the table below has them too.`);
      const data = [chart.x, ...view.lines.map((line) => line.values)];
      plot = new uPlot(options(chart, view, state, plotted.clientWidth || 320, read), data, plotted);
      read(plot);
    };

    const build = () => {
      tools.hidden = !figure.classList.contains("alive");
      if (tools.hidden) return;
      const view = chart.views[state.view];
      tools.replaceChildren(
        ...(chart.views.length > 1 ? chart.views.map((one, at) => button(one.name, at === state.view, () => {
          state.view = at;
          state.log = one.log;
          build();
          tools.children[at].focus();
        })) : []),
        button("log scale", state.log, (event) => {
          state.log = !state.log;
          event.currentTarget.setAttribute("aria-pressed", String(state.log));
          draw();
        }),
      );
      values = view.lines.map(() => element("span", { class: "value" }));
      legend.replaceChildren(where, ...view.lines.map((line, at) => {
        const swatch = element("i", { "aria-hidden": "true", class: line.dash ? "dashed" : "" });
        swatch.style.color = `var(--fig-${line.colour})`;
        const made = button("", !state.hidden.has(at), (event) => {
          if (!state.hidden.delete(at)) state.hidden.add(at);
          event.currentTarget.setAttribute("aria-pressed", String(!state.hidden.has(at)));
          draw();
        });
        made.append(swatch, line.name, " ", values[at]);
        return made;
      }));
      draw();
    };

    plotted.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const last = chart.x.length - 1, now = plot.cursor.idx ?? (step > 0 ? -1 : last + 1);
      const at = Math.min(Math.max(now + step, 0), last);
      plot.setCursor({ left: plot.valToPos(chart.x[at], "x"), top: 10 });
    });
    where.setAttribute("aria-live", "polite");
    new ResizeObserver(() => {
      if (plot && plotted.clientWidth && plotted.clientWidth !== plot.width) plot.setSize({ width: plotted.clientWidth, height: HEIGHT });
    }).observe(plotted);
    show(chart.first);
    build();
    redraws.push(() => { if (plot) draw(); });
  }

  document.querySelectorAll("figure[data-chart]").forEach(enliven);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraws.forEach((draw) => draw()));
})();

"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displayModeBar: false, doubleClick: "reset", showTips: false };

  // "@ink" and its like are colours of the page, which has a light and a dark half; "@ink #0072B2" is a colour to
  // read words in, between the two.
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(["page", "ink", "faint", "grid", "band"].map((k) => ["@" + k, style.getPropertyValue("--" + k).trim()]));
  };
  const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const between = (hex, ink) => `rgb(${channels(hex).map((c, i) => Math.round(0.6 * c + 0.4 * channels(ink)[i])).join(",")})`;
  const painted = (value, paint) => {
    if (typeof value === "string" && value.startsWith("@ink #")) return between(value.slice(5), paint["@ink"]);
    if (typeof value === "string") return paint[value] ?? value;
    if (Array.isArray(value)) return value.map((v) => painted(v, paint));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, paint)]));
    return value;
  };
  const axis = (own, paint, narrow) => ({
    automargin: true, gridcolor: paint["@grid"], linecolor: paint["@faint"], zeroline: false, ticks: "outside", ticklen: 4,
    tickcolor: paint["@faint"], showline: true, nticks: narrow ? 5 : 8, ...own,
    title: { ...(own.title || {}), standoff: 8 },
  });
  const untitled = (own) => ({ ...own, title: { text: "" } });
  const layout = (figure, paint, width) => ({
    ...figure.layout,
    // The label of y stands above the figure, where it needs no turned head.
    xaxis: axis(figure.layout.xaxis, paint, width < 480),
    yaxis: axis(untitled(figure.layout.yaxis), paint, false),
    margin: { l: 8, r: 14 + (figure.layout.meta?.right ?? 0), t: 10, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: paint["@ink"] },
    legend: { orientation: "h", x: 0, xanchor: "left", y: -0.2, yanchor: "top", bgcolor: "rgba(0,0,0,0)", itemsizing: "constant" },
    hoverlabel: { bgcolor: paint["@band"], bordercolor: paint["@faint"], font: { color: paint["@ink"], size: 12 }, align: "left" },
    dragmode: touch ? false : "zoom",
  });

  const plots = Object.keys(figures).map((id) => document.getElementById(id));
  const draw = (plot) => {
    const paint = colours();
    const figure = painted(figures[plot.id], paint);
    return Plotly.react(plot, figure.data, layout(figure, paint, plot.clientWidth), config);
  };
  const drawAll = async () => {
    delete document.documentElement.dataset.drawn;
    for (const plot of plots) {
      await draw(plot);
      await new Promise((next) => setTimeout(next)); // lets the page answer in between
    }
    document.documentElement.dataset.drawn = String(plots.length);
  };
  dark.addEventListener("change", drawAll);

  // The arrow keys walk over the points of a focused figure, as the mouse does.
  const walk = (figure, plot) => {
    let at = -1;
    const said = figure.querySelector(".said");
    const stops = () => figures[plot.id].data.flatMap((trace, curve) =>
      trace.hoverinfo === "text" && trace.mode === "markers" ? trace.text.map((text, point) => ({ curve, point, text })) : []);
    figure.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || event.target !== figure) return;
      const all = stops();
      if (!all.length) return;
      event.preventDefault();
      at = (at + step + all.length) % all.length;
      Plotly.Fx.hover(plot, [{ curveNumber: all[at].curve, pointNumber: all[at].point }]);
      const plain = document.createElement("textarea");
      plain.innerHTML = all[at].text.replaceAll("<br>", ", ");
      said.textContent = plain.value;
    });
    figure.addEventListener("blur", () => { Plotly.Fx.unhover(plot); said.textContent = ""; at = -1; });
  };
  plots.forEach((plot) => walk(plot.closest("figure"), plot));

  // Long tables can be sorted by a heading and filtered by a word.
  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const compare = (a, b) => (a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : String(a).localeCompare(String(b)));
  document.querySelectorAll("table.long").forEach((table) => {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
        body.append(...[...body.rows].sort((a, b) => way * compare(key(a, column), key(b, column))));
      });
    });
    const label = document.createElement("label");
    label.className = "filter";
    label.textContent = "Show rows that contain";
    const input = document.createElement("input");
    input.type = "search";
    label.append(input);
    table.closest(".scroll").before(label);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
  });

  if (plots.length) drawAll();
  else document.documentElement.dataset.drawn = "0";
})();

// What the browser does by itself, with the interfaces of AG Grid and Plotly.
(() => {
  const unchanged = () => window.dash_clientside.no_update;
  const listOfImages = () => window.dash_ag_grid.getApi("list");

  function choose(node) {
    if (node && !node.isSelected()) node.setSelected(true, true);
  }

  function step(by) {
    const api = listOfImages();
    const [node] = api.getSelectedNodes();
    const next = api.getDisplayedRowAtIndex(node && node.rowIndex !== null ? node.rowIndex + by : 0);
    if (next) {
      choose(next);
      api.ensureNodeVisible(next);
    }
  }

  function listen(api) {
    api.addEventListener("cellFocused", ({rowIndex, rowPinned}) => {
      if (rowIndex !== null && rowPinned == null) choose(api.getDisplayedRowAtIndex(rowIndex));
    });
    const chooseFirst = () => {
      if (!api.getSelectedNodes().length) choose(api.getDisplayedRowAtIndex(0));
    };
    const later = () => setTimeout(chooseFirst, 100);  // once Dash's wrapper of the grid listens, too
    api.addEventListener("rowDataUpdated", later);
    later();
  }

  // Move the view of the image: to new ranges of its first axes, which the other panel follows.
  function plot() {
    return document.querySelector("#graph .js-plotly-plot");
  }

  function zoomBy(factor) {
    const {xaxis, yaxis} = plot()._fullLayout;
    const around = ([a, b]) => [(a + b) / 2 - factor * (b - a) / 2, (a + b) / 2 + factor * (b - a) / 2];
    window.Plotly.relayout(plot(), {"xaxis.range": around(xaxis.range), "yaxis.range": around(yaxis.range)});
  }

  function zoomTo([y1, x1, y2, x2]) {
    const margin = Math.max(y2 - y1, x2 - x1, 8);
    const box = {type: "rect", x0: x1 - 2, x1: x2 + 2, y0: y1 - 2, y1: y2 + 2, line: {color: "#ffffff", width: 1, dash: "dot"}};
    const suffixes = plot()._fullLayout.xaxis2 ? ["", "2"] : [""];
    window.Plotly.relayout(plot(), {
      "xaxis.range": [x1 - margin, x2 + margin],
      "yaxis.range": [y2 + margin, y1 - margin],
      shapes: suffixes.map((end) => ({...box, xref: `x${end}`, yref: `y${end}`})),
    });
  }

  const KEYS = {
    ArrowLeft: () => step(-1),
    ArrowUp: () => step(-1),
    ArrowRight: () => step(1),
    ArrowDown: () => step(1),
    "+": () => zoomBy(0.7),
    "-": () => zoomBy(1 / 0.7),
    0: () => window.Plotly.relayout(plot(), {"xaxis.autorange": false, ...whole()}),
  };

  function whole() {
    const [image] = plot()._fullLayout.images;
    return {"xaxis.range": [0, image.sizex], "yaxis.range": [image.sizey, 0]};
  }

  document.addEventListener("keydown", (event) => {
    const own = "input, textarea, select, [role=slider], [role=tab], [role=grid], [role=treegrid], [contenteditable=true]";
    const plain = !(event.ctrlKey || event.metaKey || event.altKey);
    if (plain && KEYS[event.key] && plot() && !event.target.closest(own)) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    emptyLast: (a, b, nodeA, nodeB, isDescending) => {
      const [noA, noB] = [a == null, b == null];
      if (noA || noB) return (noA - noB) * (isDescending ? -1 : 1);
      return a - b;
    },
  });

  window.dash_clientside = Object.assign(window.dash_clientside || {}, {
    viewer: {
      chosen: (rows) => (rows && rows.length ? rows[0].index : unchanged()),
      step: () => {
        step(window.dash_clientside.callback_context.triggered_id === "next" ? 1 : -1);
        return unchanged();
      },
      begin: (name) => {
        window.dash_ag_grid.getApiAsync(name).then(listen);
        return unchanged();
      },
      search: (text) => {
        listOfImages().setGridOption("quickFilterText", text || "");
        return unchanged();
      },
      tell: (hover, told) => {
        const point = hover && hover.points[0];
        const text = point && point.z && told && told[point.curveNumber] && told[point.curveNumber][point.z - 1];
        return text ? [true, point.bbox, text] : [false, unchanged(), unchanged()];
      },
      zoom: (rows) => {
        if (rows && rows.length) zoomTo(rows[0].box);
        return unchanged();
      },
    },
  });
})();

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
    let chosen = null;  // the event also comes with new rows
    api.addEventListener("selectionChanged", () => {
      const [node] = api.getSelectedNodes();
      if (!node || node.data.index === chosen) return;
      chosen = node.data.index;
      window.dash_clientside.set_props("chosen", {data: chosen});
    });
    chooseFirst(api);
  }

  // Rows come later than the table.
  function chooseFirst(api) {
    if (api.getSelectedNodes().length) return;
    choose(api.getDisplayedRowAtIndex(0));
    setTimeout(chooseFirst, 100, api);
  }

  // Tables come later than the page.
  function whenThere(id, action) {
    try {
      action(window.dash_ag_grid.getApi(id));
    } catch {
      setTimeout(whenThere, 100, id, action);
    }
  }

  // Dash's sliders and lists have no names for screen readers, and appear when their script is loaded.
  function nameParts(triesLeft = 50) {
    for (const part of document.querySelectorAll("[data-name]")) {
      const unnamed = "[role=slider]:not([aria-label]), [role=listbox]:not([aria-label]), input:not([aria-label])";
      part.querySelectorAll(unnamed).forEach((one) => one.setAttribute("aria-label", part.dataset.name));
    }
    if (triesLeft) setTimeout(nameParts, 200, triesLeft - 1);
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

  // Keys keep their meaning where they have one: in fields and sliders, arrows also in tables.
  document.addEventListener("keydown", (event) => {
    const taken = "input, textarea, [role=slider], [role=combobox]" + (event.key.startsWith("Arrow") ? ", .ag-root" : "");
    const plain = !(event.ctrlKey || event.metaKey || event.altKey);
    if (plain && KEYS[event.key] && plot() && plot().offsetParent && !event.target.closest(taken)) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    // Tab goes on to what follows a table, not through all of its cells; arrow keys move within it.
    leave: () => false,
    emptyLast: (a, b, nodeA, nodeB, isDescending) => {
      const [noA, noB] = [a == null, b == null];
      if (noA || noB) return (noA - noB) * (isDescending ? -1 : 1);
      return a - b;
    },
  });

  window.dash_clientside = Object.assign(window.dash_clientside || {}, {
    viewer: {
      step: () => {
        step(window.dash_clientside.callback_context.triggered_id === "next" ? 1 : -1);
        return unchanged();
      },
      tab: (...clicks) => {
        setTimeout(() => window.dispatchEvent(new Event("resize")), 0);  // figures fill what they were hidden in
        const chosen = window.dash_clientside.callback_context.triggered_id;
        const pick = (yes, no) => clicks.map((_, number) => (`tab-${number}` === chosen ? yes : no));
        return [...pick("body", "body hidden"), ...pick("page", "false")];
      },
      begin: (name) => {
        whenThere(name, listen);
        nameParts();
        return unchanged();
      },
      // A new figure of the same image keeps the view, however it was reached.
      draw: (figure) => {
        const now = plot();
        if (now && now.layout && figure.layout.uirevision && now.layout.uirevision === figure.layout.uirevision) {
          for (const axis of ["xaxis", "yaxis"]) figure.layout[axis].range = now._fullLayout[axis].range.map(Number);
        }
        return figure;
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

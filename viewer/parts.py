"""Parts of the page that several tabs use."""

from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid
from dash import dcc, html

GRAPH_CONFIG: Any = {
    "scrollZoom": True,
    "displaylogo": False,
    "displayModeBar": True,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "png", "filename": "image"},
}
THEME = (
    "themeQuartz.withParams({backgroundColor: '#15181d', foregroundColor: '#dfe3e8', accentColor: '#56b4e9', "
    "headerBackgroundColor: '#1d2127', borderColor: '#2c323a', oddRowBackgroundColor: '#171a20', browserColorScheme: "
    "'dark', fontSize: 13, headerFontSize: 12, spacing: 5, wrapperBorder: false, wrapperBorderRadius: 0})"
)


def make_grid(
    name: str,
    columns: Sequence[Mapping[str, Any]],
    *,
    floating: bool = False,
) -> dash_ag_grid.AgGrid:
    """Return a table whose rows are filtered, sorted and chosen in the browser; each row has an `id`, a text.

    Args:
        name: its id.
        columns: their definitions.
        floating: whether filters stand below the column titles.
    """
    options = {
        "theme": {"function": THEME},
        "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
        "suppressDragLeaveHidesColumns": True,
        "tabToNextCell": {"function": "leave(params)"},
        "suppressNoRowsOverlay": True,
        "tooltipShowDelay": 600,
        "animateRows": False,
    }
    return dash_ag_grid.AgGrid(
        id=name,
        columnDefs=list(columns),
        rowData=[],
        getRowId="params.data.id",
        defaultColDef={
            "floatingFilter": floating,
            "suppressFloatingFilterButton": True,
            "suppressHeaderFilterButton": True,
        },
        dashGridOptions=options,
        className="grid",
        style={"height": None, "width": None},
    )


def switch(name: str, text: str, *, on: bool = False, shown: bool = True) -> html.Div:
    """Return a single box to check; its value is [] or ["on"]."""
    box = dcc.Checklist(id=name, options=[{"label": text, "value": "on"}], value=["on"] if on else [])
    return named(text, box, kind="checks" if shown else "hidden")


def slider(name: str, text: str, steps: tuple[float, float, float], value: float, *, shown: bool) -> html.Div:
    """Return a slider with its label.

    Args:
        name: its id.
        text: the label.
        steps: lowest and highest value, and the step.
        value: at first.
        shown: whether it is visible.
    """
    low, high, step = steps
    part = dcc.Slider(id=name, min=low, max=high, step=step, value=value, marks=None, updatemode="drag")
    return named(text, html.Div(text, className="label"), part, kind="slider" if shown else "hidden")


def named(label: str, *parts: Any, kind: str = "") -> html.Div:
    """Return parts whose controls get a name for screen readers, see `nameParts` in viewer.js."""
    attributes: dict[str, Any] = {"data-name": label}
    return html.Div(list(parts), className=kind, **attributes)


def aria(label: str = "", **others: str) -> dict[str, Any]:
    """Return the attribute that names a part for screen readers, and others of the kind."""
    given = ({"label": label} if label else {}) | others
    return {f"aria-{name}": value for name, value in given.items()}

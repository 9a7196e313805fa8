"""The tab of patients: who they are, where their boxes lie, and the radiograph of the chosen one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update

from common.errors import InputError
from viewer.figures import COLOURS, empty_figure, plain_layout
from viewer.parts import GRAPH_CONFIG, aria, make_grid, named
from viewer.patients import FIELDS, OLDEST, Choice, Patients, count_boxes, count_groups, distinct

REFRESH = 2000  # milliseconds between updates while headers are read
COLUMNS = {"patient": 112, "sex": 62, "age": 62, "view": 66, "class": 104, "boxes": 72}
TITLES = {"patient": "Patient", "sex": "Sex", "age": "Age", "view": "View", "class": "Class", "boxes": "Boxes"}
GROUPS = {"sex": "Sex", "view": "View position", "age": "Age"}
TRUE = "true"  # whose boxes are counted, besides submissions


class PatientsTab:
    """The tab's layout and callbacks.

    Args:
        patients: of the study.
    """

    label = "Patients"

    def __init__(self, patients: Patients) -> None:
        self.patients, self.study = patients, patients.study
        self.whose = {TRUE: "True boxes"} if self.study.has_truth else {}
        self.whose |= {name: f"Boxes of {name}" for name in self.study.submissions}

    def layout(self) -> html.Div:
        """Return the filters and the table, the maps, and the chosen patient."""
        return html.Div(
            [
                html.Section([self._filters(), self._table()], className="list", **aria("Patients")),
                html.Section([self._radiograph()], className="stage", **aria("Radiograph")),
                html.Section(self._maps(), className="side", **aria("Where boxes lie")),
                dcc.Interval(id="patients-tick", interval=REFRESH),
                dcc.Store(id="patients-listed"),
            ],
            className="columns",
        )

    def register(self, app: Dash) -> None:
        """Add the callbacks."""
        app.callback(
            Output("patients", "rowData"),
            Output("patients-told", "children"),
            *(Output(f"choose-{name}", "options") for name in FIELDS),
            Output("box-map", "figure"),
            Output("groups", "figure"),
            Output("patients-tick", "disabled"),
            Output("patients-listed", "data"),
            Input("patients-tick", "n_intervals"),
            *(Input(f"choose-{name}", "value") for name in FIELDS),
            Input("choose-age", "value"),
            Input("whose", "value"),
            Input("group-by", "value"),
            State("patients-listed", "data"),
        )(self.update)
        app.callback(
            Output("radiograph", "figure"),
            Output("elements", "rowData"),
            Output("patient", "children"),
            Input("patients", "selectedRows"),
        )(self.show)

    def update(self, _: int, *given: Any) -> tuple[Any, ...]:
        """Return the table, the counts and the maps of the chosen patients."""
        *values, ages, whose, by, listed = given
        table = self.patients.table()
        complete = len(table) == len(self.study.images)
        state = [len(table), *given[:-1]]
        if listed == state:
            return (*(no_update,) * 7, complete, no_update)
        choice = Choice(dict(zip(FIELDS, (value or [] for value in values), strict=True)), tuple(ages))
        chosen = choice.of(table)
        text = f"{len(chosen):,} of {len(table):,} patients, {int((chosen['boxes'] > 0).sum()):,} with boxes"
        text += "" if complete else f"; reading {len(self.study.images):,}"
        rows = chosen.astype(object).where(chosen.notna(), None).to_dict("records")
        figures = self._map_figure(chosen["index"].tolist(), whose), groups_figure(chosen, by)
        options = [distinct(table, name) for name in FIELDS]
        return rows, text, *options, *figures, complete, state

    def show(self, rows: Sequence[dict[str, Any]] | None) -> tuple[Any, ...]:
        """Return the radiograph of the chosen patient with its boxes, and what its file says."""
        index = rows[0].get("index") if rows else None
        if not isinstance(index, int) or not 0 <= index < len(self.study.images):
            return no_update, no_update, no_update
        patient = self.study.images.image_ids[index]
        try:
            return self._radiograph_figure(index), self.patients.elements(index), patient
        except InputError as error:
            return empty_figure(), [], str(error)

    def _map_figure(self, indices: Sequence[int], whose: str) -> go.Figure:
        submission = "" if whose == TRUE else whose
        boxes = [np.zeros((0, 4)), *(self.patients.boxes(index, submission) for index in indices)]
        counts = count_boxes(np.concatenate(boxes))
        bar = {"thickness": 12, "outlinewidth": 0}
        template = "%{z} boxes<extra></extra>"
        figure = go.Figure(go.Heatmap(z=counts, colorscale="Cividis", colorbar=bar, hovertemplate=template))
        figure.update_layout(plain_layout() | {"dragmode": False})
        hidden = {"visible": False, "fixedrange": True}
        figure.update_xaxes(hidden).update_yaxes(hidden | {"autorange": "reversed", "scaleanchor": "x"})
        return figure

    def _radiograph_figure(self, index: int) -> go.Figure:
        """Return a radiograph with its true boxes dashed, and with those of submissions."""
        height, width = self.study.images.shape(index)
        figure = go.Figure().update_layout(plain_layout())
        scale = np.array([height, width, height, width])
        colours = {"": COLOURS["missed"]} | dict(
            zip(self.study.submissions, (COLOURS["found-hit"], COLOURS["false"]), strict=False)
        )
        for name, colour in colours.items():
            for y1, x1, y2, x2 in (self.patients.boxes(index, name) * scale).tolist():
                line = {"color": colour, "width": 2, "dash": "solid" if name else "dash"}
                figure.add_shape(type="rect", x0=x1, y0=y1, x1=x2, y1=y2, line=line)
        figure.add_layout_image(
            source=f"/image/{index}?stretched=0", xref="x", yref="y", x=0, y=0, sizex=width, sizey=height, layer="below"
        )
        hidden = {"visible": False}
        figure.update_xaxes(hidden | {"range": [0, width]})
        return figure.update_yaxes(hidden | {"range": [height, 0], "scaleanchor": "x"})

    def _filters(self) -> html.Div:
        fields = [
            html.Div(
                [
                    html.Label(TITLES[name], htmlFor=f"choose-{name}"),
                    dcc.Dropdown(id=f"choose-{name}", options=[], multi=True, placeholder="all", searchable=False),
                ],
                className="field",
            )
            for name in FIELDS
        ]
        ages = dcc.RangeSlider(id="choose-age", min=0, max=OLDEST, step=1, value=[0, OLDEST], marks=None)
        return html.Div(
            [*fields, named("Age", html.Div("Age", className="label"), ages, kind="slider field")], className="filters"
        )

    def _table(self) -> html.Div:
        columns: list[dict[str, Any]] = [
            {"field": name, "headerName": TITLES[name], "width": width} for name, width in COLUMNS.items()
        ]
        grid = make_grid("patients", columns)
        return html.Div([html.Div(id="patients-told", role="status", className="told"), grid], className="filled")

    def _radiograph(self) -> html.Div:
        graph = dcc.Graph(
            id="radiograph", figure=empty_figure(), config=GRAPH_CONFIG, responsive=True, style={"height": "100%"}
        )
        elements: list[dict[str, Any]] = [
            {"field": "keyword", "headerName": "DICOM element", "minWidth": 170, "flex": 2},
            {"field": "value", "headerName": "Value", "minWidth": 200, "flex": 3},
        ]
        legend = "True boxes are dashed and yellow; those of submissions blue, then orange."
        return html.Div(
            [
                html.Div([html.H2("Choose a patient", id="patient")], className="bar"),
                html.Div(graph, className="graph"),
                html.P(legend, className="hint"),
                make_grid("elements", elements),
            ],
            className="filled",
        )

    def _maps(self) -> list[Any]:
        whose = [{"label": text, "value": name} for name, text in self.whose.items()]
        groups = [{"label": text, "value": name} for name, text in GROUPS.items()]
        quiet: Any = {"displayModeBar": False}
        return [
            html.H2("Where boxes lie, over the chosen patients"),
            named(
                "Whose boxes",
                dcc.RadioItems(id="whose", options=whose, value=next(iter(self.whose), None)),
                kind="checks",
            ),
            dcc.Graph(id="box-map", figure=empty_figure(), config=quiet, style={"height": "300px"}),
            html.H2("Patients without and with boxes"),
            named("Grouped by", dcc.RadioItems(id="group-by", options=groups, value="sex", inline=True), kind="checks"),
            dcc.Graph(id="groups", figure=empty_figure(), config=quiet, style={"height": "240px"}),
        ]


def groups_figure(table: pd.DataFrame, by: str) -> go.Figure:
    """Return bars of patients without and with boxes, side by side for each group."""
    counts = count_groups(table, by)
    names = [str(name) for name in counts.index]
    figure = go.Figure(
        [
            go.Bar(x=names, y=counts["without"], name="without", marker_color="#8b949f"),
            go.Bar(x=names, y=counts["with"], name="with", marker_color=COLOURS["found-hit"]),
        ]
    )
    legend = {"orientation": "h", "y": 1.15}
    layout = {"showlegend": True, "legend": legend, "margin": {"l": 44, "r": 4, "t": 8, "b": 30}, "dragmode": False}
    figure.update_layout(plain_layout() | layout)
    return figure.update_xaxes(type="category", fixedrange=True).update_yaxes(gridcolor="#2c323a", fixedrange=True)

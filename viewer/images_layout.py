"""The layout of the tab of images: the list, the stage with the image, and the panel beside it."""

from typing import Any

from dash import dcc, html

from viewer.figures import empty_figure
from viewer.listing import list_columns
from viewer.objects import LAYERS
from viewer.parts import GRAPH_CONFIG, aria, make_grid, named, slider, switch
from viewer.study import Study

REFRESH = 1000  # milliseconds between updates of the list while images are compared


def images_layout(study: Study) -> html.Div:
    """Return the tab's parts side by side."""
    return html.Div([_list(study), _stage(), _side(study)], className="columns")


def _list(study: Study) -> html.Section:
    search = dcc.Input(id="search", type="search", placeholder="Search images")
    return html.Section(
        [
            html.Div([html.Label("Search", htmlFor="search", className="unseen"), search], className="bar"),
            make_grid("list", list_columns(study), floating=True),
            html.Div(id="progress", role="status"),
            dcc.Interval(id="tick", interval=REFRESH),
            *(dcc.Store(id=name) for name in ("chosen", "drawn", "told", "listed", "zoomed")),
        ],
        className="list",
        **aria("Images"),
    )


def _stage() -> html.Section:
    graph = dcc.Graph(id="graph", figure=empty_figure(), config=GRAPH_CONFIG, clear_on_unhover=True, responsive=True)
    bar = [
        html.Button("‹", id="previous", title="Previous image (←)", **aria("Previous image")),
        html.Button("›", id="next", title="Next image (→)", **aria("Next image")),
        html.Div(id="caption", className="caption"),
    ]
    return html.Section(
        [
            html.Div(bar, className="bar"),
            html.Div(id="titles", className="titles"),
            html.Div(id="problem", role="alert"),
            html.Div(graph, className="graph"),
            dcc.Tooltip(id="tip", className="tip"),
        ],
        className="stage",
        **aria("Image"),
    )


def _side(study: Study) -> html.Section:
    truth, submissions, two = study.has_truth, bool(study.submissions), len(study.submissions) == 2
    scored = any(map(study.has_scores, study.submissions))
    return html.Section(
        [
            html.H2("Counts as a hit", className="" if (truth and submissions) or scored else "hidden"),
            slider("iou", "IoU", (0.05, 0.95, 0.05), 0.5, shown=truth and submissions),
            slider("confidence", "Confidence", (0, 1, 0.01), 0, shown=scored),
            html.H2("Shown"),
            named(
                "Outlines",
                dcc.Checklist(
                    id="layers",
                    options=[{"label": _swatch(key, text), "value": key} for key, text in LAYERS.items()],
                    value=list(LAYERS),
                ),
                kind="checks" if truth and submissions else "hidden",
            ),
            switch("stretch", "Stretch the contrast", on=True),
            switch("different", "Only what differs", shown=two),
            html.H2("Objects"),
            make_grid("objects", _object_columns(study)),
            html.P("Keys: ← → image, + − 0 zoom. Mouse: scroll to zoom, drag to move.", className="hint"),
        ],
        className="side",
        **aria("What counts and what is shown"),
    )


def _object_columns(study: Study) -> list[dict[str, Any]]:
    fields = [("panel", "In", 44)] if len(study.submissions) == 2 else []
    fields += [("state", "State", 74), ("number", "No.", 52)]
    fields += [("class", "Class", 84)] if len(study.class_names) > 1 else []
    fields += [("score", "Score", 66)] if any(map(study.has_scores, study.submissions)) else []
    fields += [("iou", "IoU", 60)] if study.has_truth and study.submissions else []
    fields += [("area", "Area", 66)]
    two_digits = {"valueFormatter": {"function": "params.value == null ? '' : d3.format('.2f')(params.value)"}}
    return [
        {"field": field, "headerName": title, "width": width} | (two_digits if field in ("score", "iou") else {})
        for field, title, width in fields
    ]


def _swatch(layer: str, text: str) -> html.Span:
    return html.Span([html.Span(className=f"swatch {layer}"), text])

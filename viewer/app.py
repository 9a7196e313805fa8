"""The viewer's server: the page, its tabs, and the images that they show."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from dash import ClientsideFunction, Dash, Input, Output, State, html
from flask import Response, abort, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from common.errors import InputError
from common.predictor import MapPredictor, Predictor
from rsna.dataset import Radiographs
from viewer.guard import guard
from viewer.images_tab import ImagesTab
from viewer.own_tab import OwnTab
from viewer.parts import aria
from viewer.patients import Patients
from viewer.patients_tab import PatientsTab
from viewer.scenes import Latest, Scenes
from viewer.scorer import Scorer
from viewer.views_tab import ViewsTab

HOST = "127.0.0.1"
TITLE = "kaggle-segmentation viewer"
NUM_MADE = 64  # pictures made on request that stay in memory


class Tab(Protocol):
    """A part of the page."""

    label: str

    def layout(self) -> html.Div:
        """Return what it shows."""

    def register(self, app: Dash) -> None:
        """Add its callbacks."""


class _Quiet(WSGIRequestHandler):
    """Does not log requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def make_viewer(
    scorer: Scorer, port: int, predictor: Predictor | MapPredictor | None = None
) -> tuple[BaseWSGIServer, str]:
    """Return a server for a study, whose `serve_forever` starts it, and the address that opens its page.

    Args:
        scorer: knows the study; it should be started.
        port: on 127.0.0.1; 0: any free one.
        predictor: a network for views and for dropped images.

    Raises:
        InputError: the port is taken.
    """
    study, scenes, memory = scorer.study, Scenes(scorer.study), Latest[bytes](NUM_MADE)
    tabs: list[Tab] = [ImagesTab(scorer, scenes)]
    if predictor:
        tabs.append(ViewsTab(study, predictor, memory))
    if isinstance(study.images.source, Radiographs):
        patients = Patients(study)
        patients.start()
        tabs.append(PatientsTab(patients))
    tabs.append(OwnTab(study, predictor, memory))
    app = Dash(
        __name__,
        title=TITLE,
        update_title="",
        assets_folder=str(Path(__file__).with_name("assets")),
        serve_locally=True,
        enable_mcp=False,
        add_log_handler=False,
    )
    app.index_string = app.index_string.replace("<html>", '<html lang="en">')
    app.layout = html.Div([_header(scorer, tabs), html.Main(_bodies(tabs))], className="viewer")
    for tab in tabs:
        tab.register(app)
    _register_in_browser(app, tabs)
    _serve_images(app, scenes, len(scorer.entries))
    _serve_memory(app, memory)
    try:
        server = make_server(HOST, port, app.server, threaded=True, request_handler=_Quiet)
    except (OSError, SystemExit):
        raise InputError(f"--port {port}: taken, or not allowed; give another one, or 0 for any free one") from None
    token = secrets.token_urlsafe()
    guard(app.server, server.port, token, app.csp_hashes())
    return server, f"http://{HOST}:{server.port}/?token={token}"


def _header(scorer: Scorer, tabs: Sequence[Tab]) -> html.Header:
    images = scorer.study.images
    where = f"{images.path.name} · {scorer.study.competition.name} · {len(images):,} images"
    left_out = f"{len(scorer.study.left_out)} unreadable" if scorer.study.left_out else ""
    buttons = [
        html.Button(tab.label, id=f"tab-{number}", className="tab", **aria(current="false" if number else "page"))
        for number, tab in enumerate(tabs)
    ]
    return html.Header(
        [
            html.Div(
                [
                    html.H1("Viewer"),
                    html.Span(where, title=str(images.path)),
                    html.Span(left_out, title=", ".join(scorer.study.left_out)),
                ],
                className="title",
            ),
            html.Nav(buttons, **aria("Views of the set")),
            html.Div(id="summary", className="summary", title=f"Score: {scorer.study.rule.text}", role="status"),
        ]
    )


def _bodies(tabs: Sequence[Tab]) -> list[html.Div]:
    return [
        html.Div(tab.layout(), id=f"body-{number}", className="body" if number == 0 else "body hidden")
        for number, tab in enumerate(tabs)
    ]


def _register_in_browser(app: Dash, tabs: Sequence[Tab]) -> None:
    """Add the callbacks that need no server: the tab, what is chosen, searched, told at the pointer, zoomed to."""

    def here(name: str) -> ClientsideFunction:
        return ClientsideFunction("viewer", name)

    app.clientside_callback(
        here("tab"),
        *(Output(f"body-{number}", "className") for number in range(len(tabs))),
        *(Output(f"tab-{number}", "aria-current") for number in range(len(tabs))),
        *(Input(f"tab-{number}", "n_clicks") for number in range(len(tabs))),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        here("step"),
        Output("previous", "disabled"),
        Input("previous", "n_clicks"),
        Input("next", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(here("begin"), Output("list", "className"), Input("list", "id"))
    app.clientside_callback(
        here("search"), Output("search", "className"), Input("search", "value"), prevent_initial_call=True
    )
    app.clientside_callback(
        here("tell"),
        Output("tip", "show"),
        Output("tip", "bbox"),
        Output("tip", "children"),
        Input("graph", "hoverData"),
        State("told", "data"),
    )
    app.clientside_callback(here("draw"), Output("graph", "figure"), Input("drawn", "data"), prevent_initial_call=True)
    app.clientside_callback(here("zoom"), Output("zoomed", "data"), Input("objects", "selectedRows"))


def _serve_images(app: Dash, scenes: Scenes, count: int) -> None:
    def image(index: int) -> Response:
        if index >= count:
            abort(404)
        try:
            data = scenes.png(index, stretched=request.args.get("stretched") == "1")
        except InputError:
            abort(404)
        return Response(data, mimetype="image/png", headers={"Cache-Control": "private, max-age=3600"})

    app.server.add_url_rule("/image/<int:index>", "image", image)


def _serve_memory(app: Dash, memory: Latest[bytes]) -> None:
    def made(key: str) -> Response:
        data = memory.peek(key)
        if data is None:
            abort(404)
        return Response(data, mimetype="image/png", headers={"Cache-Control": "no-store"})

    app.server.add_url_rule("/memory/<key>", "memory", made)

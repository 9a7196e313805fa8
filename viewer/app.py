"""The viewer's server: the page, its tabs, and the images that they show."""

from pathlib import Path

from dash import ClientsideFunction, Dash, Input, Output, State, html
from flask import Response, abort, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from common.errors import InputError
from viewer.guard import guard
from viewer.images_tab import ImagesTab
from viewer.scenes import Scenes
from viewer.scorer import Scorer

HOST = "127.0.0.1"
TITLE = "kaggle-segmentation viewer"


class _Quiet(WSGIRequestHandler):
    """Does not log requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def make_viewer(scorer: Scorer, port: int) -> BaseWSGIServer:
    """Return a server for a study; `serve_forever` starts it.

    Args:
        scorer: knows the study; it should be started.
        port: on 127.0.0.1; 0: any free one, see the server's `port`.

    Raises:
        InputError: the port is taken.
    """
    scenes = Scenes(scorer.study)
    app = Dash(
        __name__,
        title=TITLE,
        update_title="",
        assets_folder=str(Path(__file__).with_name("assets")),
        serve_locally=True,
        enable_mcp=False,
        add_log_handler=False,
    )
    tab = ImagesTab(scorer, scenes)
    app.layout = html.Div([_header(scorer), html.Main(tab.layout())], className="viewer", lang="en")
    tab.register(app)
    _register_in_browser(app)
    _serve_images(app, scenes, len(scorer.entries))
    try:
        server = make_server(HOST, port, app.server, threaded=True, request_handler=_Quiet)
    except (OSError, SystemExit):
        raise InputError(f"--port {port}: taken, or not allowed; give another one, or 0 for any free one") from None
    guard(app.server, server.port, app.csp_hashes())
    return server


def _header(scorer: Scorer) -> html.Header:
    images = scorer.study.images
    where = f"{images.path.name} · {scorer.study.competition.name} · {len(images):,} images"
    return html.Header(
        [
            html.Div([html.H1("Viewer"), html.Span(where, title=str(images.path))], className="title"),
            html.Div(id="summary", className="summary", title=f"Score: {scorer.study.rule.text}", role="status"),
        ]
    )


def _register_in_browser(app: Dash) -> None:
    """Add the callbacks that need no server: what is chosen, searched, told at the pointer, zoomed to."""

    def here(name: str) -> ClientsideFunction:
        return ClientsideFunction("viewer", name)

    app.clientside_callback(here("chosen"), Output("chosen", "data"), Input("list", "selectedRows"))
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

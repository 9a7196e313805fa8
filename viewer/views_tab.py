"""The tab of views: what the network sees in each view of the chosen image, and their votes."""

from typing import Any
from uuid import uuid4

from dash import Dash, Input, Output, State, dcc, html, no_update

from common.errors import InputError
from common.predictor import MapPredictor, Predictor
from viewer.figures import empty_figure, votes_figure
from viewer.objects import count_objects
from viewer.parts import GRAPH_CONFIG, aria, named
from viewer.scenes import Latest, encode_fast
from viewer.segmenting import MAP_NAMES, VIEW_NAMES, find_views
from viewer.study import Study


class ViewsTab:
    """The tab's layout and callbacks.

    Args:
        study: what is shown.
        predictor: the network.
        memory: PNG files by key, which the page loads from `/memory/`.
    """

    label = "Views"

    def __init__(self, study: Study, predictor: Predictor | MapPredictor, memory: Latest[bytes]) -> None:
        self.study, self.predictor, self.memory = study, predictor, memory

    def layout(self) -> html.Div:
        """Return the choice of views, the map of votes, and a picture for each view."""
        names = MAP_NAMES if isinstance(self.predictor, MapPredictor) else VIEW_NAMES
        choice = dcc.RadioItems(
            id="view-set",
            options=[{"label": text, "value": name} for name, text in names.items()],
            value=list(names)[-1] if isinstance(self.predictor, MapPredictor) else next(iter(names)),
            inline=True,
        )
        bar = [
            html.H2(id="viewed", children="No image is chosen"),
            named("Views", choice, kind="checks"),
            html.Button("Predict these views", id="look", className="main"),
            html.Span(id="views-told", role="status"),
        ]
        graph = dcc.Graph(
            id="votes", figure=empty_figure(), config=GRAPH_CONFIG, responsive=True, style={"height": "100%"}
        )
        pictures = html.Section(id="views", className="pictures", **aria("Each view with its objects"))
        return html.Div(
            [
                html.Div(bar, className="bar"),
                html.Div(
                    [dcc.Loading(html.Div(graph, className="graph"), type="dot", parent_className="loading"), pictures],
                    className="halves",
                ),
            ],
            className="page",
        )

    def register(self, app: Dash) -> None:
        """Add the callbacks."""
        app.callback(Output("viewed", "children"), Input("chosen", "data"))(self.name)
        app.callback(
            Output("votes", "figure"),
            Output("views", "children"),
            Output("views-told", "children"),
            Input("look", "n_clicks"),
            State("chosen", "data"),
            State("view-set", "value"),
            running=[(Output("look", "disabled"), True, False)],
            prevent_initial_call=True,
        )(self.look)

    def name(self, index: int | None) -> Any:
        """Return the name of the chosen image."""
        known = index is not None and 0 <= index < len(self.study.images)
        return self.study.images.image_ids[index] if known else no_update  # type: ignore[index]

    def look(self, _: int, index: int | None, name: str) -> tuple[Any, ...]:
        """Return the votes, the views, and a text."""
        names = MAP_NAMES if isinstance(self.predictor, MapPredictor) else VIEW_NAMES
        if index is None or not 0 <= index < len(self.study.images) or name not in names:
            return no_update, no_update, "Choose an image first."
        try:
            image = self.study.images.load_image(index)
            views = find_views(self.predictor, image, name)
        except InputError as error:
            return empty_figure(), [], str(error)
        key = uuid4().hex
        self.memory.put(key, encode_fast(image, stretched=True))
        title = "mean probability" if isinstance(self.predictor, MapPredictor) else "views that see an object"
        figure = votes_figure(views.votes, views.most, f"/memory/{key}", title)
        pictures = []
        for number, (text, picture) in enumerate(views.pictures.items()):
            self.memory.put(f"{key}-{number}", encode_fast(picture, stretched=False))
            source = html.Img(src=f"/memory/{key}-{number}", alt=text)
            pictures.append(html.Figure([source, html.Figcaption(text)]))
        count = "" if views.merged is None else f"{count_objects(len(views.merged))} after merging"
        return figure, pictures, count

"""The tab of images: the list, the image with its outlines, its objects, and what counts."""

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, html, no_update

from common.errors import InputError
from viewer.figures import Drawn, empty_figure, image_figure
from viewer.images_layout import images_layout
from viewer.listing import list_rows, summarise
from viewer.matches import nearest_threshold
from viewer.objects import (
    Limits,
    Panel,
    count_objects,
    describe,
    keep_different,
    make_panel,
    make_regions,
    object_rows,
)
from viewer.scenes import Scene, Scenes
from viewer.scorer import UPDATES, Scorer


class ImagesTab:
    """The tab's layout and callbacks.

    Args:
        scorer: knows the study and its counts.
        scenes: of the images.
    """

    label = "Images"

    def __init__(self, scorer: Scorer, scenes: Scenes) -> None:
        self.study, self.scorer, self.scenes = scorer.study, scorer, scenes
        self.names = list(self.study.submissions)

    def layout(self) -> html.Div:
        """Return the list, the image and the side panel."""
        return images_layout(self.study)

    def register(self, app: Dash) -> None:
        """Add the callbacks."""
        limits = [Input("iou", "value"), Input("confidence", "value")]
        app.callback(
            Output("list", "rowData"),
            Output("summary", "children"),
            Output("tick", "disabled"),
            Output("progress", "children"),
            Output("listed", "data"),
            Input("tick", "n_intervals"),
            *limits,
            State("listed", "data"),
        )(self.update_list)
        app.callback(
            Output("drawn", "data"),
            Output("told", "data"),
            Output("objects", "rowData"),
            Output("caption", "children"),
            Output("titles", "children"),
            Output("problem", "children"),
            Output("graph", "style"),
            Input("chosen", "data"),
            *limits,
            Input("layers", "value"),
            Input("stretch", "value"),
            Input("different", "value"),
        )(self.update_image)

    def update_list(self, _: int, iou: float, confidence: float, listed: list[Any] | None) -> tuple[Any, ...]:
        """Return the rows and sums for the chosen limits, as far as images are compared.

        A tick may overtake a change of a limit, whose answer the browser then drops; so what is listed says what to do.
        """
        now, total = self.scorer.done, len(self.scorer.entries)
        text = "" if now == total else f"comparing: {now:,} of {total:,} images"
        done = listed[0] if listed and listed[1:] == [iou, confidence] else 0
        if done and now < total and now - done < total / UPDATES:
            return no_update, no_update, False, text, no_update
        limits = Limits(nearest_threshold(iou), confidence)
        sums = [
            html.Div([html.Span(title, className="name"), html.Span(text)])
            for title, text in summarise(self.scorer, limits)
        ]
        return list_rows(self.scorer, limits), sums, now == total, text, [now, iou, confidence]

    def update_image(
        self,
        index: int | None,
        iou: float,
        confidence: float,
        layers: Sequence[str],
        stretch: Sequence[str],
        different: Sequence[str],
    ) -> tuple[Any, ...]:
        """Return the figure of an image, its objects, and what is told of it."""
        if index is None or not 0 <= index < len(self.study.images):
            return (no_update,) * 7
        limits = Limits(nearest_threshold(iou), confidence, bool(different))
        problem = self.scorer.entry(index).problem
        try:
            if not problem:
                self.scenes.png(index, stretched=bool(stretch))
                return self._drawn(index, limits, layers, bool(stretch))
        except InputError as error:
            problem = str(error)
        text = [html.Strong("This image cannot be read."), html.Span(problem)]
        return empty_figure(), {}, [], self._caption(index), [], text, {"display": "none"}

    def _drawn(self, index: int, limits: Limits, layers: Sequence[str], stretched: bool) -> tuple[Any, ...]:
        scene = self.scenes.scene(index)
        panels = self._panels(index, scene, limits)
        titles = self._titles(index, panels)
        if limits.only_different and len(panels) == 2:
            panels = keep_different(scene, panels, limits)
        regions = [make_regions(scene, panel) for panel in panels]
        drawn = [Drawn(panel, places) for panel, (places, _) in zip(panels, regions, strict=True)]
        figure = image_figure(scene, drawn, f"/image/{index}?stretched={stretched:d}", layers, str(index))
        told = {}
        for number, (panel, (_, pairs)) in enumerate(zip(panels, regions, strict=True)):
            curve = next(i for i, trace in enumerate(figure.data) if trace.xaxis == f"x{number + 1 if number else ''}")
            told[str(curve)] = [describe(self.study, scene, panel, pair) for pair in pairs]
        rows = [
            row | {"panel": "AB"[number], "id": f"{number}{row['id']}"}
            for number, panel in enumerate(panels)
            for row in object_rows(self.study, scene, panel)
        ]
        return figure, told, rows, self._caption(index), titles, "", {}

    def _panels(self, index: int, scene: Scene, limits: Limits) -> list[Panel]:
        """Return a panel for each submission; one of the ground truth alone if there is no submission."""
        matches = self.scorer.entry(index).matches
        return [make_panel(scene, name, matches.get(name), limits) for name in self.names or [""]]

    def _titles(self, index: int, panels: Sequence[Panel]) -> list[html.Div]:
        titles = []
        for number, panel in enumerate(panels):
            name = f"{'AB'[number]}: {panel.name}" if len(panels) == 2 else panel.name or "Ground truth"
            layers = [layer for layer in (*panel.true_layers.tolist(), *panel.found_layers.tolist()) if layer]
            counts = (layers.count("found-hit"), layers.count("false"), layers.count("missed"))
            text = "{} hit · {} false · {} missed".format(*counts) if panel.matches else count_objects(len(layers))
            if panel.name and self.study.is_missing(index, panel.name):
                text = f"no row · {text}"
            titles.append(html.Div([html.Span(name, className="name"), html.Span(text)]))
        return titles

    def _caption(self, index: int) -> list[Any]:
        height, width = self.study.images.shape(index)
        kind = self.scorer.entry(index).kind
        details = f"{height} × {width} px" + (f" · {kind}" if kind else "")
        return [html.H2(self.study.images.image_ids[index]), html.Span(details)]

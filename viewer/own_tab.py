"""The tab for one's own image: dropped, segmented, kept in memory only, and given out as files."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from common.errors import InputError
from common.images.decoding import decode_image
from common.images.formats.dicom import is_dicom
from common.masks.instances import Instances
from common.predictor import MapPredictor, Predictor
from rsna.config import RSNAConfig
from viewer.dicoms import read_elements
from viewer.figures import Drawn, empty_figure, image_figure
from viewer.objects import Limits, count_objects, make_panel, make_regions, object_rows
from viewer.parts import GRAPH_CONFIG, aria, make_grid, named
from viewer.scenes import Latest, Scene, encode_fast
from viewer.segmenting import files_to_download, find_objects
from viewer.study import Study

LARGEST_FILE = 64 * 2**20  # bytes
KINDS = ".png,.jpg,.jpeg,.tif,.tiff,.dcm"
NAME = "own"  # of the panel
DOWNLOADS = {"labels": "Label image", "csv": "CSV", "overlay": "Overlay"}


@dataclass(frozen=True, eq=False)
class Dropped:
    """A dropped image with its objects.

    Attributes:
        name: of the file.
        image: (H, W, 3) uint8.
        objects: those found.
    """

    name: str
    image: np.ndarray
    objects: Instances


class OwnTab:
    """The tab's layout and callbacks.

    Args:
        study: names the classes.
        predictor: the network; None: only what the file says is shown.
        memory: PNG files by key, which the page loads from `/memory/`.
    """

    label = "Your image"

    def __init__(self, study: Study, predictor: Predictor | MapPredictor | None, memory: Latest[bytes]) -> None:
        self.study, self.predictor, self.memory = study, predictor, memory
        self.dropped: Latest[Dropped] = Latest(4)

    def layout(self) -> html.Div:
        """Return the place to drop a file, the image with its objects, and the downloads."""
        hint = "" if self.predictor else " Start with --weights to have it segmented."
        drop = dcc.Upload(
            ["Drop a PNG, JPEG, TIFF or DICOM file here, or ", html.Button("choose one", id="choose-file")],
            id="drop",
            accept=KINDS,
            max_size=LARGEST_FILE,
            className="drop",
            className_active="drop over",
        )
        graph = dcc.Graph(
            id="own-graph", figure=empty_figure(), config=GRAPH_CONFIG, responsive=True, style={"height": "100%"}
        )
        buttons = [html.Button(text, id=f"get-{key}", disabled=True) for key, text in DOWNLOADS.items()]
        return html.Div(
            [
                named("File to segment", drop),
                html.P(f"It stays in this program's memory, and nothing is written.{hint}", className="hint"),
                html.Div(id="own-told", role="status"),
                html.Div(buttons, className="bar"),
                html.Div(
                    [
                        dcc.Loading(html.Div(graph, className="graph"), type="dot", parent_className="loading"),
                        self._tables(),
                    ],
                    className="halves",
                ),
                dcc.Store(id="own-key"),
                dcc.Download(id="file"),
            ],
            className="page",
        )

    def _tables(self) -> html.Section:
        columns = [("number", "No.", 60), ("class", "Class", 110), ("score", "Score", 80), ("area", "Area", 90)]
        elements = [("keyword", "DICOM element", 170), ("value", "Value", 200)]
        return html.Section(
            [
                make_grid("own-objects", [_column(*one) for one in columns]),
                make_grid("own-elements", [_column(*one) for one in elements]),
            ],
            className="tables",
            **aria("Objects, and what a DICOM file says"),
        )

    def register(self, app: Dash) -> None:
        """Add the callbacks."""
        app.callback(
            Output("own-graph", "figure"),
            Output("own-objects", "rowData"),
            Output("own-elements", "rowData"),
            Output("own-told", "children"),
            Output("own-key", "data"),
            *(Output(f"get-{key}", "disabled") for key in DOWNLOADS),
            Input("drop", "contents"),
            State("drop", "filename"),
            prevent_initial_call=True,
        )(self.receive)
        app.callback(
            Output("file", "data"),
            *(Input(f"get-{key}", "n_clicks") for key in DOWNLOADS),
            State("own-key", "data"),
            prevent_initial_call=True,
        )(self.give)

    def receive(self, contents: str | None, name: str | None) -> tuple[Any, ...]:
        """Read and segment a dropped file."""
        if not contents:
            return (no_update,) * 8
        name = str(name or "image")
        try:
            data = decode_contents(contents, name)
            elements = read_elements(data, name) if is_dicom(data) else []
            image = decode_image(data, name)
            objects = find_objects(self.predictor, image) if self.predictor else Instances.empty()
        except InputError as error:
            return empty_figure(), [], [], f"{error}", None, True, True, True
        key = uuid4().hex
        self.dropped.put(key, Dropped(name, image, objects))
        self.memory.put(key, encode_fast(image, stretched=True))
        scene = Scene.of((image.shape[0], image.shape[1]), None, {NAME: objects})
        panel = make_panel(scene, NAME, None, Limits(9, 0))
        figure = image_figure(scene, [Drawn(panel, make_regions(scene, panel)[0])], f"/memory/{key}", (), key)
        count = count_objects(len(objects)) if self.predictor else "not segmented"
        text = f"{name}: {image.shape[0]} × {image.shape[1]} px, {count}"
        off = self.predictor is None
        return figure, object_rows(self.study, scene, panel), elements, text, key, off, off, off

    def give(self, *values: Any) -> Any:
        """Return the file whose button was pressed."""
        dropped = self.dropped.peek(values[-1])
        wanted = str(ctx.triggered_id).removeprefix("get-")
        if dropped is None or wanted not in DOWNLOADS or self.predictor is None:
            return no_update
        boxes = isinstance(self.predictor.config, RSNAConfig)
        name, data = files_to_download(dropped.name, dropped.image, dropped.objects, boxes=boxes)[wanted]
        return dcc.send_bytes(data, name)


def decode_contents(contents: str, name: str) -> bytes:
    """Return the bytes of a dropped file, which the browser sends in base64 after its type.

    Raises:
        InputError: too large, or not in base64.
    """
    text = contents.partition(",")[2]
    if len(text) > LARGEST_FILE * 4 // 3 + 4:
        raise InputError(f"{name}: larger than {LARGEST_FILE // 2**20} MiB; give a smaller image")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InputError(f"{name}: arrived damaged; drop it again") from None


def _column(field: str, title: str, width: int) -> dict[str, Any]:
    digits = {"valueFormatter": {"function": "params.value == null ? '' : d3.format('.2f')(params.value)"}}
    return {"field": field, "headerName": title, "minWidth": width, "flex": width} | (
        digits if field == "score" else {}
    )

"""One object that predicts: what it owns, how it is loaded, sent and shared."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from common.prediction.detections import Detections
from common.prediction.tiles import TiledDetections
from common.prediction.views import TURNED_VIEWS, VIEWS, View, scaled_shape
from common.predictor import MapPredictor, Predictor
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.unet import UNetConfig
from dsb.config import DSBConfig
from tests.image_sets import Limited, grid_image, predictor_of

TILE = 64
TILED = MaskRCNNConfig(min_dim=64, max_whole_side=TILE, tile_size=TILE, tile_overlap=16)
RNG = np.random.default_rng(0)


def bright_box(image):
    """Detect the box around what is brighter than 128."""
    rows, columns = np.nonzero(image[..., 0] > 128)
    boxes = [[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]] if len(rows) else []
    count = len(boxes)
    probs = np.ones((count, 28, 28), np.float16)
    values = np.reshape(boxes, (-1, 4)).astype(np.float32)
    return Detections(values, np.full(count, 0.9, np.float32), np.ones(count, np.int32), probs, image.shape[:2])


def find_bright(images):
    return [bright_box(image) for image in images]


def box_image(height=60, width=60, box=(8, 12, 30, 42)):
    image = np.zeros((height, width, 3), np.uint8)
    y1, x1, y2, x2 = box
    image[y1:y2, x1:x2] = 200
    return image


class Recording:
    """A detector that notes what it is shown."""

    def __init__(self):
        self.images = []

    def __call__(self, images):
        images = list(images)
        self.images += images
        return find_bright(images)


def test_an_image_that_fits_is_detected_whole_and_others_in_tiles():
    for side, kind in ((TILE, Detections), (TILE + 1, TiledDetections)):
        found = predictor_of(find_bright, TILED).detect(np.zeros((side, 30, 3), np.uint8))
        assert isinstance(found, kind)


def test_contrast_is_that_of_the_image_not_of_the_tile():
    image = np.zeros((TILE, 2 * TILE, 3), np.uint8)
    image[:, :TILE] = np.linspace(0, 100, TILE)[:, None]
    image[:, TILE:] = 100
    detector = Recording()
    config = MaskRCNNConfig(min_dim=64, max_whole_side=TILE, tile_size=TILE, tile_overlap=16, stretch_contrast=True)
    predictor_of(detector, config).detect(image)
    assert len(detector.images) > 2
    assert {tile.max() for tile in detector.images} == {255}
    assert detector.images[-1].min() == 255


def test_an_image_that_is_scaled_down_is_not_cut():
    detector = Recording()
    config = MaskRCNNConfig(min_dim=64, max_dim=128, max_whole_side=TILE, tile_size=TILE, tile_overlap=16)
    predictor_of(detector, config).detect(np.zeros((150, 300, 3), np.uint8))
    assert [image.shape for image in detector.images] == [(150, 300, 3)]


@pytest.mark.parametrize("views", [None, "votes", "majority"])
@pytest.mark.parametrize("shape", [(256, 256), (256, 500), (157, 161), (64, 64)])
def test_a_large_image_is_shrunk_for_the_network_alone(views, shape):
    config = replace(TILED, downscale=True)
    detector, box = Recording(), (shape[0] // 8, shape[1] // 6, shape[0] // 2, shape[1] // 2)
    found = predictor_of(detector, config).predict(box_image(*shape, box=box), views)
    assert max(min(image.shape[:2]) for image in detector.images) <= (64 if views is None else 128)
    (found_box,) = found.boxes.tolist()
    scale = min(shape) / 64
    assert np.abs(np.subtract(found_box, box)).max() <= max(2, 2 * scale)  # two of the network's pixels


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 9), np.uint8), r"shape \(8, 9\), uint8, is no image"),
        (np.zeros((8, 9, 4), np.uint8), r"shape \(8, 9, 4\)"),
        (np.zeros((3, 8, 9), np.uint8), r"shape \(3, 8, 9\)"),
        (np.zeros((0, 9, 3), np.uint8), r"shape \(0, 9, 3\)"),
        (np.zeros((8, 9, 3)), r"float64, is no image; give an array"),
        ([[[0, 0, 0]]], "a list is no image"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    for predictor in (predictor_of(find_bright, TILED), MapPredictor(UNetConfig(), Path("none.h5"))):
        with pytest.raises(InputError, match=message):
            predictor.predict(image)


def test_each_distinct_view_is_detected_once():
    image, detector = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8), Recording()
    looks = predictor_of(detector, MaskRCNNConfig(min_dim=80, tile_size=80, tile_overlap=16)).look(image, "votes").looks
    assert sorted(place for look in looks for place in look.places) == list(range(15))
    assert [one.shape for one in detector.images] == [(*scaled_shape(look.view, (40, 60)), 3) for look in looks]
    # Twice is what detection enlarges to, below 512 nothing is shrunk, and two flips with a half turn are none.
    assert looks[0].places == [0, 1, 2, 3, 8, 9]
    np.testing.assert_array_equal(detector.images[0], image)
    smaller = predictor_of(Recording(), MaskRCNNConfig(min_dim=64, tile_size=80, tile_overlap=16))
    assert len(smaller.look(image, "votes").looks) > len(looks)


@pytest.mark.parametrize(
    ("image_shape", "same"),
    [
        ((40, 60), [0, 1, 2, 3, 8, 9]),
        ((10, 200), [0, 2, 3, 8, 9]),  # a strip: twice its length is more than detection enlarges it to
        ((10, 300), [0, 1, 2, 3, 8, 9]),  # in tiles, which are enlarged by four
    ],
)
def test_views_up_to_the_scale_of_detection_are_detected_once(image_shape, same):
    config = MaskRCNNConfig(min_dim=80, tile_size=80, tile_overlap=16, max_whole_side=250)
    image = np.zeros((*image_shape, 3), np.uint8)
    assert predictor_of(Recording(), config).look(image, "votes").looks[0].places == same


@pytest.mark.parametrize("views", [None, "votes", "majority"])
def test_objects_are_found_where_they_are_in_any_views(views):
    (box,) = predictor_of(find_bright).predict(box_image(), views).boxes.tolist()
    assert np.abs(np.subtract(box, (8, 12, 30, 42))).max() <= 1


def test_nothing_to_find_is_an_ordinary_result():
    for views in (None, "votes", "majority"):
        assert len(predictor_of(find_bright).predict(np.zeros((50, 40, 3), np.uint8), views)) == 0


def test_views_of_ones_own_are_not_merged():
    prediction = predictor_of(find_bright).look(box_image(), [View(), View(flip_lr=True)])
    assert [look.view.flip_lr for look in prediction.looks] == [False, True]
    assert prediction.merging is None


def test_views_by_name_are_those_of_the_runs():
    for name, views in (("votes", VIEWS), ("majority", TURNED_VIEWS)):
        looks = predictor_of(find_bright).look(box_image(700, 700), name).looks
        assert sorted(place for look in looks for place in look.places) == list(range(len(views)))


def test_scales_of_the_votes_may_be_swapped():
    shapes = []
    for swap in (False, True):
        detector = Recording()
        predictor_of(detector, MaskRCNNConfig(swap_scales=swap)).look(box_image(600, 600), "votes")
        shapes.append({image.shape[:2] for image in detector.images})
    assert shapes[0] != shapes[1] == {(width, height) for height, width in shapes[0]}


def test_channels_are_shifted_where_the_config_asks_for_it():
    image = box_image()
    shown = []
    for config, seed in ((MaskRCNNConfig(), 1), (MaskRCNNConfig(channel_shift=True), 1), (MaskRCNNConfig(), None)):
        detector = Recording()
        rng = None if seed is None else np.random.default_rng(seed)
        predictor_of(detector, config).look(image, "votes", rng=rng)
        shown.append(len({one.tobytes() for one in detector.images}))
    assert shown[0] == shown[2] < shown[1]


def test_options_decide_how_masks_are_made():
    image = box_image()
    usual = predictor_of(find_bright).predict(image).areas.sum()
    grown = MaskRCNNConfig(separate=True, dilation=True)
    assert predictor_of(find_bright, grown).predict(image).areas.sum() > usual


def test_views_of_a_model_of_several_classes_are_refused():
    predictor = predictor_of(find_bright, MaskRCNNConfig(class_names=("cat", "dog")))
    assert len(predictor.predict(box_image())) == 1
    with pytest.raises(InputError, match="views votes: merging needs a single class; this model has 2"):
        predictor.predict(box_image(), "votes")


GRID, COUNT = grid_image(600, 600, 30)
NUCLEI = DSBConfig(dilation=False, max_whole_side=700)


@pytest.mark.parametrize("views", [None, "votes", "majority"])
@pytest.mark.parametrize("max_whole_side", [700, 512])
def test_a_full_image_is_looked_at_again_in_each_view(views, max_whole_side, lines):
    config = replace(NUCLEI, max_whole_side=max_whole_side, tile_size=512)
    for most in (COUNT // 2, COUNT + 1):
        detector = Limited(most)
        assert len(predictor_of(detector, config).predict(GRID, views)) == COUNT
        again = [scale for _, scale in detector.shown if scale is not None]
        assert bool(again) == (most < COUNT)
    assert lines() == []


@pytest.mark.parametrize("views", [None, "votes", "majority"])
@pytest.mark.parametrize(("option", "remedy"), [("look_again", ""), ("as_published", ", without --as-published")])
def test_one_look_stays_one_look_and_tells_that_it_was_full(views, option, remedy, lines):
    if (option, views) == ("as_published", "majority"):
        return  # refused by the script
    detector = Limited(COUNT // 2)
    predictor = predictor_of(detector, replace(NUCLEI, **{option: option == "as_published"}))
    for _ in range(2):
        assert len(predictor.predict(GRID, views)) < COUNT
    assert {scale for _, scale in detector.shown} == {None}
    assert predictor.look(GRID, views).full
    assert lines() == [
        "warning: an image may hold more objects than --max-detections 512, --detect-proposals 1000 and "
        f"--pre-nms-limit 6000 allow; raise them, or find the others in smaller tiles: --look-again{remedy}; "
        "`look(image).full` tells which others"
    ]


def test_many_images_come_back_in_order(capsys):
    boxes = [(row, 2, row + 5, 20) for row in range(3, 23)]
    images = (box_image(box=box) for box in boxes)
    found = [instances.boxes.tolist() for instances in predictor_of(find_bright).predict_many(images)]
    assert found == [[list(box)] for box in boxes]
    assert capsys.readouterr() == ("", "")


def test_only_a_few_images_are_taken_ahead():
    taken = []

    def images():
        for number in range(50):
            taken.append(number)
            yield box_image()

    found = predictor_of(find_bright).predict_many(images())
    next(found)
    assert len(taken) <= 5


def test_threads_may_share_a_predictor():
    predictor = predictor_of(find_bright)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(predictor.predict, [box_image(box=(row, 2, row + 5, 20)) for row in range(3, 40)]))
    assert [instances.boxes[0, 0] for instances in found] == list(range(3, 40))


def test_a_pickled_predictor_is_config_and_path():
    predictor = Predictor.load("small", confidence=0.7)
    data = pickle.dumps(predictor)
    assert len(data) < 20_000
    again = pickle.loads(data)
    assert (again.config, again.weights) == (predictor.config, predictor.weights)
    in_memory = predictor_of(find_bright)
    in_memory.weights = Path()
    with pytest.raises(TypeError, match="save its weights"):
        pickle.dumps(in_memory)


def test_weights_that_come_along_are_loaded_by_name():
    predictor = Predictor.load("small")
    assert predictor.weights.name == "weights.h5"
    assert predictor.config.class_names == ("nucleus",) and predictor.config.separate


def test_config_beside_the_weights_may_be_a_competitions(tmp_path):
    config = MaskRCNNConfig(confidence=0.4)
    config.save(tmp_path / "config.json")
    text = (tmp_path / "config.json").read_text().replace("{", '{"fold": "1",', 1)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="no such file"):
        Predictor.load(tmp_path / "w.h5")


def test_what_cannot_be_loaded_is_one_line(tmp_path):
    (tmp_path / "w.h5").touch()
    for weights, changes, message in (
        ("smal", {}, r"smal: no such file; give an \.h5 file, or one of small"),
        (tmp_path / "w.h5", {}, r"config\.json: no such file; training writes it beside the weights"),
        ("small", {"confidance": 0.5}, "confidance: not a prediction option"),
        ("small", {"batch_size": 2}, "batch_size: not a prediction option"),
        ("small", {"confidence": 2.0}, r"--confidence 2\.0: must be from 0 to 1"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            Predictor.load(weights, **changes)
        assert "\n" not in str(caught.value)


MAPS = UNetConfig(image_size=32, channels=(16,), largest=1)


def brightness(images):
    """A network whose probabilities are the image's values."""
    return [image[..., 0].astype(np.float32) / 255 for image in images]


def test_a_map_becomes_a_mask_in_the_images_own_size():
    image = box_image(90, 70, (10, 5, 60, 40))
    image[80:, 60:] = 255  # a smaller part
    mask = MapPredictor.of_function(MAPS, brightness).predict(image)
    expected = box_image(90, 70, (10, 5, 60, 40))[..., 0] > 0
    assert mask.shape == (90, 70) and (mask != expected).mean() < 0.03
    assert not mask[80:, 60:].any()


def test_the_network_sees_the_views_that_are_asked_for_or_configured():
    seen = []

    def noting(images):
        seen.append([image.shape[0] for image in images])
        return brightness(images)

    image = box_image(90, 70)
    predictor = MapPredictor.of_function(MAPS, noting)
    masks = [predictor.predict(image, views) for views in (None, "none", "flip", "scales")]
    MapPredictor.of_function(UNetConfig(image_size=32, channels=(16,), views="flip"), noting).predict(image)
    assert seen == [[32], [32], [32, 32], [24, 24, 32, 32, 40, 40], [32, 32]]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert all((mask != masks[0]).mean() < 0.05 for mask in masks)


def test_a_map_predictor_without_a_file_is_not_sent():
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(MapPredictor.of_function(MAPS, brightness))
    sent = pickle.loads(pickle.dumps(MapPredictor(MAPS, Path("w.h5"))))
    assert (sent.config, sent.weights) == (MAPS, Path("w.h5"))


def test_weights_of_the_other_network_are_refused(tmp_path):
    MAPS.save(tmp_path / "config.json")
    (tmp_path / "w.h5").touch()
    assert MapPredictor.load(tmp_path / "w.h5", largest=2).config.largest == 2
    with pytest.raises(InputError, match=r"config.json: of another network than Predictor's; choose other weights"):
        Predictor.load(tmp_path / "w.h5")
    with pytest.raises(InputError, match=r"small: no such file; give an .h5 file, or one of lung$"):
        MapPredictor.load("small")
    with pytest.raises(InputError, match="confidence: not a prediction option; `UNetConfig` lists them"):
        MapPredictor.load(tmp_path / "w.h5", confidence=1)

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from common.masks.instances import Instances
from common.prediction.detections import Detections
from common.prediction.postprocess import Look, Masking, Prediction, merge_by_votes, run_length_rows, separate
from common.prediction.tiles import TiledDetections, detect_in_tiles, join_tiles, look_again, tile_boxes
from common.prediction.views import VIEWS, View, apply_view, distinct_views, scaled_shape
from tests.image_sets import Limited, grid_image

TILE, OVERLAP = 64, 16
SHAPES = [(64, 64), (65, 64), (64, 113), (150, 170), (128, 200), (40, 300), (333, 97)]


@dataclass(frozen=True, eq=False)
class Sight:
    """Detections whose masks are exact."""

    label_image: np.ndarray
    image_shape: tuple[int, int]

    def paint(self, threshold):
        labels = np.unique(self.label_image)
        return Instances.from_label_image(self.label_image, scores=1 / labels[labels > 0])


def see_all(images):
    """Find what is in images whose pixels are labels; objects are cut at the border."""
    return [Sight(image[..., :2].astype(np.int32) @ [1, 256], image.shape[:2]) for image in images]


def to_image(label_image):
    """An image for `see_all`."""
    return np.stack([label_image % 256, label_image // 256, np.zeros_like(label_image)], axis=2).astype(np.uint8)


def random_labels(rng, image_shape, count, largest):
    """Connected blobs of many sizes, touching one another, at borders and corners."""
    label_image = np.zeros(image_shape, np.int32)
    y, x = np.indices(image_shape)
    for label in range(1, count + 1):
        centre, radii = rng.uniform(0, image_shape), 0.5 + largest / 2 * rng.random(2) ** 2
        label_image[((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1] = label
    parts = np.zeros(image_shape, np.int32)
    for label in range(1, count + 1):
        part, _ = ndimage.label(label_image == label, np.ones((3, 3)))
        parts = np.where(part > 0, part + parts.max(), parts)
    return parts


def in_tiles(detector=see_all):
    return lambda images: [detect_in_tiles(detector, image, TILE, OVERLAP) for image in images]


def rows_of(found, masking):
    return run_length_rows(Prediction([Look(View(), [0], found)], found.image_shape, masking))


def assert_same(instances, expected):
    """Equal in everything, order included."""
    expected = expected.select(np.argsort(-expected.scores, kind="stable"))
    np.testing.assert_array_equal(instances.boxes, expected.boxes)
    np.testing.assert_array_equal(instances.class_ids, expected.class_ids)
    np.testing.assert_array_equal(instances.scores, expected.scores)
    for mask, other in zip(instances.masks, expected.masks, strict=True):
        np.testing.assert_array_equal(mask, other)


@pytest.mark.parametrize("image_shape", SHAPES)
def test_tiles_cover_the_image(image_shape):
    tiles = tile_boxes(image_shape, TILE, OVERLAP)
    covered = np.zeros(image_shape, bool)
    for y1, x1, y2, x2 in tiles:
        covered[y1:y2, x1:x2] = True
        assert (y2 - y1, x2 - x1) == tuple(np.minimum(image_shape, TILE))
    assert covered.all()
    assert (tiles >= 0).all() and (tiles[:, 2:] <= image_shape).all()
    for axis in (0, 1):
        starts = np.unique(tiles[:, axis])
        assert (np.diff(starts) <= TILE - OVERLAP).all()
        assert len(starts) == max(1, -(-(image_shape[axis] - OVERLAP) // (TILE - OVERLAP)))


@pytest.mark.parametrize("largest", [4, 15, 40, 150])
@pytest.mark.parametrize("image_shape", SHAPES)
def test_tiles_give_what_the_whole_image_gives(image_shape, largest):
    for seed in range(5):
        label_image = random_labels(np.random.default_rng(seed), image_shape, 1500 // largest, largest)
        (found,) = in_tiles()([to_image(label_image)])
        assert_same(found.paint(0.5), see_all([to_image(label_image)])[0].paint(0.5))
        assert isinstance(found, TiledDetections)


@pytest.mark.parametrize("y", range(40, 72, 3))
@pytest.mark.parametrize("size", [1, 2, 9, 16, 17, 30])
def test_object_at_a_corner_of_tiles_is_found_once(y, size):
    label_image = np.zeros((112, 112), np.int32)  # tiles meet from 48 to 64
    label_image[y : y + size, 50 : 50 + size] = 1
    (found,) = in_tiles()([to_image(label_image)])
    assert [len(sight.paint(0.5)) for sight in found.found] != [1, 0, 0, 0]
    assert found.paint(0.5).boxes.tolist() == [[y, 50, y + size, 50 + size]]


def test_nothing_found():
    (found,) = in_tiles()([np.zeros((150, 170, 3), np.uint8)])
    assert len(found.paint(0.5)) == len(separate(found, Masking(0.5))) == 0
    assert rows_of(found, Masking(0.5, dilation=True)) == []


def test_one_tile_at_a_time_and_one_shape():
    shapes = []

    def detector(images):
        shapes.append([image.shape for image in images])
        return see_all(images)

    detect_in_tiles(detector, np.zeros((150, 90, 3), np.uint8), TILE, OVERLAP)
    assert shapes == [[(64, 64, 3)]] * 6


def instances(*boxes, scores=None, class_ids=None):
    """Full boxes as objects, in a tile's own pixels."""
    masks = [np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes]
    return Instances.from_crops(np.array(boxes), masks, class_ids, scores)


def join(*found):
    """Two tiles side by side, 48 columns apart; the shared ones are 48 to 64 of the first and 0 to 16 of the second."""
    return join_tiles(found, tile_boxes((64, 112), TILE, OVERLAP), (64, 112))


def test_sights_that_differ_a_little_are_one_object_with_the_best_score():
    joined = join(instances((10, 50, 20, 58), scores=[0.8]), instances((10, 4, 21, 11), scores=[0.9]))
    np.testing.assert_array_equal(joined.boxes, [(10, 52, 21, 59)])
    np.testing.assert_allclose(joined.scores, [0.9])


def test_whole_sight_wins_over_a_better_part():
    joined = join(instances((10, 40, 20, 58), scores=[0.8]), instances((10, 0, 20, 10), scores=[0.9]))
    np.testing.assert_array_equal(joined.boxes, [(10, 40, 20, 58)])


def test_parts_that_no_tile_saw_whole_are_united():
    joined = join(instances((10, 20, 20, 64), scores=[0.8]), instances((10, 0, 21, 40), scores=[0.7]))
    np.testing.assert_array_equal(joined.boxes, [(10, 20, 21, 88)])
    assert joined.areas.tolist() == [10 * 68 + 40]
    np.testing.assert_allclose(joined.scores, [0.8])


def test_sliver_at_a_border_is_dropped_where_another_tile_saw_better():
    joined = join(instances((10, 30, 20, 51)), instances((9, 0, 22, 7)))
    np.testing.assert_array_equal(joined.boxes, [(10, 30, 20, 51)])
    assert len(join(instances(), instances((9, 0, 22, 7)))) == 0
    assert len(join(instances(), instances((9, 0, 22, 30)))) == 1  # the first tile has not shown all of it
    assert len(join(instances(), instances((9, 5, 22, 7)))) == 1  # not cut: only this tile found it


def test_neighbours_stay_apart():
    joined = join(instances((10, 40, 20, 54), (10, 54, 20, 60)), instances((10, 6, 20, 12), (10, 0, 20, 6)))
    assert sorted(joined.boxes.tolist()) == [[10, 40, 20, 54], [10, 54, 20, 60]]


def test_classes_stay_apart():
    joined = join(instances((10, 50, 20, 58), class_ids=[1]), instances((10, 4, 21, 11), class_ids=[2]))
    assert sorted(joined.class_ids.tolist()) == [1, 2]


def test_all_views_vote_as_on_the_whole_image():
    views = [View(), View(True), View(False, True, 1), View(turns=2), View(turns=3)]
    label_image = random_labels(np.random.default_rng(1), (150, 170), 40, 40)
    image, rng = to_image(label_image), np.random.default_rng(0)
    merged = []
    for detector in (see_all, in_tiles()):
        found = [Look(view, [i], detector([apply_view(image, view, rng)])[0]) for i, view in enumerate(views)]
        merged.append(merge_by_votes(found, label_image.shape, Masking(0.5)))
    assert len(merged[0]) == label_image.max()
    assert_same(merged[1], merged[0].select(np.argsort(-merged[0].scores, kind="stable")))


def test_views_of_other_scales_are_cut_into_tiles_of_the_same_size():
    shapes = set()

    def detector(images):
        shapes.update(image.shape[:2] for image in images)
        return see_all(images)

    image = np.zeros((700, 800, 3), np.uint8)
    for view, _ in distinct_views(VIEWS, image.shape[:2]):
        (found,) = in_tiles(detector)([apply_view(image, view, np.random.default_rng(0))])
        assert found.image_shape == scaled_shape(view, image.shape[:2])
    assert shapes == {(TILE, TILE)}


@pytest.mark.parametrize("shape", [(640, 640), (500, 200), (1000, 130)])
def test_a_full_image_is_split_until_no_tile_is_full(shape):
    image, count = grid_image(*shape, 20)
    detect = Limited(count // 3)
    found = look_again(detect, image, detect([image])[0])
    assert not found.full
    (expected,) = Limited(count + 1)([image])
    assert sorted(found.paint(0.5).boxes.tolist()) == sorted(expected.boxes.tolist())
    assert len(expected.boxes) == count


def test_only_full_tiles_are_split():
    image, count = grid_image(640, 640, 40)
    image[:, 320:] = 0
    image[100:108, 600:608] = 200
    detect = Limited(60)
    found = look_again(detect, image, detect([image])[0])
    assert [type(tile) for tile in found.found] == [TiledDetections, Detections, TiledDetections, Detections]
    assert len(found.paint(0.5)) == count // 2 + 1
    assert len(detect.shown) == 1 + 4 + 2 * 4


def test_an_image_that_is_not_full_is_looked_at_once():
    image, count = grid_image(320, 320, 20)
    detect = Limited(count + 1)
    (found,) = detect([image])
    assert look_again(detect, image, found) is found
    assert detect.shown == [((320, 320), None)]


def test_tiles_are_shown_at_the_scale_of_their_image_and_get_no_smaller_than_makes_sense():
    image, _ = grid_image(256, 256, 20)
    detect = Limited(1, scale=2.0)
    found = look_again(detect, image, detect([image])[0])
    assert found.full  # and this is known
    assert {scale for _, scale in detect.shown[1:]} == {2.0}
    sides = sorted({side for shape, _ in detect.shown for side in shape})
    assert sides == [79, 142, 256]  # 44 pixels, twice as large, would be below 128


def test_tiles_of_large_images_are_split_if_wanted():
    image, count = grid_image(400, 300, 20)
    for again in (False, True):
        found = detect_in_tiles(Limited(80), image, 256, 48, again=again)
        assert found.full != again
        assert (len(found.paint(0.5)) == count) == again


def test_workers_can_take_what_was_found():
    def detector(images):
        boxes = np.array([(4, 2, 30, 14), (40, 40, 64, 64)], np.float32)
        scores, class_ids = np.array([0.9, 0.8], np.float32), np.ones(2, np.int32)
        probs = np.ones((2, 28, 28), np.float16)
        return [Detections(boxes, scores, class_ids, probs, image.shape[:2]) for image in images]

    found = detect_in_tiles(detector, np.zeros((64, 112, 3), np.uint8), TILE, OVERLAP)
    again = pickle.loads(pickle.dumps(found))
    assert len(again.paint(0.5)) == 4
    assert rows_of(again, Masking(0.5, dilation=True)) == rows_of(found, Masking(0.5, dilation=True))

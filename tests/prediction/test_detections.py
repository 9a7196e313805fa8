import math

import numpy as np
import pytest

from common.prediction.detections import Detections, Frame, shrink_image


@pytest.mark.parametrize(
    ("image_shape", "min_dim", "scaled", "padded", "window"),
    [
        ((256, 320), 256, (256, 320), (256, 320), (0, 0, 256, 320)),
        ((256, 320), 512, (512, 640), (512, 640), (0, 0, 512, 640)),
        ((520, 696), 512, (520, 696), (576, 704), (28, 4, 548, 700)),  # never scaled down
        ((260, 347), 512, (512, 683), (512, 704), (0, 10, 512, 693)),
        ((65, 1), 64, (256, 4), (256, 64), (0, 30, 256, 34)),
    ],
)
def test_frames(image_shape, min_dim, scaled, padded, window):
    frame = Frame.for_image(image_shape, min_dim)
    assert (frame.scaled_shape, frame.padded_shape, frame.window) == (scaled, padded, window)


@pytest.mark.parametrize(
    ("image_shape", "scaled", "window"),
    [
        ((480, 640), (768, 1024), (128, 0, 896, 1024)),  # the longer side is the limit
        ((640, 480), (1024, 768), (0, 128, 1024, 896)),
        ((500, 500), (800, 800), (112, 112, 912, 912)),  # the shorter side is
        ((900, 1000), (900, 1000), (62, 12, 962, 1012)),  # large enough, and small enough
        ((1000, 2048), (500, 1024), (262, 0, 762, 1024)),  # scaled down
        ((1, 4096), (2, 1024), (511, 0, 513, 1024)),
    ],
)
def test_no_side_exceeds_the_longest_and_all_frames_are_its_square(image_shape, scaled, window):
    frame = Frame.for_image(image_shape, 800, 1024)
    assert (frame.scaled_shape, frame.padded_shape, frame.window) == (scaled, (1024, 1024), window)
    assert frame.place(np.ones((*image_shape, 3), np.uint8)).sum() == 3 * scaled[0] * scaled[1]
    corners = np.array([window], np.float32)
    np.testing.assert_allclose(frame.to_image(corners), [[0, 0, *image_shape]], rtol=1e-6)
    np.testing.assert_array_equal(frame.corners_to_image(corners - [0, 0, 1, 1]), [[0, 0, *image_shape]])


def test_images_are_placed_in_the_window():
    image = np.random.default_rng(0).integers(1, 256, (70, 100, 3)).astype(np.uint8)
    frame = Frame.for_image((70, 100), 64)
    placed = frame.place(image)
    assert placed.shape == (128, 128, 3)
    top, left, bottom, right = frame.window
    np.testing.assert_array_equal(placed[top:bottom, left:right], image)
    placed[top:bottom, left:right] = 0
    assert not placed.any()


def test_padding_of_the_image_s_median_colour():
    image = np.random.default_rng(0).integers(1, 256, (71, 101, 3)).astype(np.uint8)
    frame = Frame.for_image((71, 101), 64)
    top, left, bottom, right = frame.window
    placed = frame.place(image, "median")
    np.testing.assert_array_equal(placed[top:bottom, left:right], image)
    around = np.ones(frame.padded_shape, bool)
    around[top:bottom, left:right] = False
    np.testing.assert_array_equal(np.unique(placed[around], axis=0), [np.median(image, axis=(0, 1))])


def test_images_are_shrunk_by_averaging_areas():
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    assert shrink_image(image, 30).shape == (30, 40, 3) and shrink_image(image, 90) is image
    np.testing.assert_allclose(shrink_image(image, 30)[0, 0], image[:3, :3].mean(axis=(0, 1)), atol=0.6)


def test_detections_in_an_image_of_another_size():
    boxes = np.array([[10, 20, 30, 60]], np.float32)
    scores, class_ids, probs = np.ones(1, np.float32), np.ones(1, np.int32), np.ones((1, 28, 28), np.float16)
    found = Detections(boxes, scores, class_ids, probs, (40, 80), mask_boxes=boxes - 2).resized((80, 80))
    assert found.image_shape == (80, 80) and found.boxes.tolist() == [[20, 20, 60, 60]]
    assert found.mask_boxes.tolist() == [[16, 18, 56, 58]] and found.paint(0.5).boxes.tolist() == [[16, 18, 56, 58]]


def test_boxes_return_to_the_image():
    frame = Frame.for_image((100, 130), 200)
    boxes = np.array([frame.window, (frame.window[0] + 20, frame.window[1] + 40, frame.window[2], frame.window[3])])
    mapped = frame.to_image(boxes.astype(np.float32))
    np.testing.assert_allclose(mapped, [[0, 0, 100, 130], [10, 20, 100, 130]], rtol=1e-6)
    assert frame.to_image(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_boxes_go_to_the_padded_array_and_back():
    frame = Frame.for_image((100, 150), 128)
    boxes = np.array([[0, 0, 100, 150], [10, 20, 30, 50]], np.float32)
    placed = frame.from_image(boxes)
    np.testing.assert_array_equal(placed[0], frame.window)
    np.testing.assert_allclose(frame.to_image(placed), boxes, atol=1e-4)


def test_some_detections():
    probs = np.stack([np.full((2, 2), value, np.float16) for value in (0.25, 0.75)])
    boxes = np.array([[0, 0, 2, 2], [2, 2, 4, 4]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8]), np.array([1, 2]), probs, (4, 4), mask_boxes=boxes)
    for chosen in (np.array([1]), np.array([False, True])):
        some = found.select(chosen)
        assert some.scores.tolist() == [0.8] and some.class_ids.tolist() == [2] and some.image_shape == (4, 4)
        assert some.boxes.tolist() == some.mask_boxes.tolist() == [[2, 2, 4, 4]] and some.mask_probs.max() == 0.75


def test_the_content_of_a_box_returns_to_the_image():
    """A bright rectangle is where its box says, before and after scaling and padding."""
    image = np.zeros((50, 60, 3), np.uint8)
    image[10:20, 30:50] = 255
    frame = Frame.for_image((50, 60), 100)
    rows, columns = (np.flatnonzero((frame.place(image)[..., 0] > 127).any(axis=axis)) for axis in (1, 0))
    box = np.array([[rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]], np.float32)
    assert frame.to_image(box).tolist() == [[10, 30, 20, 50]]


def test_painting():
    probs = np.zeros((2, 4, 4), np.float16)
    probs[0], probs[1, :, 2:] = 0.9, 0.9
    boxes = np.array([[-2, 0, 4, 4], [4, 4, 8, 8]], np.float32)
    detections = Detections(boxes, np.array([0.9, 0.8], np.float32), np.array([2, 1], np.int32), probs, (8, 8))
    instances = detections.paint(0.5)
    assert instances.boxes.tolist() == [[0, 0, 4, 4], [4, 6, 8, 8]]
    assert instances.class_ids.tolist() == [2, 1]
    np.testing.assert_allclose(instances.scores, [0.9, 0.8])


def test_masks_are_spread_over_boxes_of_their_own():
    boxes = np.array([[2, 2, 6, 6]], np.float32)
    fields = (np.ones(1, np.float32), np.ones(1, np.int32), np.ones((1, 4, 4), np.float16), (8, 8))
    detections = Detections(boxes, *fields, mask_boxes=np.array([[1, 1, 7, 7]], np.float32))
    assert detections.paint(0.5).boxes.tolist() == detections.paint_soft(0.5).boxes.tolist() == [[1, 1, 7, 7]]


def test_nothing_found():
    nothing = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros((0, 28, 28)), (8, 8)
    )
    assert len(nothing.paint(0.5)) == 0


SIZES = [(256, 256), (256, 320), (260, 347), (360, 360), (390, 239), (512, 640), (519, 161), (519, 162), (519, 253)]
LARGE = [(520, 696), (524, 348), (603, 1272), (1024, 1024), (1040, 1388)]


@pytest.mark.parametrize("image_shape", [*SIZES, *LARGE, (16, 16), (1, 1), (100, 400)])
def test_an_image_that_is_no_strip_is_enlarged_until_its_shorter_side_is_large_enough(image_shape):
    scale = max(1.0, 512 / min(image_shape))
    expected = tuple(max(round(side * scale), 2) for side in image_shape)
    assert Frame.for_image(image_shape, 512).scaled_shape == expected


@pytest.mark.parametrize(
    ("image_shape", "scaled"),
    [
        ((20, 1000), (41, 2048)),
        ((1000, 20), (2048, 41)),
        ((100, 1400), (146, 2048)),
        ((100, 401), (511, 2048)),
        ((1, 1024), (2, 2048)),
        ((1, 3000), (2, 3000)),
        ((8192, 8192), (8192, 8192)),
    ],
)
def test_a_strip_is_enlarged_until_its_longer_side_has_four_times_the_usual_side(image_shape, scaled):
    frame = Frame.for_image(image_shape, 512)
    assert frame.scaled_shape == scaled
    assert math.prod(frame.padded_shape) <= max(4 * 512**2, 64 * (max(image_shape) + 63), math.prod(image_shape))


@pytest.mark.parametrize(
    ("image_shape", "scaled"), [((256, 320), (512, 640)), ((80, 256), (240, 768)), ((900, 300), (900, 300))]
)
def test_strips_may_begin_at_a_smaller_ratio(image_shape, scaled):
    assert Frame.for_image(image_shape, 512, longest_strip=1.5).scaled_shape == scaled


def test_a_strip_in_a_square_frame():
    assert Frame.for_image((4, 1400), 512, 1024).padded_shape == (1024, 1024)


def test_no_image_is_enlarged_beyond_all_memory():
    assert Frame.for_image((256, 256), 4096).scaled_shape == (2896, 2896)

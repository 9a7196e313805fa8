"""Images that occur twice."""

import cv2
import numpy as np

from common.figures.data.duplicates import draw_duplicates, find_duplicates
from common.figures.data.survey import survey_images
from tests.image_sets import array_set


def blobs(seed):
    """Return an image of coarse random cells, which no shift of brightness makes another."""
    cells = np.random.default_rng(seed).integers(20, 230, (12, 12))
    return np.kron(cells, np.ones((8, 8)))[..., None].repeat(3, 2).astype(np.uint8)


def test_equal_and_near_images_are_found_and_others_are_not():
    first, second, third = (blobs(seed) for seed in range(3))
    brighter = (first * 0.9 + 8).astype(np.uint8)
    images = array_set([first, second, third, second.copy(), brighter])
    pairs = find_duplicates(survey_images(images))
    assert pairs[["first_id", "second_id", "kind"]].values.tolist() == [
        ["p1", "p3", "same pixels"],
        ["p0", "p4", "near"],
    ]
    assert pairs["correlation"].iloc[1] > 0.99


def test_half_the_size_and_compression_do_not_hide_a_duplicate():
    smooth = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype(np.uint8), (0, 0), 8)
    image = cv2.normalize(smooth, None, 20, 230, cv2.NORM_MINMAX)
    half = cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA)
    stored = cv2.imdecode(cv2.imencode(".jpg", half, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
    pairs = find_duplicates(survey_images(array_set([image, blobs(1), stored])))
    assert pairs[["first", "second", "kind"]].values.tolist() == [[0, 2, "near"]]


def test_flat_images_of_one_look_are_no_near_duplicates():
    images = array_set([np.full((32, 32, 3), value, np.uint8) for value in (0, 9, 9)])
    assert find_duplicates(survey_images(images))[["first", "second"]].values.tolist() == [[1, 2]]


def test_pairs_are_drawn_with_how_many_objects_each_has():
    label_image = np.zeros((96, 96), np.int32)
    label_image[10:20, 10:20] = 1
    survey = survey_images(array_set([blobs(0), blobs(0)], [label_image, np.zeros_like(label_image)]))
    figure = draw_duplicates(survey, find_duplicates(survey))
    titles = [axes.get_title().splitlines()[1] for axes in figure.axes]
    assert titles == ["same pixels (1.000), 1 object", "same pixels (1.000), 0 objects"]

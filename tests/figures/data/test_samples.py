"""Samples, steps of training and mini masks as figures."""

import numpy as np

from common.figures.data.samples import crop_around, draw_mini_masks, draw_samples, draw_steps, spread_samples
from common.figures.data.survey import survey_images
from common.masks.instances import Instances
from tests.figures.data.sets import faulty_set, squares, usual_corners
from tests.image_sets import array_set


def test_samples_are_spread_from_dark_to_bright():
    images = array_set([np.full((8, 8, 3), value, np.uint8) for value in (90, 10, 50, 200, 150)])
    survey = survey_images(images)
    assert spread_samples(survey, 3).tolist() == [1, 0, 3] and spread_samples(survey, 99).tolist() == [1, 2, 0, 4, 3]


def test_a_sample_says_what_it_is():
    survey = survey_images(faulty_set())
    figure = draw_samples(survey, [0, 7], ["cell", "nucleus"])
    assert [axes.get_title() for axes in figure.axes] == [
        "p0\n64 x 64, 6 objects, cell, nucleus",
        "p7\n64 x 64, 7 objects, cell, nucleus",
    ]


def test_steps_are_drawn_once_a_seed_and_the_same_seed_gives_the_same():
    label_image = squares(usual_corners(0))
    image = np.where(label_image[..., None] > 0, 200, 20).repeat(3, 2).astype(np.uint8)

    def shift(rng):
        by = int(rng.integers(1, 60))
        return np.roll(image, by, axis=1), [np.roll(label_image, by, axis=1)]

    figures = [draw_steps((image, [label_image]), {"shift": shift, "again": shift}, seeds=(3, 4)) for _ in range(2)]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figures[0].axes]
    assert len(shown) == 6 and [axes.get_ylabel() for axes in figures[0].axes] == ["shift", "", "", "again", "", ""]
    assert (shown[1] != shown[2]).any() and (shown[1] == shown[4]).all()
    assert all((one == axes.images[0].get_array()).all() for one, axes in zip(shown, figures[1].axes, strict=True))


def test_mini_masks_show_what_they_lose_worst_first():
    disc = np.hypot(*np.mgrid[-20:20, -20:20]) < 19
    masks = np.zeros((2, 50, 50), bool)
    masks[0, 5:45, 5:45] = disc
    masks[1, 0:4, 0:4] = True
    objects = Instances.from_masks(masks)
    mini = np.ones((2, 7, 7), np.uint8)  # right for the square alone
    figure = draw_mini_masks(np.zeros((50, 50, 3), np.uint8), objects, mini)
    titles = [axes.get_title() for axes in figure.axes]
    assert (
        len(titles) == 6
        and titles[2].startswith("37 x 37 pixels, painted back, IoU 0.8")
        and titles[5].endswith("1.00")
    )
    assert titles[1] == "mini mask, 7 x 7"


def test_the_part_around_an_object_is_a_square_inside_the_image():
    masks = np.zeros((2, 100, 100), bool)
    masks[0, 0:2, 30:70] = True
    masks[1, 90, 90] = True
    tile = crop_around(np.zeros((100, 100, 3), np.uint8), Instances.from_masks(masks), 0)
    assert tile.shape == (320, 320, 3) and (tile[0:20, 100:220] != 0).any()
    assert crop_around(np.zeros((10, 20, 3), np.uint8), Instances.from_masks(np.ones((1, 10, 20), bool)), 0).shape == (
        320,
        640,
        3,
    )

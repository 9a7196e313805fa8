"""Outlines, and what stays in memory."""

import numpy as np

from common.images.decoding import decode_image
from common.masks.instances import Instances
from common.masks.polygons import fill_polygon
from tests.viewer.conftest import make_images, make_study
from viewer.scenes import Latest, Scenes, find_outline, find_outlines


def test_outlines_follow_the_pixels():
    labels = np.zeros((20, 20), np.int32)
    labels[0:5, 0:7] = 1  # at the border
    labels[8:15, 8:15] = 2
    labels[10:12, 10:12] = 0  # a hole
    labels[18, 18] = 3
    objects = Instances.from_label_image(labels)
    for mask, outline in zip(objects.to_masks((20, 20)), find_outlines(objects), strict=True):
        parts = np.split(outline, np.flatnonzero(np.isnan(outline[:, 0])))
        parts = [part[~np.isnan(part[:, 0])] for part in parts]
        filled = sum(fill_polygon(part[:, ::-1], (20, 20)).astype(int) for part in parts) % 2
        assert (filled == mask).all()
    assert len(find_outlines(Instances.empty())) == 0
    assert np.isfinite(find_outline(np.zeros((0, 0), bool), 0, 0)).all()


def test_images_are_served_as_they_are_or_stretched():
    scenes = Scenes(make_study(make_images()))
    image = scenes._study.images.load_image(0)
    assert (decode_image(scenes.png(0, stretched=False), "0.png") == image).all()
    assert decode_image(scenes.png(0, stretched=True), "0.png").max() == 255
    assert scenes.scene(1) is scenes.scene(1)


def test_only_the_latest_are_kept():
    made = []
    latest = Latest(2)
    for key in (1, 2, 1, 3, 2):
        latest.get(key, lambda key=key: made.append(key))
    assert made == [1, 2, 3, 2]
    assert latest.peek(1) is None

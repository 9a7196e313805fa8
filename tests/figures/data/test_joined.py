"""Parts of a set as one, and the images that they share."""

import dataclasses

import numpy as np

from common.figures.data.duplicates import draw_duplicates, find_duplicates
from common.figures.data.joined import join_surveys
from common.figures.data.survey import survey_images
from tests.figures.data.sets import faulty_set


def test_images_and_objects_of_both_are_found_again():
    whole = faulty_set()
    joined = join_surveys({"train": survey_images(whole.select([0, 1, 2])), "val": survey_images(whole.select([7, 4]))})
    assert joined.images.image_ids == ["train: p0", "train: p1", "train: p2", "val: p7", "val: p4"]
    for row, of_whole in enumerate([0, 1, 2, 7, 4]):
        np.testing.assert_array_equal(joined.images.load_image(row), whole.load_image(of_whole))
        np.testing.assert_array_equal(joined.images.load_label_layers(row)[0], whole.load_label_layers(of_whole)[0])
        np.testing.assert_array_equal(joined.images.load_class_ids(row), whole.load_class_ids(of_whole))
        objects = joined.by_object[joined.by_object["image"] == row]
        assert objects["area"].tolist() == whole.load_instances(of_whole).areas.tolist()
    assert joined.images.shape(3) == whole.shape(7) and joined.images.image_names == [""] * 5


def test_an_image_in_two_parts_is_a_duplicate():
    whole = faulty_set()
    test = dataclasses.replace(whole.select([8, 5]), has_objects=False)
    joined = join_surveys({"train": survey_images(whole.select([0, 1])), "test": survey_images(test)})
    pairs = find_duplicates(joined)
    assert pairs[["first_id", "second_id", "kind"]].values.tolist() == [["train: p0", "test: p8", "same pixels"]]
    first, second = draw_duplicates(joined, pairs).axes
    assert first.get_title().endswith("6 objects") and second.get_title().endswith("0 objects")

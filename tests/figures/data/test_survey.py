"""One pass over a set: facts that can be counted by hand."""

import numpy as np
import pytest

from common.errors import InputError
from common.figures.data.survey import examine_objects, look_of, survey_images
from common.masks.instances import Instances
from tests.figures.data.sets import faulty_set, squares, usual_corners
from tests.image_sets import array_set


def facts_of(*rows):
    """Return the facts about one object, drawn as rows of text."""
    mask = np.array([[letter != "." for letter in row] for row in rows])
    (facts,) = examine_objects(Instances.from_masks(mask[None]), mask.shape)
    return facts


def test_parts_holes_and_the_border_are_counted():
    facts = facts_of(".....", ".###.", ".#.#.", ".###.", ".....")
    assert (facts["area"], facts["parts"], facts["contact"]) == (8, 1, 0) and facts["hole"] == pytest.approx(1 / 9)
    facts = facts_of("##...", "##...", ".....", "...#.", ".....")
    assert facts["parts"] == 2 and facts["apart"] == pytest.approx(1 / 5) and facts["contact"] == 3
    facts = facts_of("###", "###")
    assert facts["hole"] == 0 and facts["contact"] == 6 and (facts["height"], facts["width"]) == (2, 3)
    assert facts_of("#.", ".#")["parts"] == 1  # corners touch
    assert facts_of("###", "#.#", "#.#")["hole"] == 0  # open at the image's border


def test_thin_arms_are_tails_and_what_the_border_cuts_is_none():
    disc = np.hypot(*np.mgrid[-30:30, -30:30]) < 20
    armed = disc.copy()
    armed[29:31, 45:59] = True
    masks = np.stack([disc, armed, np.roll(disc, 30, axis=1)])
    masks[2, :, :30] = False  # half a disc, cut by the right border
    tails = examine_objects(Instances.from_masks(masks), (60, 60))["tail"]
    assert tails[0] < 0.02 and 0.01 < tails[1] - tails[0] < 0.04 and tails[2] < 0.02


def test_objects_that_overlap_know_by_how_much():
    masks = np.zeros((3, 4, 4), bool)
    masks[0, :2], masks[1, 1:3], masks[2, 3] = True, True, True
    np.testing.assert_allclose(examine_objects(Instances.from_masks(masks), (4, 4))["shared"], [1 / 3, 1 / 3, 0])


def test_no_objects_and_one_without_pixels_are_ordinary():
    assert len(examine_objects(Instances.empty(), (4, 4))) == 0
    (facts,) = examine_objects(Instances.from_masks(np.zeros((1, 4, 4), bool)), (4, 4))
    assert facts["area"] == facts["parts"] == facts["contact"] == facts["hole"] == 0


def test_a_survey_has_a_row_for_every_image_and_object():
    survey = survey_images(faulty_set())
    assert len(survey.by_image) == 9 and survey.by_image["objects"].tolist() == [6, 6, 6, 6, 6, 6, 6, 7, 6]
    assert len(survey.by_object) == 55 and survey.by_object["image"].is_monotonic_increasing
    assert survey.by_object[survey.by_object["image"] == 7]["number"].tolist() == list(range(7))
    np.testing.assert_allclose(survey.levels.sum(axis=0), 1)
    assert survey.by_image["colour"].between(0, 12).all() and survey.by_image["contrast"].between(40, 80).all()
    digests = survey.by_image["digest"]
    assert digests[0] == digests[8] and digests.nunique() == 8


def test_similar_images_have_similar_looks():
    image = np.kron(np.random.default_rng(0).integers(0, 255, (16, 17)), np.ones((4, 4)))[..., None].repeat(3, 2)
    other = np.kron(np.random.default_rng(1).integers(0, 255, (16, 17)), np.ones((4, 4)))[..., None].repeat(3, 2)
    look, same, different = (look_of(one.astype(np.uint8)) for one in (image, image * 0.9 + 5, other))
    changed, others = (int(np.bitwise_count(look ^ one).sum()) for one in (same, different))
    assert look.shape == (8,) and changed <= 12 < 160 < others


def test_an_image_that_cannot_be_read_is_refused_or_left_out():
    images = faulty_set()
    whole = images.source.load_image

    def load_image(row):
        if row == 2:
            raise InputError("p2.png: truncated; replace it")
        return whole(row)

    images.source.load_image = load_image
    with pytest.raises(InputError, match="truncated"):
        survey_images(images)
    survey = survey_images(images, skip_bad=True)
    assert survey.images.image_ids == ["p0", "p1", "p3", "p4", "p5", "p6", "p7", "p8"] and len(survey.looks) == 8
    assert survey.images.left_out == ("p2",)
    np.testing.assert_allclose(survey.levels.sum(axis=0), 1)


def test_a_set_without_objects_has_facts_of_images_alone():
    label_image = squares(usual_corners(0))
    images = array_set([np.zeros((*label_image.shape, 3), np.uint8)])
    survey = survey_images(images)
    assert len(survey.by_object) == 0 and survey.by_image["objects"].tolist() == [0]

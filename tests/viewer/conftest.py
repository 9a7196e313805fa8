"""A small study in memory."""

import dataclasses

import numpy as np
import pytest

from common.images.image_set import ImageSet
from competitions.sets import COMPETITIONS
from tests.image_sets import Limited, array_set, predictor_of
from tests.tiny import disc_labels
from tests.viewer.browser import Watched, open_browser, serving
from tests.viewer.made import break_objects
from viewer.scorer import Scorer
from viewer.study import Study

SIDE = 96
EVIL = "<img src=x onerror=alert(1)>"


def make_images(count=4) -> ImageSet:
    """Return images of discs; the last has none."""
    rng = np.random.default_rng(0)
    labels = []
    for row in range(count):
        discs = [(int(y), int(x), 7) for y, x in rng.integers(10, SIDE - 10, (3 + row, 2))]
        labels.append(disc_labels(SIDE, discs if row < count - 1 else []))
    images = [np.where(one[..., None] > 0, 190, 40).astype(np.uint8).repeat(3, axis=2) for one in labels]
    return array_set(images, labels, [np.ones(len(np.unique(one)) - 1, np.int32) for one in labels])


def make_study(images, names=("first",), **changes) -> Study:
    """Return a study of broken copies of the ground truth."""
    submissions = {}
    for seed, name in enumerate(names):
        rng = np.random.default_rng(seed)
        submissions[name] = {
            image_id: break_objects(images.load_instances(index), images.shape(index), rng)
            for index, image_id in enumerate(images.image_ids)
        }
    return dataclasses.replace(Study(COMPETITIONS["dsb"], images, None, submissions), **changes)


@pytest.fixture
def scorer():
    """A scorer of one submission, finished."""
    return finished(make_study(make_images()))


@pytest.fixture
def double():
    """A scorer of two submissions, finished."""
    return finished(make_study(make_images(), ("first", "second")))


def finished(study) -> Scorer:
    """Return a scorer that has compared all images."""
    one = Scorer(study)
    one.start()
    one.finish()
    return one


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address():
    images = make_images(6)
    named = dataclasses.replace(images, image_ids=[*images.image_ids[:4], EVIL, "p5"])
    with serving(finished(make_study(named, ("first", "second"))), predictor_of(Limited(100))) as address:
        yield address


@pytest.fixture
def watched(browser, address):
    watched = Watched(browser, address)
    yield watched
    watched.page.close()
    assert not watched.problems

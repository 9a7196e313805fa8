"""The list of images, and the scorer behind it."""

import dataclasses

import numpy as np
import pytest
from dash import no_update

from common.errors import InputError
from common.scoring.dsb import dsb_score
from tests.viewer.conftest import finished, make_images, make_study
from viewer.images_tab import ImagesTab
from viewer.listing import UNREADABLE, list_columns, list_rows, summarise
from viewer.objects import Limits
from viewer.scenes import Scenes
from viewer.scorer import Scorer

LIMITS = Limits(9, 0)


def test_rows_hold_scores_counts_and_sizes(scorer):
    rows = list_rows(scorer, LIMITS)
    study = scorer.study
    for index, row in enumerate(rows):
        true, found = study.load_truth(index)[0], study.load_found(index, "first")
        labels = found.to_label_image(study.images.shape(index))
        assert (row["image"], row["size"], row["true"], row["found0"]) == (
            f"p{index}",
            "96 × 96",
            len(true),
            len(found),
        )
        if labels.max() == len(found) and (np.bincount(labels.ravel())[1:] == found.areas).all():  # disjoint
            assert row["score0"] == pytest.approx(dsb_score(true, found, (96, 96)), abs=1e-4)
        assert row["kind"] == "fluorescence"
    fields = {column["field"] for column in list_columns(study)}
    assert fields <= rows[0].keys()


def test_counts_change_with_the_limits(scorer):
    loose, strict = (list_rows(scorer, limits) for limits in (Limits(1, 0), Limits(18, 0)))
    assert sum(row["missed"] for row in loose) < sum(row["missed"] for row in strict)
    assert [row["score0"] for row in loose] == [row["score0"] for row in strict]  # over its own thresholds
    ((title, text),) = summarise(scorer, Limits(9, 0.4))
    assert title == "first"
    assert text.startswith("score 0.") and " 0 false" in text  # wrong ones have a score of 0.35
    assert " 0 false" not in next(iter(summarise(scorer, LIMITS)))[1]


def test_two_submissions_have_a_difference(double):
    rows = list_rows(double, LIMITS)
    assert all(row["change"] == pytest.approx(row["score1"] - row["score0"], abs=1e-4) for row in rows)
    assert {"score0", "score1", "change"} <= {column["field"] for column in list_columns(double.study)}
    assert [title for title, _ in summarise(double, LIMITS)] == ["A: first", "B: second"]


def test_before_anything_is_compared():
    scorer = Scorer(make_study(make_images()))
    assert [row["size"] for row in list_rows(scorer, LIMITS)] == ["96 × 96"] * 4
    assert "score –" in next(iter(summarise(scorer, LIMITS)))[1]
    assert scorer.entry(2).num_true == 5  # at once, for an image that is shown
    assert scorer.done == 0


def test_a_tick_that_overtakes_a_slider_brings_its_answer(scorer):
    tab = ImagesTab(scorer, Scenes(scorer.study))
    scorer.done = 3  # of 4
    rows, *_, listed = tab.update_list(1, 0.5, 0.0, None)
    assert [len(rows), listed] == [4, [3, 0.5, 0.0]]
    assert tab.update_list(2, 0.5, 0.0, listed)[0] is no_update
    assert tab.update_list(2, 0.9, 0.0, listed)[-1] == [3, 0.9, 0.0]


def test_an_unreadable_image_is_told_and_the_others_go_on():
    images = make_images()

    class Broken(type(images.source)):
        def load_image(self, row):
            if row == 1:
                raise InputError("p1.png: truncated")
            return super().load_image(row)

    source = Broken(images.source.images, images.source.label_images, images.source.class_ids)
    scorer = finished(make_study(dataclasses.replace(images, source=source)))
    assert scorer.entries[1].problem == "p1.png: truncated"
    rows = list_rows(scorer, LIMITS)
    assert [row["kind"] == UNREADABLE for row in rows] == [False, True, False, False]
    assert [row.get("score0") is None for row in rows] == [False, True, False, False]


def test_without_truth_or_submission():
    images = dataclasses.replace(make_images(), has_objects=False)
    scorer = finished(make_study(images))
    assert [column["field"] for column in list_columns(scorer.study)] == ["image", "found0", "kind", "pixels"]
    assert next(iter(summarise(scorer, LIMITS))) == ("first", "")
    alone = finished(make_study(make_images(), ()))
    assert [row["true"] for row in list_rows(alone, LIMITS)] == [3, 4, 5, 0]

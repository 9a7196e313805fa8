"""Objects sorted into layers, regions that the pointer meets, and what is told."""

import numpy as np
import pytest

from common.masks.instances import Instances
from viewer.objects import LAYERS, UNKNOWN, Limits, describe, keep_different, make_panel, make_regions, object_rows
from viewer.scenes import Scene, Scenes

LIMITS = Limits(9, 0)


def panel_of(scorer, index, name="first", limits=LIMITS):
    scene = Scenes(scorer.study).scene(index)
    return scene, make_panel(scene, name, scorer.entry(index).matches.get(name), limits)


@pytest.mark.parametrize("limits", [LIMITS, Limits(15, 0), Limits(9, 0.6)])
def test_layers_agree_with_the_counts(scorer, limits):
    counts = scorer.count("first", limits.row, limits.confidence)
    for index in range(4):
        _, panel = panel_of(scorer, index, limits=limits)
        layers = [*panel.true_layers.tolist(), *panel.found_layers.tolist()]
        found = [layers.count(layer) for layer in ("true-hit", "found-hit", "false", "missed")]
        hits, false, missed = (int(part[index]) for part in (counts.hits, counts.false, counts.missed))
        assert found == [hits, hits, false, missed]


def test_without_truth_all_predictions_are_alike(scorer):
    scene, _ = panel_of(scorer, 0)
    panel = make_panel(scene, "first", None, Limits(9, 0.4))
    assert set(panel.found_layers.tolist()) == {UNKNOWN, ""}  # the lowest score is 0.35
    assert not len(panel.true_layers)


def test_regions_name_the_objects_at_each_pixel(scorer):
    scene, panel = panel_of(scorer, 0)
    regions, pairs = make_regions(scene, panel)
    assert regions.shape == scene.image_shape
    true, found = (one.to_label_image(scene.image_shape) for one in (scene.true, scene.found["first"]))
    assert ((regions > 0) == ((true > 0) | (found > 0))).all()
    for k, (i, j) in enumerate(pairs, start=1):
        y, x = np.argwhere(regions == k)[0]
        assert i < 0 or scene.true.to_masks(scene.image_shape)[i, y, x]
        assert j < 0 or scene.found["first"].to_masks(scene.image_shape)[j, y, x]


def test_large_images_have_coarser_regions(scorer):
    labels = np.zeros((1100, 300), np.int32)
    labels[500:700, 100:200] = 1
    scene = Scene.of((1100, 300), Instances.from_label_image(labels), {})
    regions, pairs = make_regions(scene, make_panel(scene, "", None, LIMITS))
    assert max(regions.shape) <= 512
    assert pairs == [(0, -1)]
    full = make_regions(
        Scene.of((4, 4), Instances.from_masks(np.ones((1, 4, 4))), {}), make_panel(scene, "", None, LIMITS)
    )
    assert (full[0] == 1).all()  # no background at all


def test_what_is_told_of_a_pair(scorer):
    scene, panel = panel_of(scorer, 0)
    _, pairs = make_regions(scene, panel)
    both = next(pair for pair in pairs if min(pair) >= 0 and panel.found_layers[pair[1]] == "found-hit")
    first, second = describe(scorer.study, scene, panel, both).split("\n")
    assert first.startswith(f"Hit {both[1] + 1}: ")
    assert f"with truth {both[0] + 1}" in first
    assert "score" in first and " px" in first
    assert second.startswith(f"Truth {both[0] + 1}: ")


def test_rows_list_errors_first(scorer):
    scene, panel = panel_of(scorer, 2)
    states = [row["state"] for row in object_rows(scorer.study, scene, panel)]
    assert len(states) == len(scene.true) + len(scene.found["first"])
    order = {"False": 0, "Missed": 1, "Hit": 2, "Truth": 2}
    assert states == sorted(states, key=order.get)


def test_only_what_differs_is_kept(double):
    scene, first = panel_of(double, 2)
    _, second = panel_of(double, 2, "second")
    kept = keep_different(scene, [first, second], LIMITS)
    differs = first.true_layers != second.true_layers
    assert (kept[0].true_layers != "").tolist() == differs.tolist()
    for panel, ious in zip(kept, (scene.shared, scene.shared.T), strict=True):
        assert ((panel.found_layers == "") == (ious >= 0.5).any(axis=1)).all()
    same = keep_different(
        Scene.of(scene.image_shape, scene.true, dict.fromkeys("ab", scene.found["first"])), [first, first], LIMITS
    )
    assert not any((panel.true_layers != "").any() or (panel.found_layers != "").any() for panel in same)


def test_every_layer_has_a_name():
    assert set(LAYERS) == {"true-hit", "found-hit", "missed", "false"}

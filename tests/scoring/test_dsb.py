import numpy as np
import pytest

from common.errors import InputError
from common.masks.instances import Instances
from common.masks.rle import encode_instances
from common.scoring.dsb import dsb_score, score_image, score_submission
from tests.objects import random_objects


def square(y, x, side):
    return Instances.from_crops(np.array([[y, x, y + side, x + side]]), [np.ones((side, side))])


def strips(*lengths):
    """One strip of a row each, of the given lengths, from the left border."""
    masks = np.zeros((len(lengths), len(lengths), 100), dtype=bool)
    for i, length in enumerate(lengths):
        masks[i, i, :length] = True
    return Instances.from_masks(masks)


def write(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def write_submission(path, rows):
    return write(path, "ImageId,EncodedPixels", rows)


def test_score_by_hand():
    found = score_image(strips(100, 100, 100), strips(62, 100), (3, 100))
    assert found.tp.tolist() == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert found.fp.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert found.fn.tolist() == [1, 1, 1, 2, 2, 2, 2, 2, 2, 2]
    np.testing.assert_allclose(found.precision[[0, 9]], [1, 1 / 2])
    np.testing.assert_allclose(found.recall[[0, 9]], [2 / 3, 1 / 3])
    assert found.score == pytest.approx((3 * 2 / 3 + 7 * 1 / 4) / 10)


def test_iou_at_the_threshold_is_no_hit():
    assert score_image(strips(100), strips(50), (1, 100)).tp[0] == 0
    assert score_image(strips(100), strips(51), (1, 100)).tp[0] == 1


@pytest.mark.parametrize(
    ("true", "predicted", "score", "rate"),
    [
        (Instances.empty(), Instances.empty(), 1, [1, 1]),
        (Instances.empty(), square(0, 0, 2), 0, [0, 0]),
        (square(0, 0, 2), Instances.empty(), 0, [0, 0]),
    ],
)
def test_score_of_nothing(true, predicted, score, rate):
    found = score_image(true, predicted, (2, 2))
    assert dsb_score(true, predicted, (2, 2)) == found.score == score
    assert [found.precision[0], found.recall[0]] == rate


def test_objects_outside_of_the_image():
    with pytest.raises(ValueError, match="outside the image of 4x5"):
        dsb_score(square(0, 0, 2), square(2, 2, 3), (4, 5))


def test_score_as_the_oracle(oracle):
    rng = np.random.default_rng(21)
    scores = []
    for _ in range(100):
        true = random_objects(rng, rng.integers(0, 6), (12, 14))
        masks = true.to_masks((12, 14)) ^ (rng.random((len(true), 12, 14)) < 0.05)
        predicted = Instances.from_masks(np.concatenate([masks, masks[:1]])[rng.integers(0, 2) :])
        scores.append(dsb_score(true, predicted, (12, 14)))
        assert scores[-1] == oracle.dsb_score(true.to_masks((12, 14)), predicted.to_masks((12, 14)))
    assert len(set(scores)) > 20


def test_perfect_submission_and_missing_images(tmp_path):
    solution = {"a": (square(0, 0, 3), (5, 5)), "b": (Instances.empty(), (5, 5)), "c": (square(1, 1, 2), (4, 6))}
    rows = [f"a,{encode_instances(square(0, 0, 3), (5, 5))[0]}", "b,"]
    result = score_submission(write_submission(tmp_path / "s.csv", rows), solution)
    assert result.missing == ("c",)
    assert result.mean == pytest.approx(2 / 3)
    assert result.images["score"].tolist() == [1, 1, 0]
    assert result.images["predicted"].tolist() == [1, 0, 0]
    assert result.by_size.values.tolist() == [[4, 6, 1, 0], [5, 5, 2, 1]]
    assert result.by_threshold[["tp", "fp", "fn", "precision", "recall"]].values.tolist() == [[1, 0, 1, 1, 0.5]] * 10


def test_counts_at_each_threshold(tmp_path):
    """Of the images one misses an object, one has too many, and one is not submitted at all."""
    shape, rest = (3, 100), (2, 100)
    true, predicted = strips(100, 100, 100), strips(62, 100)
    rows = [f"a,{text}" for text in encode_instances(predicted, shape)]
    rows += [f"b,{text}" for text in encode_instances(strips(100, 100), rest)]
    submission = write_submission(tmp_path / "s.csv", rows)
    solution = {"a": (true, shape), "b": (strips(100), rest), "c": (strips(100, 100), rest), "d": (strips(), rest)}
    table = score_submission(submission, solution).by_threshold
    assert list(table) == ["iou", "tp", "fp", "fn", "precision", "recall"]
    assert table["iou"].round(2).tolist() == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert table[["tp", "fp", "fn"]].values.tolist() == [[3, 1, 3]] * 3 + [[2, 2, 4]] * 7
    np.testing.assert_allclose(table["precision"], [3 / 4] * 3 + [2 / 4] * 7)
    np.testing.assert_allclose(table["recall"], [3 / 6] * 3 + [2 / 6] * 7)
    texts = [(name, text, size) for name, (o, size) in solution.items() for text in encode_instances(o, size) or [""]]
    header = "ImageId,EncodedPixels,Height,Width,Usage"
    rows = [f"{name},{text},{height},{width},Public" for name, text, (height, width) in texts]
    same = score_submission(submission, write(tmp_path / "solution.csv", header, rows)).by_threshold
    assert same.equals(table)


def test_masks_that_lie_on_each_other_are_no_more_hits(tmp_path):
    submission = write_submission(tmp_path / "s.csv", ["a,1 4"])
    column = np.array([[0, 0, 4, 1]] * 2)
    twice = Instances.from_crops(column, [np.ones((4, 1))] * 2)
    table = score_submission(submission, {"a": (twice, (4, 4))}).by_threshold
    assert table[["tp", "fp", "fn"]].values.tolist() == [[1, 0, 1]] * 10


def test_images_that_are_left_out_do_not_count(tmp_path):
    submission = write_submission(tmp_path / "s.csv", ["a,1 4", "b,1 4"])
    solution = {"a": (square(0, 0, 2), (4, 4))}
    with pytest.raises(InputError, match="b is not in the solution"):
        score_submission(submission, solution)
    for known in (solution, solution | {"b": (square(0, 0, 2), (4, 4))}):
        assert score_submission(submission, known, ["b"]).images["image_id"].tolist() == ["a"]


def test_rates_of_a_submission_without_objects(tmp_path):
    submission = write_submission(tmp_path / "s.csv", ["a,"])
    nothing = score_submission(submission, {"a": (Instances.empty(), (4, 4))}).by_threshold
    assert nothing[["tp", "fp", "fn", "precision", "recall"]].values.tolist() == [[0, 0, 0, 1, 1]] * 10
    something = score_submission(submission, {"a": (square(0, 0, 2), (4, 4))}).by_threshold
    assert something[["tp", "fp", "fn", "precision", "recall"]].values.tolist() == [[0, 0, 1, 0, 0]] * 10


def test_solution_file_with_ignored_images(tmp_path):
    solution = write(
        tmp_path / "solution.csv",
        "ImageId,EncodedPixels,Height,Width,Usage",
        ["a,1 4,4,4,Public", "a,9 4,4,4,Public", "b,1 1,8,8,Ignored", "c,1 2,4,4,Private"],
    )
    submission = write_submission(tmp_path / "s.csv", ["a,1 4", "b,5 5", "c,1 2"])
    result = score_submission(submission, solution)
    assert result.images["image_id"].tolist() == ["a", "c"]
    assert result.images["objects"].tolist() == [2, 1]
    assert result.mean == pytest.approx((0.5 + 1) / 2)


@pytest.mark.parametrize(
    ("rows", "reason"), [(["a,1 2 3"], "a: mask 0: 3 numbers"), (["x,1 1"], "x is not in the solution")]
)
def test_bad_submission(tmp_path, rows, reason):
    submission = write_submission(tmp_path / "s.csv", rows)
    with pytest.raises(InputError, match=reason):
        score_submission(submission, {"a": (square(0, 0, 2), (4, 4))})


def test_bad_solution(tmp_path):
    submission = write_submission(tmp_path / "s.csv", ["a,"])
    with pytest.raises(InputError, match="needs ImageId,EncodedPixels,Height,Width,Usage"):
        score_submission(submission, submission)
    with pytest.raises(InputError, match="no such file"):
        score_submission(submission, tmp_path / "none.csv")
    header = "ImageId,EncodedPixels,Height,Width,Usage"
    ignored = write(tmp_path / "ignored.csv", header, ["a,1 1,4,4,Ignored"])
    with pytest.raises(InputError, match=r"ignored\.csv: all images are ignored"):
        score_submission(submission, ignored)


HEADER = "ImageId,EncodedPixels,Height,Width,Usage"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,1 4,4,4,Public", "a,1 4,4,4,Public"], "line 3: a: the same object is in an earlier row; remove one"),
        (["a,1 4,4,4,Public", "a,6 1,4,5,Public"], "a has rows of two sizes; correct Height and Width"),
        (["a,1 4,4.5,4,Public"], "heights and widths must be integers: '4.5'"),
        (["a,1 4,,4,Public"], "heights and widths must be integers"),
    ],
)
def test_rows_of_a_solution_that_contradict_each_other(tmp_path, rows, message):
    submission = write_submission(tmp_path / "s.csv", ["a,1 4"])
    with pytest.raises(InputError, match=message):
        score_submission(submission, write(tmp_path / "solution.csv", HEADER, rows))


def test_sizes_as_programs_write_them(tmp_path):
    submission = write_submission(tmp_path / "s.csv", ["a,1 4"])
    assert score_submission(submission, write(tmp_path / "v.csv", HEADER, ["a,1 4,4.0,4.0,Public"])).mean == 1.0

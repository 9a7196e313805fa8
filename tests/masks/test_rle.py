import numpy as np
import pytest

from common.masks.instances import Instances
from common.masks.rle import decode_instances, decode_rle, encode_instances, encode_label_image, encode_rle, parse_runs


def slow_rle(mask):
    flat = np.concatenate([[0], mask.T.astype(int).ravel(), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return " ".join(f"{start + 1} {stop - start}" for start, stop in zip(edges[::2], edges[1::2], strict=True))


def random_masks(rng, count, image_shape):
    return rng.random((count, *image_shape)) < rng.choice([0.0, 0.05, 0.5, 0.95, 1.0], size=(count, 1, 1))


def test_runs_go_down_then_right():
    mask = np.array([[0, 1, 1], [0, 0, 1], [1, 0, 0]], dtype=bool)
    assert encode_rle(mask) == "3 2 7 2"
    np.testing.assert_array_equal(decode_rle("3 2 7 2", (3, 3)), mask)


def test_mask_at_the_last_pixel():
    mask = np.zeros((4, 5), dtype=bool)
    mask[-1, -1] = True
    assert encode_rle(mask) == "20 1"
    np.testing.assert_array_equal(decode_rle("20 1", (4, 5)), mask)


def test_empty_and_full_masks():
    assert encode_rle(np.zeros((3, 4), dtype=bool)) == ""
    assert encode_rle(np.ones((3, 4), dtype=bool)) == "1 12"
    assert not decode_rle("", (3, 4)).any()
    assert decode_rle("1 12", (3, 4)).all()


def test_runs_may_touch():
    assert decode_rle("1 2 3 2", (3, 4)).sum() == 4
    assert encode_rle(decode_rle("1 2 3 2", (3, 4))) == "1 4"


def test_no_objects():
    assert encode_instances(Instances.empty(), (5, 5)) == []
    assert len(decode_instances([], (5, 5))) == 0
    assert encode_label_image(np.zeros((5, 5), dtype=np.int32)) == []


@pytest.mark.parametrize("image_shape", [(1, 1), (1, 7), (7, 1), (12, 9), (31, 40)])
def test_round_trip_of_random_masks(image_shape):
    rng = np.random.default_rng(5)
    masks = random_masks(rng, 30, image_shape)
    texts = encode_instances(Instances.from_masks(masks), image_shape)
    assert texts == [slow_rle(mask) for mask in masks] == [encode_rle(mask) for mask in masks]
    decoded = decode_instances(texts, image_shape)
    np.testing.assert_array_equal(decoded.to_masks(image_shape), masks)
    np.testing.assert_array_equal(decoded.boxes, Instances.from_masks(masks).boxes)


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.int64])
def test_label_image_gives_one_text_a_label_present(dtype):
    rng = np.random.default_rng(6)
    labels = (rng.integers(0, 9, size=(20, 30)) * 3).astype(dtype)
    labels[labels == 6] = 0
    present = [label for label in np.unique(labels) if label]
    assert len(present) == 7
    assert encode_label_image(labels) == [slow_rle(labels == label) for label in present]


def test_crops_need_not_be_tight():
    crop = np.zeros((4, 3), dtype=bool)
    crop[1, 1] = True
    assert encode_instances(Instances.from_crops(np.array([[0, 0, 4, 3]]), [crop]), (4, 6)) == ["6 1"]


def test_decoded_memory_follows_the_objects():
    decoded = decode_instances(["1 1", "999999 1"], (1000, 1000))
    assert [mask.shape for mask in decoded.masks] == [(1, 1), (1, 1)]
    assert decoded.boxes.tolist() == [[0, 0, 1, 1], [998, 999, 999, 1000]]


def test_oracle(oracle):
    rng = np.random.default_rng(7)
    for mask in random_masks(rng, 20, (11, 13)):
        assert encode_rle(mask) == oracle.rle(mask)
        np.testing.assert_array_equal(decode_rle(oracle.rle(mask), (11, 13)), mask)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "3 numbers"),
        ("1 x", "integers"),
        ("1 2.5", "integers"),
        ("1 99999999999999999999", "integers"),
        ("9223372036854775807 9223372036854775807", "past the end of any image"),
        ("1 0", "lengths must be at least 1"),
        ("1 -2", "lengths must be at least 1"),
        ("0 2", "starts must be at least 1"),
        ("5 1 1 1", "sorted"),
        ("1 3 3 2", "disjoint"),
        ("12 2", "past the image's 12 pixels"),
    ],
)
def test_malformed_runs(text, reason):
    with pytest.raises(ValueError, match=reason):
        decode_rle(text, (3, 4))


def test_the_message_says_which_mask():
    with pytest.raises(ValueError, match="mask 1, run '5 1'"):
        parse_runs(["9 1", "7 1 5 1"], 12)


def test_runs_by_rows_are_those_of_the_transposed_image():
    rng = np.random.default_rng(11)
    for _ in range(30):
        shape = tuple(rng.integers(1, 12, size=2).tolist())
        masks = rng.random((int(rng.integers(0, 5)), *shape)) < 0.4
        texts = encode_instances(Instances.from_masks(masks), shape, by_rows=True)
        pixels = [np.flatnonzero(mask) for mask in masks]
        starts = [[int(a) + 1 for a in some if a - 1 not in some] for some in pixels]
        assert [list(map(int, text.split()[::2])) for text in texts] == starts
        np.testing.assert_array_equal(decode_instances(texts, shape, by_rows=True).to_masks(shape), masks)

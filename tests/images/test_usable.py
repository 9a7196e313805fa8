import numpy as np
import pytest

from common.errors import InputError
from common.images.usable import Oddities, find_oddities, read_usable, report_oddities


def read(name):
    if name.startswith("bad"):
        raise InputError(f"{name}: damaged; replace it")
    return len(name)


def test_what_is_read_comes_in_the_items_order():
    names = [f"{i:0{i % 7 + 1}}" for i in range(50)]
    assert read_usable(read, names, source="set") == [(name, len(name)) for name in names]


def test_bad_items_are_refused_or_left_out(lines):
    names = ["a", "bad1", "bcd", "bad2"]
    with pytest.raises(
        InputError, match=r"^bad1: damaged; replace it \(1 more are unusable\), or leave out .*--skip-bad"
    ):
        read_usable(read, names, source="set")

    assert read_usable(read, names, source="set", skip_bad=True) == [("a", 1), ("bcd", 3)]
    assert lines() == ["left out: bad1: damaged; replace it", "left out: bad2: damaged; replace it"]


def test_nothing_usable():
    with pytest.raises(InputError, match="set: none of its 2 images is usable; bad1: damaged"):
        read_usable(read, ["bad1", "bad2"], source="set", skip_bad=True)


def test_other_errors_are_not_swallowed():
    with pytest.raises(Exception, match="ZeroDivisionError"):
        read_usable(lambda number: 1 // number, [1, 0], source="set")


SQUARE = np.zeros((20, 30), bool)
SQUARE[4:12, 5:13] = True
OUTLINE, TWO = SQUARE.copy(), SQUARE.copy()
OUTLINE[5:11, 6:12] = False
TWO[15:18, 20:25] = True
CORNERS = np.eye(20, 30, dtype=bool)  # one part by its diagonal


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        (SQUARE, Oddities()),
        (SQUARE & False, Oddities()),
        (CORNERS, Oddities()),
        (~SQUARE, Oddities(spanning=1)),
        (~TWO, Oddities(spanning=1)),
        (SQUARE | True, Oddities(spanning=1)),
        (TWO, Oddities(parted=1)),
        (OUTLINE, Oddities(hollow=1)),
        (TWO & ~SQUARE | OUTLINE, Oddities(parted=1)),
        (SQUARE.astype(np.int32) * 7, Oddities()),
        (SQUARE + 2 * (TWO & ~SQUARE), Oddities()),
        (2 - SQUARE, Oddities(spanning=1)),
        (3 * TWO + np.eye(20, 30, dtype=int) * ~TWO, Oddities(parted=2)),
    ],
    ids=[
        "square",
        "empty",
        "diagonal",
        "inverse",
        "inverse-of-two",
        "all",
        "two",
        "outline",
        "both",
        "label",
        "labels",
        "no-background",
        "cut",
    ],
)
def test_what_is_unusual_about_objects(objects, expected):
    assert find_oddities(objects) == expected


def test_each_kind_of_oddity_is_a_line(lines):
    report_oddities("set", ["a", "b", "c"], [Oddities(), Oddities(cut=2, parted=1), Oddities(cut=1, hollow=1)])
    cut, parted, hollow = lines()
    assert cut.startswith("set: 3 masks with soft edges are cut at half of their range; ")
    assert cut.endswith("(in 2 of 3 images, such as b)") and "such as b)" in parted and "such as c)" in hollow

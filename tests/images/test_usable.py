import pytest

from common.errors import InputError
from common.images.usable import read_usable


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

"""Values of annotation files, in the many ways in which programs write them."""

import pytest

from common.annotations.values import read_flag, read_id, read_polygon


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (7.0, 7),
        ("7", 7),
        (0, 0),
        (-3, -3),
        (1e15, 10**15),
        ("07", "07"),
        ("7.0", "7.0"),
        ("", ""),
        ("a", "a"),
        ("²", "²"),
        ("9" * 30, "9" * 30),
    ],
)
def test_ids(value, expected):
    assert (read_id(value), type(read_id(value))) == (expected, type(expected))


@pytest.mark.parametrize("value", [None, 1.5, float("nan"), float("inf"), True, [1], {}])
def test_what_is_no_id(value):
    with pytest.raises(ValueError, match="neither a whole number nor a text"):
        read_id(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(None, 0), (0, 0), (1, 1), (False, 0), (True, 1), (0.0, 0), (1.0, 1), ("0", 0), ("1", 1)],
        *[("false", 0), ("True", 1), ("", 0), (" 0 ", 0), ("no", 0), ("yes", 1)],
    ],
)
def test_flags(value, expected):
    assert read_flag(value) is bool(expected)


@pytest.mark.parametrize("value", [2, -1, 0.5, float("nan"), "2", "maybe", [], {}])
def test_what_is_no_flag(value):
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        read_flag(value)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (10, "a list of numbers; it needs a list of polygons"),
        (None, "a polygon that is None"),
        ("1 2 3 4 5 6", "a polygon that is '1 2"),
        ([[1, 1], [5, 1], [5, 5]], "a polygon of points; it needs one flat list"),
        ([], "a polygon of 0 numbers; it needs x and y of at least three points"),
        ([1, 1, 5, 5], "a polygon of 4 numbers"),
        ([1, 1, 5, 5, 9], "a polygon of 5 numbers"),
        ([1, 1, 5, 5, 9, float("nan")], "not finite"),
        ([1, 1, 5, 5, 9, 1e12], "with the coordinate 1e\\+12"),
        ([1, 1, 5, 5, 9, "a"], "could not convert"),
    ],
)
def test_what_is_no_polygon(numbers, message):
    with pytest.raises(ValueError, match=message):
        read_polygon(numbers)

"""What is odd about outlines."""

import pytest

from common.annotations.outlines import Outline, report_outlines


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0, 0, 40, 60), ""),
        ((-1, -1, 41, 61), ""),  # a pixel is rounding
        ((-2, 0, 40, 60), "leave their images"),
        ((0, 0, 40, 61.5), "leave their images"),
        ((40, 0, 50, 60), "without a pixel"),
        ((-9, 0, 0, 60), "without a pixel"),
        (None, "without a pixel"),
    ],
)
def test_where_an_outline_lies(lines, box, said):
    report_outlines([Outline("object 3", box, (40, 60), 0)], "a.json")
    assert ([said in line and "1, such as object 3" in line for line in lines()] == [True]) if said else not lines()


def test_each_kind_is_told_once_with_its_number(lines):
    boxes = [(0, 0, 5, 5), None, (0, 0, 5, 99), None, (0, 0, 5, 5)]
    outlines = [Outline(f"object {i}", box, (40, 60), i % 4) for i, box in enumerate(boxes)]
    report_outlines(iter(outlines), "a.json")
    assert [line.rpartition(": ")[2] for line in lines()] == [
        "2, such as object 1",
        "1, such as object 2",
        "1, such as object 4",
    ]

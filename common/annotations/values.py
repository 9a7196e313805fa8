"""Values in annotation files, which programs write in many ways: ids, flags, polygons."""

import numpy as np

LARGEST_COORDINATE = 1e6  # pixels: what is beyond belongs to no image, and would cost memory to fill


def read_id(value: object) -> int | str:
    """Return an id in the form in which ids are compared: 7, 7.0 and "7" are one, "07" is another.

    Args:
        value: from JSON.

    Raises:
        ValueError: neither a whole number nor a text.

    Example:
        >>> [read_id(value) for value in (7, 7.0, "7", "07", "a7")]
        [7, 7, 7, '07', 'a7']
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        canonical = value.isascii() and value.isdecimal() and value == str(int(value[:20]))
        return int(value) if canonical else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"the id {value!r} is neither a whole number nor a text")


_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def read_flag(value: object) -> bool:
    """Return a flag; a missing one, None, is False.

    Args:
        value: from JSON, such as 0, False, "0" or "false".

    Raises:
        ValueError: none of these.

    Example:
        >>> [read_flag(value) for value in (None, 0, 1.0, "0", "True")]
        [False, False, True, False, True]
    """
    if value is None:
        return False
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise ValueError(f"{value!r} is neither 0 nor 1")


def read_polygon(numbers: object) -> np.ndarray:
    """Return a polygon's numbers, x, y, x, y ..., as an array, (2 K,) float64, of at least three points.

    Args:
        numbers: from JSON.

    Raises:
        ValueError: not a flat list of pairs, too few of them, or numbers that belong to no image.

    Example:
        >>> read_polygon([0, 0, 4, 0, 4, "2.5"]).tolist()
        [0.0, 0.0, 4.0, 0.0, 4.0, 2.5]
    """
    if isinstance(numbers, int | float):
        raise ValueError("a list of numbers; it needs a list of polygons")
    if not isinstance(numbers, list):
        raise ValueError(f"a polygon that is {numbers!r}"[:60])
    if any(isinstance(number, list | dict) for number in numbers):
        raise ValueError("a polygon of points; it needs one flat list of x, y, x, y ...")
    polygon = np.array(numbers, np.float64)
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"a polygon of {len(polygon)} numbers; it needs x and y of at least three points")
    if not np.isfinite(polygon).all():
        raise ValueError("a polygon whose numbers are not finite")
    if np.abs(polygon).max() > LARGEST_COORDINATE:
        raise ValueError(f"a polygon with the coordinate {polygon[np.abs(polygon).argmax()]:g}")
    return polygon

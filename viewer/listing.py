"""The list of images: its columns, and its rows from what is counted so far."""

import math
from collections.abc import Iterable
from typing import Any

from viewer.objects import Limits
from viewer.scorer import Scorer
from viewer.study import Study

UNREADABLE = "unreadable"  # kind of an image that cannot be read


def list_columns(study: Study) -> list[dict[str, Any]]:
    """Return the columns: scores first, the worst on top."""
    names = list(study.submissions) if study.has_truth else []
    two = len(names) == 2
    columns: list[dict[str, Any]] = [_text("image", "Image", 112) | {"pinned": "left"}]
    for position in range(len(names)):
        letter = f" {'AB'[position]}" if two else ""
        columns.append(_number(f"score{position}", f"Score{letter}", 84, decimals=3) | {"sort": _first(position == 0)})
    if two:
        columns.append(_number("change", "B − A", 80, decimals=3))
    if study.has_truth:
        columns.append(_number("true", "Objects", 76))
    if len(study.submissions) == 1:
        columns.append(_number("found0", "Found", 66))
    if len(names) == 1:
        columns += [_number("false", "False", 62), _number("missed", "Missed", 70)]
    shown = {"valueFormatter": {"function": "params.data.size"}}
    return [*columns, _text("kind", "Kind", 110), _number("pixels", "Size", 100) | shown]


def list_rows(scorer: Scorer, limits: Limits) -> list[dict[str, Any]]:
    """Return a row for each image; cells are empty where nothing is known yet."""
    rows = [_basic_row(scorer, index) for index in range(len(scorer.entries))]
    names = list(scorer.study.submissions)
    for position, name in enumerate(names):
        counts = scorer.count(name, limits.row, limits.confidence)
        columns = (counts.images, counts.hits, counts.false, counts.missed, counts.scores)
        for index, _, false, missed, score in zip(*(column.tolist() for column in columns), strict=True):
            rows[index][f"score{position}"] = None if math.isnan(score) else round(score, 4)
            if len(names) == 1:
                rows[index] |= {"false": false, "missed": missed}
    if len(names) == 2:
        for row in rows:
            if row.get("score0") is not None and row.get("score1") is not None:
                row["change"] = round(row["score1"] - row["score0"], 4)
    return rows


def summarise(scorer: Scorer, limits: Limits) -> Iterable[tuple[str, str]]:
    """Yield a title and a text for each submission: its mean score, hits, false and missed objects."""
    names = list(scorer.study.submissions)
    for position, name in enumerate(names):
        title = f"{'AB'[position]}: {name}" if len(names) == 2 else name
        if not scorer.study.has_truth:
            yield title, ""
            continue
        counts = scorer.count(name, limits.row, limits.confidence)
        hits, false, missed = (int(part.sum()) for part in (counts.hits, counts.false, counts.missed))
        mean = "–" if math.isnan(counts.mean) else f"{counts.mean:.3f}"
        yield title, f"score {mean} · {hits:,} hit · {false:,} false · {missed:,} missed"


def _basic_row(scorer: Scorer, index: int) -> dict[str, Any]:
    images, entry = scorer.study.images, scorer.entries[index]
    height, width = images.shape(index)
    row: dict[str, Any] = {"id": str(index), "index": index, "image": images.image_ids[index]}
    row |= {"size": f"{height} × {width}", "pixels": height * width}
    if entry is None:
        return row
    found = {f"found{position}": count for position, count in enumerate(entry.num_found.values())}
    return row | found | {"kind": UNREADABLE if entry.problem else entry.kind, "true": entry.num_true}


def _text(field: str, title: str, width: int) -> dict[str, Any]:
    return {"field": field, "headerName": title, "width": width, "filter": "agTextColumnFilter", "tooltipField": field}


def _number(field: str, title: str, width: int, *, decimals: int = 0) -> dict[str, Any]:
    column = {"field": field, "headerName": title, "width": width, "type": "rightAligned"}
    column |= {"filter": "agNumberColumnFilter", "comparator": {"function": "emptyLast"}}
    column["filterParams"] = {"defaultOption": "lessThanOrEqual"}
    if decimals:
        column["valueFormatter"] = {"function": f"params.value == null ? '' : d3.format('.{decimals}f')(params.value)"}
    return column


def _first(is_first: bool) -> str | None:
    return "asc" if is_first else None

import sys

import pytest

from common.errors import InputError
from common.output.parquet import parquet_schema, save_parquet


def test_the_schema_names_what_is_known():
    pytest.importorskip("pyarrow")
    schema = parquet_schema(["ImageId", "ClassId", "Score", "X", "EncodedPixels"])
    assert [(field.name, str(field.type)) for field in schema] == [
        ("image_id", "string"),
        ("height", "int32"),
        ("width", "int32"),
        ("class_id", "int32"),
        ("score", "float"),
        ("X", "string"),
        ("run_lengths", "string"),
    ]


def test_without_pyarrow_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pyarrow is not installed; pip install pyarrow"):
        save_parquet(tmp_path / "s.csv", tmp_path / "s.parquet", {})

import runpy
import sys
from pathlib import Path

from common.output.shards import merge_shards
from tests.output.test_shards import manifest, write

SCRIPT = Path(__file__).resolve().parents[2] / "submissions" / "submission.py"


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    except SystemExit as stop:
        return stop.code, *capsys.readouterr()
    return 0, *capsys.readouterr()


def test_merge_writes_the_csv(tmp_path, monkeypatch, capsys):
    write(tmp_path / "parts", manifest())
    output = tmp_path / "s.csv"
    capsys.readouterr()
    code, printed, _ = run(monkeypatch, capsys, "merge", tmp_path / "parts", "--output", output)
    assert (code, printed) == (0, f"wrote {output}: 15 rows\n")
    merge_shards(tmp_path / "parts", tmp_path / "other.csv")
    assert output.read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys):
    for arguments in (["merge", tmp_path], ["merge", tmp_path, "--output", tmp_path / "s.csv"]):
        code, _, errors = run(monkeypatch, capsys, *arguments)
        assert code == 2 and len(errors.splitlines()) == 1

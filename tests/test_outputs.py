from pathlib import Path

import pytest

from common.cli import add_sample_flag
from common.errors import InputError
from common.flags import OneLineParser
from common.outputs import check_outputs, prepare_outputs
from tests.test_cli import prediction


def with_masks(*arguments):
    parser = OneLineParser("")
    parser.add_argument("--masks", type=Path)
    add_sample_flag(parser)
    flags = prediction(*arguments, parser=parser, dataset="set", output="s.csv")
    return flags, flags.folders(["masks"])


@pytest.mark.parametrize("name", ["output", "overlays", "masks"])
def test_nothing_is_written_among_the_images(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("set/test").mkdir(parents=True)
    suffix = "/s.csv" if name == "output" else ""
    for place in ("set/test", "set/test/new", tmp_path / "set" / ".." / "set" / "test"):
        with pytest.raises(InputError, match=rf"--{name} .*test.*: lies among the images of set; choose another pa"):
            prepare_outputs(*with_masks(f"--{name}", f"{place}{suffix}"), Path("set"), ["test/a.png"])
    for place in ("beside", "sets/test", "set/drawn"):
        flags, folders = with_masks(f"--{name}", f"{place}{suffix}")
        prepare_outputs(flags, folders, Path("set"), ["test/a.png"])
        assert all(folder.is_dir() for folder in folders.values())


@pytest.mark.parametrize("name", ["overlays", "masks"])
def test_no_images_are_written_below_a_set_that_is_read_with_all_its_folders(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    with pytest.raises(InputError, match=f"--{name} set/drawn: lies among the images of set; choose another"):
        prepare_outputs(*with_masks(f"--{name}", "set/drawn"), Path("set"), ["test/a.png"], anywhere=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--overlays", "out", "--masks", "{}/out"], r"--masks .*out: already used by --overlays; choose another"),
        (["--score", "{}/s.csv"], r"--output s\.csv: already used by --score; choose another path"),
        (["--sample-submission", "s.csv"], r"--output s\.csv: already used by --sample-submission;"),
        (["--overlays", "{}/set"], r"--overlays .*set: already used by --dataset;"),
    ],
)
def test_outputs_replace_neither_each_other_nor_what_is_read(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        check_outputs(*with_masks(*(part.format(tmp_path) for part in arguments)))

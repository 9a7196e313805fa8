"""Pack a set with the masks of a submission."""

import shutil

import numpy as np
import pytest

from common.images.image_set import ImageSet
from common.masks.rle import encode_label_image
from dsb.dataset import load_dataset
from tests.scripts import run_here


@pytest.fixture
def pack(tmp_path, generated_set, monkeypatch, capsys):
    """Return a function that packs `set`, six images, with `a.csv`; what it returns is that of `run_here`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in ("common.images.label_index", "dsb.dataset"):
        monkeypatch.setattr(f"{module}.progress_bar", lambda found, *_, **__: found)
    shutil.copytree(generated_set / "stage1_train", "set")
    flags = ["--dataset", "set", "--submission", "a.csv"]
    return lambda output="a.zip", *more: run_here(monkeypatch, capsys, "pack.py", *flags, "--output", output, *more)


@pytest.fixture
def images(pack) -> ImageSet:
    """The set with its own masks."""
    return load_dataset("set")


def drawn(images, row):
    """Return a label image of two objects that touch each other and the image's corner."""
    label_image = np.zeros(images.shape(row), np.int32)
    label_image[:9, : 10 + row], label_image[9:20, : 10 + row] = 1, 2
    return label_image


def rows_of(images):
    """Return the rows of each image in a submission of what is drawn."""
    texts = [encode_label_image(drawn(images, row)) for row in range(len(images))]
    return [[f"{image_id},{text}" for text in found] for image_id, found in zip(images.image_ids, texts, strict=True)]


def write(tmp_path, rows, name="a.csv"):
    lines = ["ImageId,EncodedPixels", *(line for of_image in rows for line in of_image)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")


def test_the_masks_are_those_of_the_submission(pack, images, tmp_path):
    rows = rows_of(images)
    rows[2] = [f"{images.image_ids[2]},"]
    write(tmp_path, rows[::-1])
    code, output, errors = pack()
    assert (code, errors) == (0, "")
    assert output.startswith("left out 1 of 6 images, which have no masks in a.csv\nwrote a.zip: 5 images, ")
    packed = load_dataset("a.zip")
    assert packed.has_objects and packed.image_ids == [*images.image_ids[:2], *images.image_ids[3:]]
    for row, of_set in enumerate((0, 1, 3, 4, 5)):
        np.testing.assert_array_equal(packed.load_image(row), images.load_image(of_set))
        np.testing.assert_array_equal(packed.load_label_layers(row)[0], drawn(images, of_set))


def test_the_bytes_are_the_same_whether_or_not_the_set_has_masks(pack, images, tmp_path):
    write(tmp_path, rows_of(images))
    assert "left out" not in pack("one.zip")[1]
    for masks in (tmp_path / "set").glob("*/masks"):
        shutil.rmtree(masks)
    write(tmp_path, rows_of(images)[::-1])
    pack("two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_an_unusable_image_may_keep_its_row(pack, images, tmp_path):
    write(tmp_path, rows_of(images))
    bad = images.image_ids[3]
    (tmp_path / "set" / bad / "images" / f"{bad}.png").write_bytes(b"no image")
    code, _, errors = pack()
    assert code == 2 and errors.count("\n") == 1 and "--skip-bad" in errors
    code, output, _ = pack("a.zip", "--skip-bad")
    assert code == 0 and "wrote a.zip: 5 images" in output and "have no masks" not in output


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ids, rows: rows[:-1], r": {0}: has no row; an image without objects needs one"),
        (lambda ids, rows: [*rows, ["x,1 2"]], r": x: not an image of this competition"),
        (lambda ids, rows: [[f"{ids[0]},1 2", f"{ids[0]},2 2"], *rows[1:]], "line 3: {1}: the mask overlaps another"),
        (lambda ids, rows: [[f"{ids[0]},1 99999"], *rows[1:]], "line 2: {1}: run '1 99999': the run ends past"),
        (lambda ids, rows: [[f"{image_id},"] for image_id in ids], ": holds no masks; predict with a lower --confid"),
    ],
)
def test_a_submission_that_does_not_fit_is_refused(spoil, message, pack, images, tmp_path):
    write(tmp_path, spoil(images.image_ids, rows_of(images)))
    code, output, errors = pack()
    assert (code, output) == (2, "") and errors.count("\n") == 1
    assert "a.csv: " in errors and message.format(images.image_ids[-1], images.image_ids[0]) in errors
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".zip"]


def test_the_submission_is_not_overwritten(pack, tmp_path):
    for name, message in (("a.csv.zip", "already used by --submission"), ("a.csv", "give a name that ends in .zip")):
        (tmp_path / name).write_text("here")
        code, _, errors = pack(name, "--submission", name)
        assert code == 2 and message in errors and (tmp_path / name).read_text() == "here"


def test_a_missing_submission_is_refused(pack):
    code, _, errors = pack()
    assert code == 2 and errors.endswith("a.csv: no such file\n")

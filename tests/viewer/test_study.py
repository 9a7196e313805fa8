"""Sets, solutions and submissions opened from paths."""

import shutil

import pytest

from common.errors import InputError
from common.masks.rle import encode_instances
from dsb.dataset import load_dataset
from viewer.study import open_study


@pytest.fixture(scope="module")
def images(generated_set):
    return load_dataset(generated_set / "stage1_train")


def write_csv(path, images, count, header="ImageId,EncodedPixels", more=""):
    lines = [header]
    for index, image_id in enumerate(images.image_ids[:count]):
        shape = images.shape(index)
        ending = more.format(*shape)
        lines += [f"{image_id},{runs}{ending}" for runs in encode_instances(images.load_instances(index), shape)]
    path.write_text("\n".join([*lines, ""]))
    return path


def test_a_set_with_its_own_truth(generated_set, images, tmp_path):
    paths = [write_csv(tmp_path / "a.csv", images, 2)]
    study = open_study(generated_set / "stage1_train", paths)
    assert len(study.images) == len(images) and study.is_missing(2, "a") and not study.is_missing(1, "a")
    study = open_study(generated_set / "stage1_train", paths, only_submitted=True)
    assert study.has_truth and study.competition.name == "dsb"
    assert list(study.images.image_ids) == list(images.image_ids[:2])  # those with a row
    true, crowd = study.load_truth(0)
    assert len(true) == len(study.load_found(0, "a")) == len(crowd)
    assert not study.has_scores("a")
    assert study.match(0, "a", (true, crowd)).ious.min() == 1
    assert study.kind(0, images.load_image(0), None) in ("fluorescence", "brightfield", "stained")


def test_solutions_as_csv_and_as_another_set(generated_set, images, tmp_path):
    columns, more = "ImageId,EncodedPixels,Height,Width,Usage", ",{},{},Public"
    solution = write_csv(tmp_path / "solution.csv", images, 1, columns, more)
    study = open_study(generated_set / "stage1_train", solution=solution)
    assert len(study.load_truth(0)[0]) == len(images.load_instances(0))
    assert study.load_truth(1) is None
    study = open_study(generated_set / "stage1_train", solution=generated_set / "stage1_train")
    assert len(study.load_truth(1)[0]) == len(images.load_instances(1))


def test_a_solution_of_another_set_is_refused(generated_set, images, tmp_path):
    columns = "ImageId,EncodedPixels,Height,Width,Usage"
    longer = write_csv(tmp_path / "longer.csv", images, 3, columns, ",9999,{1},Public")
    other = tmp_path / "other.csv"
    other.write_text(f"{columns}\nother,1 1,9,9,Public\n")
    for path, message in ((longer, "but its image has"), (other, "has none of the images")):
        with pytest.raises(InputError, match=message):
            open_study(generated_set / "stage1_train", solution=path)


def test_names_of_submissions_differ(generated_set, images, tmp_path):
    paths = []
    for name in "xy":
        (tmp_path / name).mkdir()
        paths.append(write_csv(tmp_path / name / "a.csv", images, 1))
    assert list(open_study(generated_set / "stage1_train", paths).submissions) == ["x/a", "y/a"]
    with pytest.raises(InputError, match="given twice"):
        open_study(generated_set / "stage1_train", [paths[0], paths[0]])


def test_a_broken_file_is_left_out_and_named(generated_set, images, tmp_path):
    shutil.copytree(generated_set / "stage1_train", tmp_path / "set")
    broken = images.image_ids[1]
    (tmp_path / "set" / broken / "images" / f"{broken}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    study = open_study(tmp_path / "set")
    assert list(study.left_out) == [broken]
    assert broken not in study.images.image_ids


def test_other_ids_are_refused(generated_set, tmp_path):
    (tmp_path / "a.csv").write_text("ImageId,EncodedPixels\nother,1 1\n")
    with pytest.raises(InputError, match="other is not in this set"):
        open_study(generated_set / "stage1_train", [tmp_path / "a.csv"])

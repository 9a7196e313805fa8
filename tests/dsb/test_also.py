"""`--also`: further sets to train on."""

import pytest

from common import engine
from common.errors import InputError
from common.images.synthetic import write_dataset
from dsb.config import SMALL
from dsb.training import train_step


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that runs step 1 with flags, and returns the images to train on and those held out."""
    trained = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "train", lambda config, *sets, **others: trained.append(sets[:2]))

    def run(*flags):
        monkeypatch.setattr("sys.argv", ["my_train_1.py", "--dataset", str(tmp_path / "own"), *flags])
        train_step(None, {"small": SMALL}, None)
        return trained.pop()

    write_dataset(tmp_path / "own", 6, 1, sizes=[(48, 48)])
    write_dataset(tmp_path / "tissue", 3, 2, sizes=[(40, 56)], modalities=["purple_tissue"])
    write_dataset(tmp_path / "more", 2, 3, sizes=[(40, 40)])
    return run


def test_nothing_of_another_set_is_held_out(train, tmp_path):
    alone, held_out = train("--fold", "0")
    both, same = train("--fold", "0", "--also", str(tmp_path / "tissue"), "--also", str(tmp_path / "more"))
    assert same.image_ids == held_out.image_ids and 0 < len(held_out) < 6
    assert both.image_ids[: len(alone)] == alone.image_ids and len(both) == len(alone) + 5
    assert [both.shape(row) for row in range(len(alone), len(both))] == [(40, 56)] * 3 + [(40, 40)] * 2
    assert all(len(both.load_instances(row)) for row in range(len(both)))
    assert all(print_ for _, print_ in both.identities())


def test_a_set_with_an_image_that_is_held_out_is_refused(train, tmp_path):
    held_out = train("--fold", "0")[1].image_ids[0]
    (tmp_path / "tissue" / held_out).symlink_to(tmp_path / "own" / held_out)
    with pytest.raises(InputError, match=f"own and .*tissue: {held_out} is the id of several images"):
        train("--fold", "0", "--also", str(tmp_path / "tissue"))


def test_a_set_without_masks_is_refused(train, tmp_path):
    for masks in (tmp_path / "more").glob("*/masks"):
        masks.rename(masks.parent.parent.parent / f"left_{masks.parent.name}")
    with pytest.raises(InputError, match=r"more: holds no masks; train on a set that has them"):
        train("--also", str(tmp_path / "more"))

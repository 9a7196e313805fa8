import shutil
from pathlib import Path

from common.batches.folds import split
from common.cli import PredictionFlags
from common.cluster.spread import ALONE
from common.flags import Shard
from dsb.config import SMALL
from dsb.dataset import load_dataset
from dsb.inference import choose_images


def flags_of(folder, **given):
    usual = {
        "weights": "last",
        "logs": Path("logs"),
        "preset": "small",
        "own": {},
        "output": Path("s.csv"),
        "score": None,
    }
    usual |= {
        "sample_submission": None,
        "spread": ALONE,
        "shard": Shard(),
        "overlays": None,
        "limit": None,
        "skip_bad": True,
    }
    return PredictionFlags(dataset=folder, given=given, **usual)


def test_inference_deals_the_folds_of_training_when_images_are_left_out(generated_set, tmp_path):
    shutil.copytree(generated_set, tmp_path / "set")
    spoilt = sorted((tmp_path / "set" / "stage1_train").iterdir())[0]
    shutil.rmtree(spoilt / "masks")
    dataset = load_dataset(tmp_path / "set", skip_bad=True)
    assert dataset.left_out == (spoilt.name,)
    seen = []
    for fold in "01234":
        held_out = split(dataset, dataset.sizes, fold, None)[1].image_ids
        if held_out:
            assert choose_images(flags_of(tmp_path / "set", fold=fold), SMALL)[1] == held_out
        seen += held_out
    assert sorted(seen) == dataset.image_ids


def test_an_image_that_cannot_be_used_keeps_an_empty_row(generated_set, tmp_path):
    shutil.copytree(generated_set, tmp_path / "set")
    spoilt = sorted((tmp_path / "set" / "stage1_train").iterdir())[0]
    (spoilt / "images" / f"{spoilt.name}.png").write_bytes(b"no image")
    images, image_ids = choose_images(flags_of(tmp_path / "set"), SMALL)
    assert image_ids[0] == spoilt.name
    assert spoilt.name not in images.image_ids

"""Which option may change when, and what is said."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from common.errors import InputError
from common.runs.changes import check_resumable, describe_mismatch, differing, flag_text, other_task, swaying
from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.options import option
from dsb.config import PRESETS, DSBConfig
from rsna.config import RSNAConfig
from wbc.config import SMALL as WBC_SMALL
from wbc.config import WBCConfig

CONFIG = MaskRCNNConfig(class_names=("cat", "dog"))
FOLDER = Path("logs/001")
# What a begun run cannot change, and the line's values before and after.
REFUSED = [
    ("class_names", ("dog", "cat"), "--class-names cat,dog (not dog,cat)"),
    ("class_names", ("cat",), "--class-names cat,dog (not cat)"),
    ("backbone", "small", "--backbone resnet101 (not small)"),
    ("norm", "group", "--norm frozen_batch (not group)"),
    ("fpn_channels", 64, "--fpn-channels 256 (not 64)"),
    ("mask_convs", 2, "--mask-convs 4 (not 2)"),
    ("anchor_ratios", (1.0,), "--anchor-ratios 0.5,1,2 (not 1.0)"),
    ("anchor_scales", (4, 8, 16, 32, 64), "--anchor-scales 8,16,32,64,128 (not 4,8,16,32,64)"),
    ("box_std", (1, 1, 1, 1), "--box-std 0.1,0.1,0.2,0.2 (not 1,1,1,1)"),
    ("pixel_std", 58.0, "--pixel-std 1.0 (not 58.0)"),
    ("mean_pixel", (0.0, 0.0, 0.0), "--mean-pixel 123.7,116.8,103.9 (not 0.0,0.0,0.0)"),
    ("stretch_contrast", True, "--no-stretch-contrast (not --stretch-contrast)"),
    ("geometry", "library", "--geometry aligned (not library)"),
    ("pool_size", 14, "--pool-size 7 (not 14)"),
    ("optimizer", "adamw", "--optimizer sgd (not adamw)"),
]
TAKEN = {
    "schedule": (Stage(80, 1e-4),),
    "batch_size": 4,
    "score_every": 2,
    "seed": 7,
    "gradient_clip": 1.0,
    "confidence": 0.2,
    "steps_per_epoch": 9,
    "bfloat16": True,
}


@pytest.mark.parametrize(("name", "value", "text"), REFUSED)
def test_what_a_begun_run_cannot_change(name, value, text):
    with pytest.raises(InputError) as caught:
        check_resumable(FOLDER, CONFIG, replace(CONFIG, **{name: value}))
    assert f"logs/001: this run began with {text}; resume it with the same" in str(caught.value)


def test_the_line_names_all_that_differ():
    other = replace(CONFIG, backbone="small", norm="group", batch_size=9)
    with pytest.raises(InputError, match=r"--backbone resnet101 \(not small\), --norm frozen_batch \(not group\);"):
        check_resumable(FOLDER, CONFIG, other)


@pytest.mark.parametrize("name", TAKEN)
def test_what_may_change_is_taken_and_told(name):
    (line,) = check_resumable(FOLDER, CONFIG, replace(CONFIG, **{name: TAKEN[name]}))
    assert line == f"resuming with another {name}: {TAKEN[name]} instead of {getattr(CONFIG, name)}"


def test_nothing_changes():
    assert check_resumable(FOLDER, CONFIG, CONFIG) == []


@pytest.mark.parametrize("config_class", [DSBConfig, RSNAConfig, WBCConfig])
def test_what_is_fixed_stays_so_in_a_competition_that_declares_it_anew(config_class):
    facts = {spec.name: spec.metadata for spec in fields(config_class)}
    for spec in fields(MaskRCNNConfig):
        for fact in ("fixed", "sways"):
            assert facts[spec.name][fact] == spec.metadata[fact], spec.name


def test_options_of_one_config_alone_do_not_differ():
    @dataclass(frozen=True, kw_only=True)
    class More(MaskRCNNConfig):
        teeth: int = option(32, "number", fixed="weights")

    assert differing(More(), CONFIG, ("weights",)) == ["class_names"]
    assert differing(CONFIG, More(), ("weights",)) == ["class_names"]


def test_what_weights_were_trained_with(tmp_path):
    weights = tmp_path / "w.h5"
    assert describe_mismatch(weights, CONFIG) == ""  # nothing is known
    CONFIG.save(tmp_path / "config.json")
    assert describe_mismatch(weights, replace(CONFIG, batch_size=9, optimizer="adamw", confidence=0.1)) == ""
    other = replace(CONFIG, class_names=("dog",), stretch_contrast=True)
    expected = "--class-names cat,dog (here dog), --no-stretch-contrast (here --stretch-contrast)"
    assert describe_mismatch(weights, other) == expected
    assert describe_mismatch(weights, None) == ""
    (tmp_path / "config.json").write_text("{")
    assert describe_mismatch(weights, other) == ""


def test_those_that_come_along_are_of_another_class_than_white_blood_cells():
    small = Path(__file__).resolve().parents[2] / "dsb/weights/small/weights.h5"
    assert describe_mismatch(small, PRESETS["small"]) == ""
    assert describe_mismatch(small, WBCConfig()).startswith("--class-names nucleus (here Basophil,Eosinophil,")
    trained = other_task(small, WBC_SMALL)
    assert trained.class_names == ("nucleus",) and trained.mask_convs == 4 != WBC_SMALL.mask_convs
    assert WBC_SMALL.misfits(trained) == ("mask_head",)
    assert replace(WBC_SMALL, mask_convs=4).misfits(trained) == ()
    assert other_task(small, PRESETS["small"]) is None


def test_weights_that_know_a_class_are_no_start_for_another_task(tmp_path):
    weights = tmp_path / "w.h5"
    assert other_task(weights, CONFIG) is None  # nothing is known
    CONFIG.save(tmp_path / "config.json")
    assert other_task(weights, replace(CONFIG, class_names=("dog", "bird"))) is None
    assert other_task(weights, replace(CONFIG, class_names=("bird",))) == CONFIG


def test_what_losses_and_scores_depend_on():
    loss, score = swaying(CONFIG, "loss"), swaying(CONFIG, "score")
    assert {"loss_weights", "validation_steps", "train_rois", "min_dim"} <= loss.keys()
    assert {"confidence", "score_limit", "views", "min_dim"} <= score.keys()
    assert not {"score_every", "schedule", "seed", "batch_size", "optimizer"} & (loss.keys() | score.keys())
    assert not {"confidence", "score_limit"} & loss.keys()


def test_flags():
    assert flag_text(CONFIG, "augment") == "--augment"
    assert flag_text(replace(CONFIG, schedule=(Stage(2, 0.1), Stage(3, 0.01, "heads"))), "schedule") == (
        "--schedule 2:0.1:all,3:0.01:heads"
    )

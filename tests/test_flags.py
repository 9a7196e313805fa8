"""Flags from the options of a config."""

import dataclasses

import pytest

from common.errors import InputError
from common.flags import OneLineParser, add_config_flags
from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig


def parse(config_class, *arguments):
    parser = OneLineParser(None)
    add_config_flags(parser, config_class, "training")
    return dataclasses.replace(config_class(), **vars(parser.parse_args(arguments)))


def test_every_kind_of_field_has_a_flag():
    config = parse(
        MaskRCNNConfig,
        *("--name", "a run", "--seed", "7", "--zoom", "2.5", "--backbone", "small", "--no-augment", "--balanced"),
        *("--anchor-scales", "4,8,16,32,64", "--class-names", "cat,dog", "--schedule", "5:1e-2:heads,9:1e-3"),
    )
    assert (config.name, config.seed, config.zoom, config.backbone) == ("a run", 7, 2.5, "small")
    assert (config.augment, config.balanced) == (False, True)
    assert config.anchor_scales == (4.0, 8.0, 16.0, 32.0, 64.0)
    assert (config.class_names, config.num_classes) == (("cat", "dog"), 3)
    assert (config.schedule, config.epochs) == ((Stage(5, 0.01, "heads"), Stage(9, 0.001)), 9)


def test_flags_that_are_not_given_change_nothing():
    parser = OneLineParser(None)
    add_config_flags(parser, MaskRCNNConfig, "training")
    assert vars(parser.parse_args([])) == {}


def offered(config_class, use, **options):
    parser = OneLineParser(None)
    add_config_flags(parser, config_class, use, **options)
    return {action.dest for action in parser._actions} - {"help"}


def test_prediction_offers_its_own_options_and_training_all():
    every = {spec.name for spec in dataclasses.fields(MaskRCNNConfig)}
    assert offered(MaskRCNNConfig, "training") == every
    prediction = offered(MaskRCNNConfig, "prediction")
    assert {"confidence", "min_dim", "name"} < prediction < every
    assert not prediction & {"batch_size", "schedule", "train_rois", "crop_size", "seed"}
    assert offered(MaskRCNNConfig, "prediction", without=["name"]) == prediction - {"name"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "7"], "--seeds"),
        (["--see", "7"], "--see"),  # no abbreviations: a new field must not change what an old command means
        (["--seed", "many"], "many"),
        (["--seed", "-1"], "must be from 0 to 4294967295"),
        (["--zoom", "nan"], "from 1 to 8"),
        (["--backbone", "resnet18"], "resnet50"),
        (["--crop-size", "100"], "multiple of 64"),
        (["--box-std", "1,1"], "4 values"),
        (["--train-rois", "2001"], "at most --train-proposals, 2000"),
        (["--train-rois", "3"], "enough for one positive region"),
        (["--rpn-train-anchors", "1024", "--crop-size", "64"], "only 1023 anchors"),
        (["--tile-size", "256"], "at least --min-dim, 512"),
        (["--max-dim", "1000"], "--max-dim 1000: must be 0 or a multiple of 64"),
        (["--max-dim", "448"], "at least --min-dim, 512"),
        (["--tile-overlap", "513"], "at most half of --tile-size, 1024"),
        (["--schedule", "9:1e-3,5:1e-4"], "must increase"),
        (["--schedule", "9:1e-3,9:1e-4"], "must increase"),
        (["--balance", "root"], "--balance root: says how far images are repeated; add --balanced"),
        (["--schedule", "9"], "--schedule"),
        (["--schedule", "0:1e-3"], "epochs start at 1"),
        (["--schedule", "1:nan"], "learning rates"),
    ],
)
def test_wrong_flags_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        parse(MaskRCNNConfig, *arguments)
    assert "\n" not in str(caught.value)

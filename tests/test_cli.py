from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import pytest

from common.cli import (
    add_sample_flag,
    choose_model,
    choose_models,
    find_weights,
    parse_model_flags,
    parse_prediction_flags,
    parse_training_flags,
    run_command,
)
from common.errors import InputError
from common.flags import OneLineParser
from common.runs.start import Start, named_weights
from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.options import option
from dsb.config import DSBConfig
from wbc.config import WBCConfig


@dataclass(frozen=True, kw_only=True)
class LeafConfig(MaskRCNNConfig):
    fold: Literal["0", "1", "all"] = option("all", "fold kept for validation")


PRESETS = {
    "published": LeafConfig(name="leaf", schedule=(Stage(10, 1e-3), Stage(40, 1e-4))),
    "demo": LeafConfig(name="leaf", backbone="small", schedule=(Stage(2, 1e-3),)),
}


def training(*arguments):
    parser = OneLineParser("Train on leaves.")
    return parse_training_flags(PRESETS, dataset="data/leaves", parser=parser, arguments=arguments)


def prediction(*arguments, parser=None, **options):
    if parser is None:
        parser = OneLineParser("Find leaves.")
        add_sample_flag(parser)
    options = {"dataset": "data/test", "output": "out/s.csv"} | options
    return parse_prediction_flags(PRESETS, parser=parser, arguments=arguments, **options)


def shown_flags(parse, capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_of_training_shows_every_flag(capsys):
    text = shown_flags(training, capsys)
    assert "Train on leaves." in text
    wanted = ["dataset PATH", "weights coco|imagenet|last|none|small|PATH", "logs DIR", "preset {published,demo}"]
    wanted += ["fold {0,1,all}", "epochs N", "steps-per-epoch N", "limit N", "seed N", "skip-bad"]
    wanted += [field.name.replace("_", "-") for field in fields(LeafConfig)]
    assert [flag for flag in wanted if f"--{flag}" not in text] == []


def test_help_of_prediction_shows_every_flag(capsys):
    text = shown_flags(prediction, capsys)
    wanted = ["dataset PATH", "weights last|PATH", "logs DIR", "preset", "fold", "limit N", "skip-bad"]
    wanted += ["output CSV", "sample-submission CSV", "workers N", "confidence X", "score [CSV|PATH]", "overlays DIR"]
    wanted += [spec.name.replace("_", "-") for spec in LeafConfig.options("prediction")]
    assert [flag for flag in wanted if f"--{flag}" not in text] == []


def test_training_flags_default_to_the_published_preset():
    config, flags = training()
    assert config == PRESETS["published"]
    assert (flags.dataset, flags.start, flags.limit) == (Path("data/leaves"), Start(Path("logs")), None)
    assert not flags.skip_bad


def test_flags_change_the_chosen_preset():
    config, flags = training("--preset", "demo", "--seed", "7", "--fold", "1", "--limit", "3", "--skip-bad")
    assert config == replace(PRESETS["demo"], seed=7, fold="1")
    assert (flags.limit, flags.skip_bad) == (3, True)


def test_epochs_keep_the_shares_of_the_stages():
    assert training("--epochs", "4")[0].schedule == (Stage(1, 1e-3), Stage(4, 1e-4))
    assert training("--epochs", "1")[0].schedule == (Stage(1, 1e-3),)
    assert training("--schedule", "3:0.1,9:0.01", "--epochs", "3")[0].schedule == (Stage(1, 0.1), Stage(3, 0.01))


def test_weights_are_a_word_or_a_file(tmp_path):
    (tmp_path / "w.h5").touch()
    for weights in ("coco", "imagenet", "last", "none", "small", str(tmp_path / "w.h5")):
        assert training("--weights", weights)[1].start.weights == weights


@pytest.mark.parametrize(
    ("parse", "arguments", "message"),
    [
        (training, ["--weights", "cocoa"], "--weights cocoa: no such file; give coco, imagenet, last, none, small or"),
        (training, ["--weights", "."], "--weights .: no such file"),
        (training, ["--epochs", "0"], "--epochs 0: must be at least 1"),
        (training, ["--epochs", "x"], "--epochs: invalid int value: 'x'"),
        (training, ["--limit", "0"], "--limit 0: must be at least 1"),
        (training, ["--preset", "huge"], "--preset: invalid choice: 'huge'"),
        (training, ["--fold", "7"], "--fold: invalid choice: '7'"),
        (training, ["--output", "x"], "unrecognized arguments: --output x"),
        (training, ["stage1_train.zip"], "unrecognized arguments: stage1_train.zip"),
        (training, ["--dataset"], "--dataset: expected one argument"),
        (training, ["--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (training, ["--confidence", "1.5"], "--confidence 1.5: must be from 0 to 1"),
        (prediction, ["--workers", "-1"], "--workers -1: must be at least 0"),
        (prediction, ["--limit", "-3"], "--limit -3: must be at least 1"),
        (prediction, ["--shard", "0/3"], "argument --shard: 0/3: give a number from 1 and how many there are"),
        (prediction, ["--shard", "4/3"], "argument --shard: 4/3: give a number"),
        (prediction, ["--shard", "1"], "argument --shard: 1: give a number"),
        (prediction, ["--shard", "1/-2"], "argument --shard: 1/-2: give a number"),
        (prediction, ["--epochs", "3"], "unrecognized arguments: --epochs 3"),
        (prediction, ["--batch-size", "3"], "unrecognized arguments: --batch-size 3"),
    ],
)
def test_impossible_flags(parse, arguments, message):
    with pytest.raises(InputError) as caught:
        parse(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_script_adds_flags_of_its_own():
    parser = OneLineParser("Find leaves.")
    parser.add_argument("--veins", action="store_true")
    flags = prediction("--veins", "--confidence", "0.5", parser=parser)
    assert (flags.own, flags.given, flags.sample_submission) == ({"veins": True}, {"confidence": 0.5}, None)
    with pytest.raises(InputError, match="unrecognized arguments: --veins"):
        prediction("--veins")


def test_a_script_leaves_out_options_that_mean_nothing_to_it():
    with pytest.raises(InputError, match="unrecognized arguments: --dilation"):
        prediction("--dilation", without=["dilation"])


def test_model_of_weights_is_described_beside_them(tmp_path):
    saved = replace(PRESETS["demo"], fpn_channels=32, confidence=0.4)
    weights = tmp_path / "last.h5"
    weights.touch()
    saved.save(tmp_path / "config.json")
    assert choose_model(prediction("--weights", str(weights)), PRESETS, "t.py") == (saved, weights)
    config, _ = choose_model(prediction("--weights", str(weights), "--confidence", "0.8"), PRESETS, "t.py")
    assert config == replace(saved, confidence=0.8)
    model = parse_model_flags(PRESETS, OneLineParser(None), arguments=["--weights", str(weights)])
    assert choose_model(model, PRESETS, "t.py") == (saved, weights)


def test_weights_without_description_are_the_presets(tmp_path):
    weights = tmp_path / "last.h5"
    weights.touch()

    def config(*arguments):
        return choose_model(prediction("--weights", str(weights), *arguments), PRESETS, "t.py")[0]

    assert config() == PRESETS["published"]
    assert config("--preset", "demo") == PRESETS["demo"]
    with pytest.raises(InputError, match=r"--confidence -1\.0: must be from 0 to 1"):
        config("--confidence", "-1")


def network(folder, config):
    """Return the path of weights with a config beside them."""
    folder.mkdir()
    (folder / "last.h5").touch()
    config.save(folder / "config.json")
    return folder / "last.h5"


def test_several_networks_have_a_config_each(tmp_path):
    configs = [replace(PRESETS["demo"], min_dim=256), replace(PRESETS["demo"], stretch_contrast=True)]
    first, second = (network(tmp_path / name, config) for name, config in zip("ab", configs, strict=True))
    models = choose_models(prediction("--weights", f"{first},{second}"), PRESETS, "t.py")
    assert models == [(configs[0], first), (configs[1], second)]
    models = choose_models(prediction("--weights", f"{first},{second}", "--confidence", "0.2"), PRESETS, "t.py")
    assert [config for config, _ in models] == [replace(config, confidence=0.2) for config in configs]
    with pytest.raises(InputError, match=r"--weights c\.h5: no such file"):
        choose_models(prediction("--weights", f"{first},c.h5"), PRESETS, "t.py")


def test_a_comma_in_the_name_of_a_file_separates_nothing(tmp_path):
    weights = network(tmp_path / "a,b", PRESETS["demo"])
    assert choose_models(prediction("--weights", str(weights)), PRESETS, "t.py") == [(PRESETS["demo"], weights)]


def test_networks_that_are_not_alike_are_refused(tmp_path):
    configs = [replace(PRESETS["demo"], class_names=("leaf",)), replace(PRESETS["demo"], class_names=("leaf", "stem"))]
    first, second = (network(tmp_path / name, config) for name, config in zip("ab", configs, strict=True))
    with pytest.raises(InputError) as caught:
        choose_models(prediction("--weights", f"{first},{second}"), PRESETS, "t.py")
    message = f"{second}: has --class-names leaf,stem, but {first} has --class-names leaf; choose weights that agree"
    assert str(caught.value) == message
    alike = ["backbone"]
    assert len(choose_models(prediction("--weights", f"{first},{second}"), PRESETS, "t.py", alike=alike)) == 2


def test_a_script_of_several_commands(capsys):
    done = []
    commands = {"train": done.append, "predict": lambda rest: done.append(("predict", *rest))}
    run_command("Leaves.", commands, ["predict", "--help", "train"])
    assert done == [("predict", "--help", "train")]
    for arguments in ([], ["--epochs", "3"], ["tram"]):
        with pytest.raises(InputError) as caught:
            run_command("Leaves.", commands, arguments)
        assert "\n" not in str(caught.value)
    text = shown_flags(lambda flag: run_command("Leaves.", commands, [flag]), capsys)
    assert "Leaves." in text and "{train,predict}" in text


def test_a_generated_set_needs_no_path():
    parsers = {"parser": OneLineParser(None), "dataset": None}
    config, flags = parse_training_flags(PRESETS, **parsers, arguments=["--preset", "demo"])
    assert config.backbone == "small" and flags.dataset == Path()
    flags = prediction(parser=OneLineParser(None), dataset=None)
    assert (flags.dataset, flags.sample_submission) == (Path(), None)
    with pytest.raises(InputError, match="--dataset"):
        prediction("--dataset", "x", dataset=None)


def test_weights_of_the_latest_run(tmp_path):
    with pytest.raises(InputError, match=r"no trained step; train with leaf/train\.py"):
        find_weights("last", tmp_path, ["2", "1"], "leaf/train.py")
    with pytest.raises(InputError, match=r"--weights x\.h5: no such file"):
        find_weights("x.h5", tmp_path, ["1"], "leaf/train.py")
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.h5").touch()
        assert find_weights("last", tmp_path, ["2", "1"], "leaf/train.py") == tmp_path / name / "last.h5"
    assert find_weights(str(tmp_path / "1" / "last.h5"), tmp_path, [], "leaf/train.py") == tmp_path / "1" / "last.h5"


def test_weights_that_came_with_the_project(tmp_path):
    small = find_weights("small", tmp_path, [], "train.py")
    assert small.name == "weights.h5" and small.parent.name == "small" and small.is_file()
    for name in ("last", "notes"):
        with pytest.raises(InputError, match=r", or small, which comes with the project"):
            find_weights(name, tmp_path, ["1"], "train.py")


def test_a_set_is_scored_by_its_own_ground_truth_or_another(tmp_path):
    assert prediction().score is None
    assert prediction("--score").score is True
    assert prediction("--score", "set").score == Path("set")


@pytest.mark.parametrize("output", [".", "set"])
def test_a_folder_is_no_name_of_a_csv(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    with pytest.raises(InputError, match="a folder; give the name of the CSV file to write"):
        prediction("--output", output)


def test_named_weights_of_another_competition_are_no_model_for_this_one(tmp_path):
    assert find_weights("small", tmp_path, [], "dsb/my_train_1.py", DSBConfig) == named_weights()["small"]
    with pytest.raises(InputError, match=r"--weights small: finds the objects of another .* with wbc/wbc.py train --w"):
        find_weights("small", tmp_path, [], "wbc/wbc.py train", WBCConfig)
    with pytest.raises(InputError) as caught:
        find_weights("last", tmp_path, ["wbc"], "wbc/wbc.py train", WBCConfig)
    assert "small" not in str(caught.value)


def test_the_images_to_predict():
    images = [f"image {number}" for number in range(10)]
    assert prediction().choose(images) == images
    assert prediction("--limit", "3").choose(images) == images[:3]
    assert prediction("--limit", "9", "--shard", "2/3").choose(images) == images[3:6]
    shards = [prediction("--shard", f"{number}/4").choose(images) for number in (1, 2, 3, 4)]
    assert [image for shard in shards for image in shard] == images
    assert {len(shard) for shard in shards} == {2, 3}
    assert prediction("--shard", "2/4").choose([]) == []
    outputs = {prediction("--shard", f"{number}/4").output for number in (1, 2, 3, 4)}
    assert len(outputs) == 4 and prediction().output not in outputs
    assert prediction("--shard", "2/4", "--output", "a.csv").output == Path("a.csv")
    with pytest.raises(InputError, match=r"--shard 1/11: holds none of the images, .* choose fewer shards"):
        prediction("--shard", "1/11").choose(images)

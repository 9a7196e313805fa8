from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from common.cli import (
    config_of_weights,
    find_weights,
    parse_inference_flags,
    parse_training_flags,
    prepare_outputs,
    run_command,
)
from common.config import Config, Stage, option
from common.errors import InputError
from common.flags import OneLineParser
from common.runs.start import IMAGES_FILE, warn_of_trained_images


@dataclass(frozen=True, kw_only=True)
class LeafConfig(Config):
    fold: Literal["0", "1", "all"] = option("all", "fold kept for validation")


PRESETS = {
    "published": LeafConfig(name="leaf", schedule=(Stage(10, 1e-3), Stage(40, 1e-4))),
    "demo": LeafConfig(name="leaf", backbone="small", schedule=(Stage(2, 1e-3),)),
}


def training(*arguments):
    return parse_training_flags("Train on leaves.", PRESETS, dataset="data/leaves", arguments=arguments)


def inference(*arguments, parser=None):
    parser = parser or OneLineParser("Find leaves.")
    return parse_inference_flags(PRESETS, dataset="data/test", output="out/s.csv", parser=parser, arguments=arguments)


def shown_flags(parse, capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_of_training_shows_every_flag(capsys):
    text = shown_flags(training, capsys)
    assert "Train on leaves." in text
    wanted = ["dataset PATH", "weights coco|imagenet|last|none|PATH", "logs DIR", "preset {published,demo}"]
    wanted += ["fold {0,1,all}", "epochs N", "steps-per-epoch N", "limit N", "seed N", "skip-bad"]
    wanted += [field.name.replace("_", "-") for field in fields(LeafConfig)]
    assert [flag for flag in wanted if f"--{flag}" not in text] == []


def test_help_of_inference_shows_every_flag(capsys):
    text = shown_flags(inference, capsys)
    wanted = ["dataset PATH", "weights last|PATH", "logs DIR", "preset", "fold", "limit N", "seed N", "skip-bad"]
    wanted += ["output CSV", "sample-submission CSV", "workers N", "confidence X", "score CSV|PATH", "image DIR"]
    assert [flag for flag in wanted if f"--{flag}" not in text] == []


def test_training_flags_default_to_the_published_preset():
    config, flags = training()
    assert config == PRESETS["published"]
    assert (flags.dataset, flags.logs, flags.weights, flags.limit) == (Path("data/leaves"), Path("logs"), None, None)
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
    for weights in ("coco", "imagenet", "last", "none", str(tmp_path / "w.h5")):
        assert training("--weights", weights)[1].weights == weights


@pytest.mark.parametrize(
    ("parse", "arguments", "message"),
    [
        (training, ["--weights", "cocoa"], "--weights cocoa: no such file; give coco, imagenet, last, none or"),
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
        (inference, ["--workers", "-1"], "--workers -1: must be at least 0"),
        (inference, ["--limit", "-3"], "--limit -3: must be at least 1"),
        (inference, ["--epochs", "3"], "unrecognized arguments: --epochs 3"),
    ],
)
def test_impossible_flags(parse, arguments, message):
    with pytest.raises(InputError) as caught:
        parse(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_script_adds_flags_of_its_own():
    parser = OneLineParser("Find leaves.")
    parser.add_argument("--published", action="store_true")
    assert inference("--published", parser=parser).published
    with pytest.raises(InputError, match="unrecognized arguments: --published"):
        inference("--published")


def test_model_of_weights_is_described_beside_them(tmp_path):
    saved = replace(PRESETS["demo"], fpn_channels=32, confidence=0.4)
    saved.save(tmp_path / "config.json")
    config = config_of_weights(inference(), tmp_path / "last.h5", PRESETS)
    assert config == saved
    config = config_of_weights(inference("--confidence", "0.8"), tmp_path / "last.h5", PRESETS)
    assert config == replace(saved, confidence=0.8)


def test_weights_without_description_are_the_presets(tmp_path):
    weights = tmp_path / "last.h5"
    assert config_of_weights(inference(), weights, PRESETS) == PRESETS["published"]
    assert config_of_weights(inference("--preset", "demo"), weights, PRESETS) == PRESETS["demo"]
    with pytest.raises(InputError, match=r"--confidence -1\.0: must be from 0 to 1"):
        config_of_weights(inference("--confidence", "-1"), weights, PRESETS)


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


def test_a_generated_set_needs_no_path_and_no_submission(capsys):
    config, flags = parse_training_flags("Leaves.", PRESETS, dataset=None, arguments=["--preset", "demo"])
    assert config.backbone == "small" and not hasattr(flags, "dataset")
    flags = parse_inference_flags(
        PRESETS, dataset=None, output="s.csv", submission=False, parser=OneLineParser(None), arguments=[]
    )
    assert not {"dataset", "score", "sample_submission"} & set(vars(flags))
    with pytest.raises(InputError, match="--dataset"):
        parse_training_flags("Leaves.", PRESETS, dataset=None, arguments=["--dataset", "x"])


def test_weights_of_the_latest_run(tmp_path):
    with pytest.raises(InputError, match=r"no trained step there; train with leaf/train\.py"):
        find_weights("last", tmp_path, ["2", "1"], "leaf/train.py")
    with pytest.raises(InputError, match=r"--weights x\.h5: no such file"):
        find_weights("x.h5", tmp_path, ["1"], "leaf/train.py")
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.h5").touch()
        assert find_weights("last", tmp_path, ["2", "1"], "leaf/train.py") == tmp_path / name / "last.h5"
    assert find_weights(str(tmp_path / "1" / "last.h5"), tmp_path, [], "leaf/train.py") == tmp_path / "1" / "last.h5"


def test_weights_that_came_with_the_project(tmp_path, capsys):
    for name in ("small", "large"):
        (tmp_path / "shipped" / name).mkdir(parents=True)
        (tmp_path / "shipped" / name / "weights.h5").touch()
    (tmp_path / "shipped" / "notes").mkdir()
    shipped = tmp_path / "shipped"
    assert find_weights("small", tmp_path, [], "train.py", shipped=shipped) == shipped / "small" / "weights.h5"
    for name in ("last", "notes"):
        with pytest.raises(InputError, match=r", or large, which came with the project, or small, which came"):
            find_weights(name, tmp_path, ["1"], "train.py", shipped=shipped)
    with pytest.raises(InputError, match="no such file"):
        find_weights("small", tmp_path, [], "train.py")
    with pytest.raises(SystemExit):
        parse_inference_flags(
            PRESETS, dataset="d", output="s.csv", shipped=shipped, parser=OneLineParser(None), arguments=["--help"]
        )
    assert "last|large|small|PATH" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["output", "overlays", "masks"])
def test_nothing_is_written_among_the_images(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("set/test").mkdir(parents=True)
    usual = {"dataset": Path("set"), "output": Path("s.csv"), "overlays": None, "masks": None}
    for place in ("set/test", "set/test/new", tmp_path / "set" / ".." / "set" / "test"):
        flags = SimpleNamespace(**usual | {name: Path(place)})
        with pytest.raises(InputError, match=rf"--{name} .*test.*: lies among the images of set; choose another pl"):
            prepare_outputs(flags, Path("set"), ["test/a.png"], folders=["masks"])
    for place in ("beside", "sets/test", "set/drawn"):
        flags = SimpleNamespace(**usual | {name: Path(place)})
        prepare_outputs(flags, Path("set"), ["test/a.png"], folders=["masks"])


@pytest.mark.parametrize("name", ["overlays", "masks"])
def test_no_images_are_written_below_a_set_that_is_read_with_all_its_folders(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    flags = SimpleNamespace(output=Path("s.csv"), image=None, masks=None)
    setattr(flags, name, Path("set/drawn"))
    with pytest.raises(InputError, match=f"--{name} set/drawn: lies among the images of set; choose another"):
        prepare_outputs(flags, Path("set"), ["test/a.png"], folders=["masks"], anywhere=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--overlays", "out", "--masks", "{}/out"], r"--masks .*out: that is the place of --overlays; choose another"),
        (["--score", "{}/s.csv"], r"--output s\.csv: that is the place of --score; choose another one"),
        (["--sample-submission", "s.csv"], r"--output s\.csv: that is the place of --sample-submission;"),
        (["--overlays", "{}/set"], r"--overlays .*set: that is the place of --dataset;"),
    ],
)
def test_outputs_replace_neither_each_other_nor_what_is_read(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    parser = OneLineParser("")
    parser.add_argument("--masks", type=Path)
    options = {"dataset": "set", "output": "s.csv", "folders": ["masks"], "parser": parser}
    with pytest.raises(InputError, match=message):
        parse_inference_flags(PRESETS, **options, arguments=[part.format(tmp_path) for part in arguments])


def test_a_set_is_predicted_and_scored(tmp_path):
    options = {"dataset": "set", "output": "s.csv", "parser": OneLineParser("")}
    flags = parse_inference_flags(PRESETS, **options, arguments=["--score", "set"])
    assert flags.score == flags.dataset == Path("set")


def test_images_that_weights_were_trained_on(tmp_path, capsys):
    warn_of_trained_images(tmp_path / "weights.h5", "abc")
    (tmp_path / IMAGES_FILE).write_text("c\nb\nx\n")
    warn_of_trained_images(tmp_path / "weights.h5", "a")
    assert capsys.readouterr().out == ""
    warn_of_trained_images(tmp_path / "weights.h5", "abc")
    assert capsys.readouterr().out == f"careful: {tmp_path}/weights.h5 was trained on 2 of these images, such as b\n"


@pytest.mark.parametrize("output", [".", "set"])
def test_a_folder_is_no_name_of_a_csv(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    with pytest.raises(InputError, match="a folder; give the name of the CSV file to write"):
        inference("--output", output)

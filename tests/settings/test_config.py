import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar

import pytest

from common.errors import InputError
from common.flags import OneLineParser, add_config_flags
from common.settings.config import Stage
from common.settings.mask_rcnn import SEPARATION, MaskRCNNConfig
from common.settings.options import option
from dsb.config import DSBConfig
from rsna.config import RSNAConfig
from tests.test_flags import offered


def parse(config_class, *arguments):
    parser = OneLineParser(None)
    add_config_flags(parser, config_class, "training")
    return dataclasses.replace(config_class(), **vars(parser.parse_args(arguments)))


def stages(*texts):
    return tuple(Stage.parse(text) for text in texts)


def test_unused_options_are_neither_flags_nor_saved(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Plain(MaskRCNNConfig):
        unused: ClassVar[frozenset[str]] = SEPARATION

    assert not offered(Plain, "training") & SEPARATION
    Plain().save(tmp_path / "config.json")
    assert not json.loads((tmp_path / "config.json").read_text()).keys() & SEPARATION
    assert Plain.load(tmp_path / "config.json") == Plain()


def test_options_of_a_subclass_are_passed_over_where_asked(tmp_path):
    (tmp_path / "config.json").write_text('{"fold": "3", "seed": 4}')
    with pytest.raises(InputError, match="unknown fields fold"):
        MaskRCNNConfig.load(tmp_path / "config.json")
    assert MaskRCNNConfig.load(tmp_path / "config.json", others=True) == MaskRCNNConfig(seed=4)


def test_stages_read_what_they_print():
    for stage in (Stage(20, 1e-3, "heads"), Stage(3, 0.00025, "res5.*|mrcnn_.*"), Stage(1, 1e-4, "a:b")):
        assert Stage.parse(str(stage)) == stage


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"),
    [
        (("10:1e-3", "20:1e-4"), 40, ("20:1e-3", "40:1e-4")),
        (("10:1e-3", "20:1e-4"), 2, ("1:1e-3", "2:1e-4")),
        (("10:1e-3", "20:1e-4"), 1, ("1:1e-3",)),
        (("1:1e-1", "2:1e-2", "100:1e-3"), 3, ("1:1e-1", "2:1e-2", "3:1e-3")),
        (("1:1e-1", "2:1e-2", "100:1e-3"), 2, ("1:1e-1", "2:1e-2")),
        (("7:1e-3",), 1, ("1:1e-3",)),
    ],
)
def test_schedules_are_scaled(schedule, epochs, expected):
    config = MaskRCNNConfig(schedule=stages(*schedule)).with_epochs(epochs)
    assert config.schedule == stages(*expected)
    assert config.epochs == epochs


def test_save_and_load(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Special(MaskRCNNConfig):
        fold: str = option("all", "a field of its own")

    config = Special(fold="3", schedule=stages("1:1e-2:heads", "2:1e-3"), anchor_scales=(1, 2, 3, 4, 5.5))
    config.save(tmp_path / "config.json")
    assert Special.load(tmp_path / "config.json") == config


def test_loading_fills_missing_fields_with_defaults(tmp_path):
    (tmp_path / "config.json").write_text('{"seed": 4}')
    assert MaskRCNNConfig.load(tmp_path / "config.json") == MaskRCNNConfig(seed=4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a configuration"),
        ("\xff", "not a configuration"),
        ('{"colour": 1, "seed": 2}', "unknown fields colour"),
        ('{"seed": -2}', "must be from 0 to 4294967295"),
        ('{"augment": "no"}', "--augment 'no': a value of the wrong type"),
        ('{"min_dim": 512.5}', "--min-dim 512.5: a value of the wrong type"),
        ('{"class_names": "nucleus"}', "--class-names 'nucleus': a value of the wrong type"),
        ('{"box_std": [1, 1, "1", 1]}', "--box-std .*: a value of the wrong type"),
        ("[1]", "not a configuration"),
        ('{"seed": "x"}', "wrong type"),
        ('{"backbone": "resnet18"}', "resnet50, resnet101, small"),
        ('{"schedule": ["x"]}', "wrong type"),
        ('{"schedule": [1]}', "wrong type"),
        ('{"box_std": 1}', "wrong type"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, message):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message) as caught:
        MaskRCNNConfig.load(tmp_path / "config.json")
    assert "config.json" in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        MaskRCNNConfig.load(tmp_path / "config.json")


def test_the_file_is_readable(tmp_path):
    MaskRCNNConfig().save(tmp_path / "config.json")
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["schedule"] == ["40:0.001:all"]
    assert list(values) == [spec.name for spec in dataclasses.fields(MaskRCNNConfig)]


def test_a_bare_new_default_keeps_meaning_and_range():
    @dataclass(frozen=True, kw_only=True)
    class Leaves(MaskRCNNConfig):
        min_dim: int = 128

    old, new = (cls.__dataclass_fields__["min_dim"] for cls in (MaskRCNNConfig, Leaves))
    assert (Leaves().min_dim, MaskRCNNConfig().min_dim) == (128, 512)
    assert new.metadata == old.metadata
    with pytest.raises(InputError, match="--min-dim 8"):
        Leaves(min_dim=8)


def test_every_field_says_what_it_means():
    assert all(spec.metadata["help"] for spec in dataclasses.fields(MaskRCNNConfig))


def test_the_config_of_another_competition_is_refused(tmp_path):
    """Nuclei have one class, as have lung opacities: the weights would load, and find the wrong thing."""
    path = tmp_path / "config.json"
    DSBConfig(fold="1").save(path)
    assert json.loads(path.read_text())["competition"] == "dsb"
    assert DSBConfig.load(path) == DSBConfig(fold="1")
    with pytest.raises(InputError, match=r"config.json: a model of dsb/, where one of rsna/ is needed; choose other"):
        RSNAConfig.load(path)
    assert MaskRCNNConfig.load(path, others=True).class_names == ("nucleus",)
    values = json.loads(path.read_text())
    del values["competition"]  # as in files of version 0.1.0
    path.write_text(json.dumps(values))
    assert DSBConfig.load(path) == DSBConfig(fold="1")
    MaskRCNNConfig().save(path)
    assert "competition" not in json.loads(path.read_text())

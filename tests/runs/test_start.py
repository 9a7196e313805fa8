"""What a run starts from; with networks and their files, in `tests/network/training/test_fit.py`."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from common.errors import InputError
from common.runs import start
from common.runs.seen import IMAGES_FILE
from common.runs.start import Start, adopt_geometry, find_start, named_weights
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.unet import UNetConfig

RUN = RunConfig(name="2")


@dataclass(frozen=True, kw_only=True)
class Pretrained(RunConfig):
    default_start = "coco"


def write_previous(logs):
    (logs / "1").mkdir()
    (logs / "1" / "last.h5").touch()


def test_a_run_that_has_begun_goes_on_with_its_own_weights(tmp_path):
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "last.npz").touch()
    for weights in (None, "none", "coco", "elsewhere.h5"):
        assert find_start(Start(tmp_path, weights, previous="1"), RUN) == tmp_path / "2" / "last.h5"


def test_a_new_run_starts_from_what_it_is_told(tmp_path):
    assert find_start(Start(tmp_path, "none", previous="1"), RUN) is None
    with pytest.raises(InputError, match=r"1/last.h5: no such file; train step 1 first"):
        find_start(Start(tmp_path, "last", previous="1"), RUN)
    write_previous(tmp_path)
    assert find_start(Start(tmp_path, "last", previous="1"), RUN) == tmp_path / "1" / "last.h5"
    assert find_start(Start(tmp_path, "w.h5"), RUN) == Path("w.h5")
    assert find_start(Start(tmp_path, "small"), RUN) == named_weights()["small"]
    with pytest.raises(InputError, match="no run to resume; start one with --weights none or a file"):
        find_start(Start(tmp_path, "last"), RUN)


def test_a_new_run_that_is_told_nothing_starts_as_its_config_says(tmp_path):
    assert find_start(Start(tmp_path), RUN) is None
    write_previous(tmp_path)
    assert find_start(Start(tmp_path, previous="1"), Pretrained()) == tmp_path / "1" / "last.h5"
    (tmp_path / "mask_rcnn_coco.h5").touch()
    assert find_start(Start(tmp_path), Pretrained()) == tmp_path / "mask_rcnn_coco.h5"


def test_weights_that_come_with_the_project_have_names():
    assert all(path.is_file() and path.name == "weights.h5" for path in named_weights().values())
    assert "small" in named_weights() and "small" in named_weights(MaskRCNNConfig)
    assert list(named_weights(UNetConfig)) == ["lung"], "none of another network"
    assert "lung" not in named_weights(MaskRCNNConfig)
    assert "small" in named_weights(competition="dsb") and named_weights(competition="wbc") == {}


def test_a_network_without_geometries_adopts_none(tmp_path):
    assert adopt_geometry(RUN, named_weights()["small"]) is RUN
    config = MaskRCNNConfig(geometry="library")
    assert adopt_geometry(config, None) is config
    assert adopt_geometry(config, named_weights()["small"]).geometry == "aligned"


def test_weights_of_other_packages_are_not_ours(tmp_path, monkeypatch):
    for name in ("other/weights/theirs/weights.h5", "dsb/weights/ours/weights.h5", f"dsb/weights/ours/{IMAGES_FILE}"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(start, "__file__", str(tmp_path / "common" / "runs" / "start.py"))
    assert named_weights() == {"ours": tmp_path / "dsb/weights/ours/weights.h5"}

"""What a run starts from; with networks and their files, in `tests/network/test_fit.py`."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from common.config import RunConfig
from common.errors import InputError
from common.mask_rcnn_config import MaskRCNNConfig
from common.runs.start import IMAGES_FILE, Start, adopt_geometry, find_start, find_trained_images, named_weights
from common.unet_config import UNetConfig

RUN = RunConfig(name="2")


@dataclass(frozen=True, kw_only=True)
class Pretrained(RunConfig):
    default_start = "coco"


def test_a_run_that_has_begun_goes_on_with_its_own_weights(tmp_path):
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "last.npz").touch()
    for weights in (None, "none", "coco", "elsewhere.h5"):
        assert find_start(Start(tmp_path, weights, previous="1"), RUN) == tmp_path / "2" / "last.h5"


def test_a_new_run_starts_from_what_it_is_told(tmp_path):
    assert find_start(Start(tmp_path, "none", previous="1"), RUN) is None
    assert find_start(Start(tmp_path, "last", previous="1"), RUN) == tmp_path / "1" / "last.h5"
    assert find_start(Start(tmp_path, "w.h5"), RUN) == Path("w.h5")
    assert find_start(Start(tmp_path, "small"), RUN) == named_weights()["small"]
    with pytest.raises(InputError, match="no run to resume; start one with --weights none or a file"):
        find_start(Start(tmp_path, "last"), RUN)


def test_a_new_run_that_is_told_nothing_starts_as_its_config_says(tmp_path):
    assert find_start(Start(tmp_path), RUN) is None
    assert find_start(Start(tmp_path, previous="1"), Pretrained()) == tmp_path / "1" / "last.h5"
    (tmp_path / "mask_rcnn_coco.h5").touch()
    assert find_start(Start(tmp_path), Pretrained()) == tmp_path / "mask_rcnn_coco.h5"


def test_weights_that_come_with_the_project_have_names():
    assert all(path.is_file() and path.name == "weights.h5" for path in named_weights().values())
    assert "small" in named_weights() and "small" in named_weights(MaskRCNNConfig)
    assert list(named_weights(UNetConfig)) == ["lung"], "none of another network"
    assert "lung" not in named_weights(MaskRCNNConfig)


def test_a_network_without_geometries_adopts_none(tmp_path):
    assert adopt_geometry(RUN, named_weights()["small"]) is RUN
    config = MaskRCNNConfig(geometry="library")
    assert adopt_geometry(config, None) is config
    assert adopt_geometry(config, named_weights()["small"]).geometry == "aligned"


def test_images_that_weights_were_trained_on(tmp_path):
    assert find_trained_images(tmp_path / "weights.h5", "abc") == []
    (tmp_path / IMAGES_FILE).write_text("c\nb\nx\n")
    assert find_trained_images(tmp_path / "weights.h5", "a") == []
    assert find_trained_images(tmp_path / "weights.h5", "abc") == ["b", "c"]

"""`--page` and `--channel`: recorded by a run, kept when it resumes, read again in prediction."""

import json
import re

import numpy as np
import pytest
import tifffile

from common.cli import choose_model, parse_prediction_flags, parse_training_flags
from common.errors import InputError
from common.flags import OneLineParser
from common.runs.changes import check_resumable
from dsb.config import PRESETS
from dsb.dataset import choice_of
from dsb.inference import choose_images


def trained(*flags):
    return parse_training_flags(PRESETS, dataset="unused", parser=OneLineParser(None), arguments=flags)[0]


@pytest.mark.parametrize("channel", [(), (1, 2), (0, 1, 2), (-1,), (1, 2, 3, 4)])
def test_one_channel_or_three(channel):
    text = re.escape(",".join(map(str, channel)))
    with pytest.raises(InputError, match=f"--channel {text}: give one channel, such as 2, or three, such as 3,2,1"):
        choice_of(0, channel)


def test_a_run_resumes_with_the_same_channel_only(tmp_path):
    before = trained("--page", "2", "--channel", "3,2,1")
    assert (before.page, before.channel) == (2, (3, 2, 1))
    assert check_resumable(tmp_path, before, before) == []
    with pytest.raises(InputError, match=r"this run began with --page 2 \(not 0\), --channel 3,2,1 \(not 0\); resume"):
        check_resumable(tmp_path, before, trained())


def test_prediction_reads_what_the_weights_were_trained_on(tmp_path):
    """The run's channel of five, the one that a flag names, and grey images in spite of the run."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 8), dtype=np.uint8)
    for name, values in {"deep": np.moveaxis(pixels, 0, -1), "grey": pixels[0]}.items():
        (tmp_path / name).mkdir()
        options = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
        tifffile.imwrite(tmp_path / name / "a.tif", values, **options)
    (tmp_path / "last.h5").touch()
    trained("--channel", "5").save(tmp_path / "config.json")
    assert json.loads((tmp_path / "config.json").read_text())["channel"] == [5]

    def read(folder, *flags):
        arguments = ["--weights", str(tmp_path / "last.h5"), "--dataset", str(tmp_path / folder), *flags]
        parsed = parse_prediction_flags(
            PRESETS, dataset="unused", output="s.csv", parser=OneLineParser(None), arguments=arguments
        )
        config, _ = choose_model(parsed, PRESETS, "dsb/my_train_1.py")
        return choose_images(parsed, config)[0].load_image(0)[..., 0]

    np.testing.assert_array_equal(read("deep"), pixels[4])
    np.testing.assert_array_equal(read("deep", "--channel", "2"), pixels[1])
    np.testing.assert_array_equal(read("grey", "--channel", "0"), pixels[0])

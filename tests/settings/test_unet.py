import pytest

from common.errors import InputError
from common.settings.unet import UNetConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 500}, "--image-size 500: 4 levels need a multiple of 16"),
        ({"image_size": 16}, "--image-size 16: must be from 32 to 2048"),
        ({"channels": ()}, r"--channels \(\): all must be above 0"),
        ({"channels": (16, 0)}, r"--channels \(16, 0\): all must be above 0"),
        ({"channels": (16, 24), "norm": "group"}, r"--channels \(16, 24\): group norm needs multiples of 16"),
        ({"loss_weights": (1,)}, r"--loss-weights takes 2 values, got \(1,\)"),
        ({"norm": "frozen_batch"}, "--norm frozen_batch: choose one of batch, group"),
        ({"views": "votes"}, "--views votes: choose one of none, flip, scales"),
    ],
)
def test_impossible_values_are_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        UNetConfig(**changes)


def test_the_stride_follows_the_levels():
    assert UNetConfig().stride == 16
    assert UNetConfig(channels=(8, 8), image_size=36).stride == 4

"""Mask R-CNN in the training loop: an interrupted run ends as an undisturbed one, to the last bit."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common.batches.instance_samples import instance_batches
from common.network.mask_rcnn.model import MaskRCNN
from common.network.training.beginning import Beginning
from common.network.training.fit import fit
from common.settings.config import Stage
from tests.image_sets import array_set
from tests.tiny import TINY, disc_labels

CONFIG = replace(TINY, steps_per_epoch=2, schedule=(Stage(1, 1e-2, "heads"), Stage(2, 1e-3)), weight_decay=0.01)
LABELS = [disc_labels(64, [(20, 20, 12), (45, 20 + 10 * number, 9)]) for number in range(3)]
IMAGES = [np.repeat(50 + 100 * (labels > 0)[..., None], 3, axis=2).astype(np.uint8) for labels in LABELS]


class Uncompiled(MaskRCNN):
    """Spends no time on tracing where TensorFlow would do it anew in every stage."""

    def compile(self, **options):
        super().compile(**options, run_eagerly=keras.backend.backend() == "tensorflow")


def build(seed):
    keras.utils.set_random_seed(seed)
    return Uncompiled(CONFIG)


def batches(*, interrupted_at=None):
    loader = instance_batches(array_set(IMAGES, LABELS), CONFIG, training=True)
    usual = loader.batch_at

    def batch_at(step):
        if step == interrupted_at:
            raise KeyboardInterrupt
        return usual(step)

    loader.batch_at = batch_at
    return loader


@pytest.mark.slow
def test_an_interrupted_run_ends_as_an_undisturbed_one(tmp_path):
    if keras.backend.backend() == "tensorflow":  # else it adds up the gradients of overlapping regions in any order
        from tensorflow.config.experimental import enable_op_determinism

        enable_op_determinism()
    undisturbed, resumed = build(1), build(2)
    fit(undisturbed, batches(), None, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        fit(build(1), batches(interrupted_at=3), None, tmp_path / "run")
    fit(resumed, batches(), None, tmp_path / "run", Beginning(resumes=True))
    for weight, expected in zip(resumed.weights, undisturbed.weights, strict=True):
        np.testing.assert_array_equal(np.array(weight), np.array(expected), err_msg=weight.path)

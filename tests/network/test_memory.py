"""Memory of a long training run."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig
from tests.tiny import TINY

RUN = replace(
    TINY,
    augment=True,
    balanced=True,
    steps_per_epoch=2,
    schedule=(Stage(50, 1e-3),),
    validation_steps=1,
    score_every=1,
)


def resident_mib() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def memory_after_each_epoch(config: MaskRCNNConfig, images: Path, folder: Path) -> list[float]:
    """Train, validate, detect and save everything in each epoch."""
    from common.batches.instance_samples import instance_batches
    from common.network.mask_rcnn.detector import Detector
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.training.fit import fit
    from common.network.training.watch import Watch
    from dsb.dataset import load_dataset

    dataset = load_dataset(images, cache=folder / "cache")
    model = MaskRCNN(config)
    detector = Detector(model)
    memory = []

    def score() -> float:
        detector([dataset.load_image(0)])[0].paint(0.5)
        memory.append(resident_mib())
        return 1.0

    training, validation = (instance_batches(dataset, config, training=training) for training in (True, False))
    fit(model, training, validation, folder / "run", watch=Watch(score))
    return memory


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory from Linux's /proc")
def test_memory_does_not_grow_over_fifty_epochs(generated_set, tmp_path):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        memory = pool.submit(memory_after_each_epoch, RUN, generated_set / "stage1_train", tmp_path).result()
    assert len(memory) == 50
    assert memory[49] < memory[9] + 15, [round(mib) for mib in memory]  # a third of a MiB an epoch

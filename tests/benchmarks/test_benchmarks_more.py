"""The benchmarks that need a GPU or another package: what can be checked without."""

import importlib.util
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from benchmarks import gpu, serverless
from benchmarks.flops import image_flops, training_flops
from benchmarks.mask_rcnn_sides import Work, make_batch, make_regions
from benchmarks.stardist_rival import Augmenter, Progress, normalised
from common.masks.boxes import box_ious
from common.network.mask_rcnn.model import MaskRCNN
from tests.tiny import TINY

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WORK = Work(precision="bfloat16", batch=8)


@pytest.mark.parametrize(
    "config", [TINY, replace(TINY, backbone="resnet50", norm="frozen_batch")], ids=["small", "r50"]
)
def test_operations_are_those_of_the_layers(config, monkeypatch):
    model, products = MaskRCNN(config), []
    convolve = keras.layers.Conv2D.convolution_op

    def counted(layer, inputs, kernel):
        outputs = convolve(layer, inputs, kernel)
        products.append(math.prod(kernel.shape) * outputs.shape[1] * outputs.shape[2])
        return outputs

    monkeypatch.setattr(keras.layers.Conv2D, "convolution_op", counted)
    for level in model.pyramid(np.zeros((1, 64, 64, 3), np.uint8)):
        model.rpn(level)
    assert image_flops(config, 64, 0, 0) == 2 * sum(products)
    kernels = [weight for weight in model.class_head.weights if weight.name == "kernel"]
    region = sum(math.prod(kernel.shape) for kernel in kernels)  # each is one matrix
    assert image_flops(config, 64, 3, 0) == 2 * (sum(products) + 3 * region)
    before = sum(products)
    model.mask_head(np.zeros((1, config.mask_pool_size, config.mask_pool_size, config.fpn_channels), np.float32))
    doubled = config.mask_pool_size**2 * math.prod(model.mask_head.get_layer("mrcnn_mask_deconv").kernel.shape)
    mask = sum(products) - before + doubled
    assert image_flops(config, 64, 0, 5) == 2 * (before + 5 * mask)
    assert training_flops(config, 64, 3, 5) == 6 * (before + 3 * region + 5 * mask)


def test_both_sides_learn_from_the_same_objects_and_have_enough_regions():
    batch = make_batch(replace(WORK, batch=2), 28)
    assert batch["images"].shape == (2, 512, 512, 3) and batch["mini_masks"].shape == (2, 20, 28, 28)
    for boxes in batch["boxes"]:
        assert (boxes[:, 2:] - boxes[:, :2] > 30).all() and boxes.min() >= 0 and boxes.max() <= 512
        best = box_ious(make_regions(boxes, WORK), boxes).max(axis=1)
        assert (best >= 0.5).sum() >= WORK.positive and (best < 0.5).sum() >= WORK.regions - WORK.positive


def test_a_row_has_rates_share_and_ratio():
    ours = {"training": 0.1, "bare": 0.08, "fed": 0.2, "training operations": 9.89e12}
    row = gpu.format_row("training", WORK, "NVIDIA H200", ours, {"training": 0.16})
    assert row == (
        *("training", "resnet50", "bfloat16", "8", "80.0", "100.0", "40.0"),
        "98.9",
        "10.0%",
        "50.0",
        "1.60",
        "60",
    )
    half = gpu.format_row("training", replace(WORK, precision="float32"), "NVIDIA H200", ours, {"training": 0.16})
    assert half[7:] == ("98.9", "20.0%", "50.0", "1.60", "")
    assert gpu.achieved(1e12, "bfloat16", "NVIDIA H200 NVL") == ["1", f"{1 / 835:.1%}"]
    assert gpu.achieved(1e12, "bfloat16", "another card") == ["1", ""]


def test_what_cannot_be_measured_is_a_row():
    def fail(message):
        raise RuntimeError(message)

    reason = gpu.seconds_or_reason(lambda: fail("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"), 1)
    assert reason == gpu.seconds_or_reason(lambda: fail("CUDA out of memory. Tried to allocate"), 1) == "out of memory"
    with pytest.raises(RuntimeError, match="a bug"):
        gpu.seconds_or_reason(lambda: fail("a bug"), 1)
    assert gpu.seconds_or_reason(lambda: (16, 5), 1, (16, 6)) == "did (16, 5), not (16, 6)"
    theirs = gpu.run_apart(lack_a_package, WORK, 1)
    killed = gpu.run_apart(die, WORK, 1)
    ours = {"detection": reason, "detection operations": 1e12}
    row = ("detection", "resnet50", "bfloat16", "8", "out of memory", "", "", "", "")
    assert gpu.format_row("detection", WORK, "cpu", ours, theirs) == (*row, "no notapackage", "", "120")
    assert gpu.format_row("detection", WORK, "cpu", ours, killed) == (*row, "killed", "", "120")


def lack_a_package(work, repeats):
    import notapackage  # noqa: F401


def die(work, repeats):
    os._exit(9)


def test_the_median_leaves_out_the_first_calls(monkeypatch):
    moments = iter(np.cumsum([0, *[9, 0] * gpu.WARM_UP, 1, 0, 2, 0, 100, 0]).tolist())
    monkeypatch.setattr(gpu, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    assert gpu.seconds_or_reason(lambda: None, 3) == 2


@pytest.mark.parametrize("flags", [["--side", "100"], ["--batches", "0"], ["--repeats", "0"]])
def test_impossible_flags_of_the_gpu_benchmark(flags):
    result = run("gpu.py", *flags)
    assert result.returncode == 2
    assert flags[0] in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_gpu_benchmark_runs_on_any_machine_without_tensorflow(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed")
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('hidden', name='tensorflow')\n")
    result = run("gpu.py", "--tiny", "--repeats", "2", PYTHONPATH=str(tmp_path), CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 0, result.stderr
    rows = [line.strip("| ").split(" | ") for line in result.stdout.splitlines() if "small" in line]
    assert [row[:4] for row in rows] == [[task, "small", "float32", "1"] for task in ("training", "detection")]
    assert all(float(cell) > 0 for cell in [*rows[0][4:7], rows[1][4]])


@pytest.mark.skipif(importlib.util.find_spec("stardist") is not None, reason="stardist is installed")
@pytest.mark.parametrize("script", ["stardist_rival.py", "rival_prediction.py"])
def test_without_stardist_there_is_one_line(script):
    result = run(script, "--dataset", "nowhere")
    assert result.returncode == 2
    assert "pip install stardist==0.9.2" in result.stderr and result.stderr.count("\n") == 1


def test_the_rivals_training_goes_on_where_it_was_saved(tmp_path):
    network = Network()
    progress = Progress(tmp_path, 87, 10)
    progress.restore(network)
    rates = []
    while not network.stop_training:
        progress.begin_step(network)
        rates.append(network.optimizer.learning_rate)
        progress.end_step(network)
        if progress.steps == 6:
            progress.save(network)
    assert rates == [3e-4] * 5 + [1e-4] * 3 + [3e-5] * 2
    assert network.loaded is None
    later = Progress(tmp_path, 87, 10)
    later.restore(network)
    assert (later.steps, later.share, network.loaded) == (6, 0.6, tmp_path / "state.weights.h5")
    assert 0 < later.minutes < progress.minutes
    assert Progress(tmp_path, later.minutes / 2, None).share == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress.json", "state.weights.h5"]


class Network:
    """What `Progress` asks of a Keras model."""

    stop_training, loaded, trainable_variables = False, None, ()

    def __init__(self):
        self.optimizer = SimpleNamespace(learning_rate=0.0, build=lambda variables: None)

    def save_weights(self, path):
        path.write_text("weights")

    def load_weights(self, path):
        self.loaded = path


def test_the_rivals_patches_keep_their_labels():
    labels = np.zeros((8, 8), np.int32)
    labels[1:3, 1:6] = 4
    image = np.repeat(labels[..., None] / 4, 3, axis=2).astype(np.float32)
    augment, seen = Augmenter(1), set()
    for _ in range(60):
        changed, changed_labels = augment(image, labels)
        dark, bright = np.unique(changed)
        inverted = (changed[..., 0] == dark)[changed_labels > 0].all()
        np.testing.assert_array_equal(changed[..., 0] == (dark if inverted else bright), changed_labels > 0)
        assert 0.6 <= bright - dark <= 1.6
        seen.add((inverted, changed_labels.tobytes()))
    assert len({place for _, place in seen}) == 8 and {inverted for inverted, _ in seen} == {True, False}


def test_the_rivals_images_are_normalised():
    image = np.arange(30000, dtype=np.uint32).reshape(100, 100, 3) % 251
    values = normalised(image.astype(np.uint8))
    assert values.dtype == np.float32
    np.testing.assert_allclose(np.percentile(values, (1, 99.8)), (0, 1), atol=1e-6)


def run(script, *flags, **variables):
    command = [sys.executable, str(BENCHMARKS / script), *flags]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_both_sides_of_the_unet_do_equal_work():
    pytest.importorskip("torch")
    command = [sys.executable, str(BENCHMARKS / "unet.py"), "--side", "32", "--repeats", "1", "--precisions", "float32"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split(" | ")[0] for line in done.stdout.splitlines()[2:]] == ["| train", "| predict"]


def test_a_row_of_the_lung_function_has_the_best_of_each_time():
    first = [None, [[9, 9], [0.3, 0.2], [0.5, 0.4], [3, 1]], [2.5, 0.7], 400.4]
    second = [None, [[8, 8], [0.4, 0.3], [0.2, 0.1], [2, 2]], [3.5, 0.6], 410.2]
    cells = serverless.row("ours", [first, second], {"ours": 248_400_000})
    assert cells == ["ours", "2.50 s (600 ms)", "200 ms (100 ms)", "2.00 s (1.00 s)", "410 MiB", "248 MB"]
    assert serverless.row("another", [first, second], {})[-1] == ""


def test_an_installed_package_counts_with_all_that_it_requires():
    alone, whole = serverless.installed_size(("numpy",)), serverless.installed_size(("scipy", "numpy"))
    assert 20e6 < alone < whole and serverless.installed_size(("no-such-package",)) == 0
    assert serverless.installed_size(("scipy",)) == whole

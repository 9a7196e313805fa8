"""Training and detection of Mask R-CNN on a GPU, in JAX: images per second, against torchvision on the same GPU.

    pip install '.[gpu]' torchvision
    python benchmarks/gpu.py
    python benchmarks/gpu.py --backbones resnet50 --precisions bfloat16 --batches 8 16
    python benchmarks/gpu.py --devices 1 2 4
    python benchmarks/gpu.py --tiny

Both sides have equal work, see `benchmarks/mask_rcnn_sides.py`; each runs in its own process. A cell says so if a case
runs out of memory or a side is not installed. Times are medians, after six calls that compile. A training step is
`train_on_batch` of ready arrays, as `common/network/training/fit.py` calls it. "Bare" is the same step with weights and
batch on the device; the difference is the cost of going through Keras. "Fed" gets its batches as a run of preset `gpu`
does, from threads that read, rescale and augment generated images. Detection goes from images to painted masks: in
batches of 1 as in `dsb/my_inference.py`, in larger ones as for the views of an image, and beyond our own limit.

TFLOP/s are `benchmarks/flops.py`'s count over the time; their share is of the card's dense peak, for float32 that of
TF32, half of bfloat16's. `--devices` measures only how a training step of preset `published` gains from more of them.
`--tiny` runs a small network on small images, to check on any machine that everything works.
"""

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import gpu_devices
from benchmarks.mask_rcnn_sides import Ours, Torchvision, Work
from benchmarks.measure import in_own_process, print_table
from common.errors import InputError, run_main
from common.flags import OneLineParser

# Dense bfloat16 peaks by the start of a card's name, TFLOP/s, as its maker states them; longer names first.
PEAKS = {
    "NVIDIA H200 NVL": 835,
    "NVIDIA H200": 989,
    "NVIDIA H100 PCIe": 756,
    "NVIDIA H100 NVL": 835,
    "NVIDIA H100": 989,
    "NVIDIA A100": 312,
}
AIMS = {"training": 60, "detection": 120}  # images per second of ResNet-50 in bfloat16 at 512 px
AIMED_RATIO = 1.5
TINY = Work(backbone="small", side=64, objects=4, proposals=60, detections=20, regions=20)
NUM_FED = 32  # images that the batches are drawn from
WARM_UP = 6  # untimed calls: they compile, and fill the loading queue
COLUMNS = (
    *("task", "backbone", "precision", "batch", "images/s", "bare", "fed"),
    *("TFLOP/s", "of peak", "torchvision", "ratio", "aimed at"),
)

Results = dict[str, float | str]  # of each way to run a step: its seconds, or why there are none, and operations


def main() -> None:
    """Measure every combination, printing its rows as soon as they are known."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--backbones", nargs="+", choices=["resnet50", "resnet101"], default=["resnet50", "resnet101"])
    parser.add_argument("--precisions", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 8, 16], help="images per step")
    parser.add_argument("--side", type=int, default=512, help="side of the images, pixels, a multiple of 64")
    parser.add_argument("--devices", nargs="+", type=int, default=[], help="GPUs that share a training step")
    parser.add_argument("--repeats", type=int, default=20, help="timed calls")
    parser.add_argument("--tiny", action="store_true", help="a small network on a small image")
    flags = parser.parse_args()
    for name, values, unit in (
        ("batches", flags.batches, 1),
        ("side", [flags.side], 64),
        ("repeats", [flags.repeats], 1),
        ("devices", flags.devices, 1),
    ):
        if any(value < 1 or value % unit for value in values):
            raise InputError(f"--{name} {values[0]}: choose {f'a multiple of {unit}' if unit > 1 else 'at least 1'}")
    if find_spec("jax") is None:
        raise InputError("jax is not installed; pip install '.[gpu]', or '.[jax]' for --tiny on a CPU")
    os.environ["KERAS_BACKEND"] = "jax"  # of the processes to be started
    device = in_own_process(name_device)
    if flags.devices:
        print(f"{device}, in JAX\n")
        print_table(
            gpu_devices.COLUMNS, gpu_devices.measure_rows(flags.devices, flags.tiny, flags.repeats, seconds_or_reason)
        )
        return
    combinations = itertools.product(flags.backbones, flags.precisions, flags.batches)
    works = [
        Work(backbone=backbone, precision=precision, batch=batch, side=flags.side)
        for backbone, precision, batch in combinations
    ]
    aims = " and ".join(f"{rate} images/s in {task}" for task, rate in AIMS.items())
    print(f"{device}. Aimed at, of ResNet-50 in bfloat16 at 512 px: {aims}, {AIMED_RATIO} times torchvision.\n")
    print_table(COLUMNS, measure_rows([TINY] if flags.tiny else works, device, flags.repeats))


def measure_rows(works: list[Work], device: str, repeats: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table."""
    for work in works:
        ours, theirs = (run_apart(measure, work, repeats) for measure in (measure_ours, measure_torchvision))
        for task in AIMS:
            yield format_row(task, work, device, ours, theirs)


def run_apart(measure: Callable[[Work, int], Results], work: Work, repeats: int) -> Results:
    """Measure in a fresh process; if it lacks a package or is killed, every result says so."""
    try:
        return in_own_process(measure, work, repeats)
    except ModuleNotFoundError as error:
        reason = f"no {error.name}"
    except BrokenProcessPool:
        reason = "killed"
    return dict.fromkeys((*AIMS, "bare", "fed"), reason) | {f"{task} operations": 0.0 for task in AIMS}


def name_device() -> str:
    """Return what JAX calls the device."""
    import jax

    return jax.devices()[0].device_kind


def measure_ours(work: Work, repeats: int) -> Results:
    """Time our side."""
    import common.network.mask_rcnn.detector
    from benchmarks.flops import image_flops, training_flops
    from common.network.training.fit import LOADING

    common.network.mask_rcnn.detector.BATCH_PIXELS = work.batch * work.side**2
    ours = Ours(work)
    image = image_flops(ours.config, work.side, work.proposals, work.detections)
    example = training_flops(ours.config, work.side, work.regions, work.positive)
    results: Results = {"detection operations": work.batch * image, "training operations": work.batch * example}
    results |= time_tasks(ours, work, repeats)
    if isinstance(results["training"], str):
        return results | dict.fromkeys(("bare", "fed"), results["training"])
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(LOADING) as threads:
        results["fed"] = seconds_or_reason(feed(ours, Path(folder), threads), repeats)
    return results | {"bare": seconds_or_reason(bare_step(ours), repeats)}


def measure_torchvision(work: Work, repeats: int) -> Results:
    """Time the other side."""
    import torch

    return time_tasks(Torchvision(work, "cuda" if torch.cuda.is_available() else "cpu"), work, repeats)


def time_tasks(side: Ours | Torchvision, work: Work, repeats: int) -> Results:
    """Time a side's tasks."""
    return {
        "detection": seconds_or_reason(side.detect, repeats, work.batch * work.detections),
        "training": seconds_or_reason(side.train, repeats, (work.batch * work.regions, work.batch * work.positive)),
    }


def seconds_or_reason(step: Callable[[], Any], repeats: int, work: Any = None) -> float | str:
    """Return the median of a step's seconds, or why there is none: too little memory, or a result other than `work`."""
    seconds = []
    try:
        for _ in range(WARM_UP + repeats):
            start = time.perf_counter()
            done = step()
            seconds.append(time.perf_counter() - start)
    except Exception as error:
        if not any(sign in str(error) for sign in ("RESOURCE_EXHAUSTED", "out of memory")):
            raise
        return "out of memory"
    if done != work:
        return f"did {done}, not {work}"
    return median(seconds[WARM_UP:])


def bare_step(ours: Ours) -> Callable[[], None]:
    """Return the compiled training step, with state and batch kept on the device."""
    import jax

    model = ours.model
    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    state = tuple([jax.numpy.copy(v.value) for v in group] for group in (*groups, model.metrics_variables))
    data = (jax.device_put(ours.batch), None, None)

    def step() -> None:
        nonlocal state
        _, state = model.train_function(state, iter([data]))
        jax.block_until_ready(state)

    return step


def feed(ours: Ours, folder: Path, threads: ThreadPoolExecutor) -> Callable[[], None]:
    """Return the training step with batches that threads make of generated images, as a run of preset `gpu` does."""
    from common.batches.instance_samples import instance_batches
    from common.images.synthetic import write_dataset
    from common.network.training.fit import LOADING
    from common.parallel import map_in_order
    from dsb.config import GPU
    from dsb.dataset import load_dataset

    side = ours.config.crop_size
    write_dataset(folder / "set", NUM_FED, seed=1, sizes=[(side, side)])
    images = load_dataset(folder / "set", cache=folder / "cache")
    sizes = ("crop_size", "min_dim", "batch_size", "max_instances", "mini_mask_size")
    config = replace(GPU, **{name: getattr(ours.config, name) for name in sizes})
    loader = instance_batches(images, config, training=True)
    jobs = ((f"step {number}", (number,)) for number in itertools.count())
    batches = map_in_order(loader.batch_at, jobs, threads, ahead=LOADING + 3)

    def step() -> None:
        ours.model.train_on_batch(next(batches)[1])

    return step


def format_row(task: str, work: Work, device: str, ours: Results, theirs: Results) -> tuple[str, ...]:
    """Return a row of the table."""
    aimed = (work.backbone, work.precision, work.side) == ("resnet50", "bfloat16", 512)
    ways = [as_rate(work, ours[way]) if task == "training" else "" for way in ("bare", "fed")]
    mine, other, operations = ours[task], theirs[task], ours[f"{task} operations"]
    speed = [""] * 2 if isinstance(mine, str) else achieved(float(operations) / mine, work.precision, device)
    ratio = "" if isinstance(mine, str) or isinstance(other, str) else f"{other / mine:.2f}"
    return (
        *(task, work.backbone, work.precision, str(work.batch)),
        *(as_rate(work, mine), *ways, *speed),
        *(as_rate(work, other), ratio, str(AIMS[task]) if aimed else ""),
    )


def as_rate(work: Work, seconds: float | str) -> str:
    """Return images per second, or why there are none."""
    return seconds if isinstance(seconds, str) else f"{work.batch / seconds:.1f}"


def achieved(flops: float, precision: str, device: str) -> list[str]:
    """Return TFLOP/s, and their share of the card's peak if known."""
    peak = next((peak for name, peak in PEAKS.items() if device.startswith(name)), None)
    teraflops = flops / 1e12
    share = f"{teraflops / (peak if precision == 'bfloat16' else peak / 2):.1%}" if peak else ""
    return [f"{teraflops:.3g}", share]


if __name__ == "__main__":
    run_main(main)

"""A training step on several devices, against the same on one: `benchmarks/gpu.py --devices` runs it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.mask_rcnn_sides import Work, make_batch
from benchmarks.measure import in_own_process
from common.settings.mask_rcnn import MaskRCNNConfig
from dsb.config import DEMO, PUBLISHED

COLUMNS = ("preset", "devices", "batch", "images/s", "a device", "of the first row's")
OBJECTS = 20  # of an image

Timer = Callable[[Callable[[], object], int], float | str]  # the median of a step's seconds, or why there is none


def measure_rows(counts: list[int], tiny: bool, repeats: int, timer: Timer) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table: preset `published` with its two images for each device, or a small one with one."""
    name, config = ("demo", replace(DEMO, batch_size=1)) if tiny else ("published", PUBLISHED)
    first = 0.0
    for count in counts:
        scaled = replace(config, devices=count, batch_size=count * config.batch_size)
        seconds = in_own_process(time_step, scaled, repeats, timer)
        row = (name, str(count), str(scaled.batch_size))
        if isinstance(seconds, str):
            yield (*row, seconds, "", "")
            continue
        rate = config.batch_size / seconds
        first = first or rate
        yield (*row, f"{count * rate:.1f}", f"{rate:.1f}", f"{rate / first:.0%}")


def time_step(config: MaskRCNNConfig, repeats: int, timer: Timer) -> float | str:
    """Return the seconds of a step as the training loop does it, with a batch of noise."""
    import keras

    from common.network.devices import find_devices
    from common.network.network import build_network
    from common.network.training.optimizer import build_optimizer

    devices, model = find_devices(config.devices), build_network(config)
    with devices.scope():
        model.compile(build_optimizer(config), jit_compile=keras.backend.backend() != "tensorflow")
    work = Work(batch=config.batch_size, side=config.crop_size, objects=OBJECTS)
    batch = make_batch(work, config.mini_mask_size)

    def step() -> None:
        with devices.scope():
            model.train_on_batch(devices.split(batch))

    return timer(step, repeats)

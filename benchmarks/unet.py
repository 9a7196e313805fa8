"""A training step and a prediction of the published U-Net at 512x512, against the same network in plain PyTorch.

    pip install torch==2.13.0
    python benchmarks/unet.py

Both sides have the same 31 million parameters, batch norm, losses and Adam; PyTorch's tensors are channels-last. Each
runs in its own process, and the two alternate, in float32 and in bfloat16.
"""

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from benchmarks.measure import print_table, race, readable
from lung.config import PUBLISHED

SIDE: list[Any] = []  # of this process


def main() -> None:
    """Race both sides at both tasks and precisions, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--repeats", type=int, default=3, help="turns of each side")
    add("--side", type=int, default=512, help="of the images, pixels")
    add("--batch", type=int, default=1, help="images per step")
    add("--precisions", default="float32,bfloat16")
    flags = parser.parse_args()
    rows = []
    for precision in flags.precisions.split(","):
        work = precision, flags.side, flags.batch
        with _pool("torch", *work) as theirs, _pool("ours", *work) as ours:
            pools = {"torch": theirs, "ours": ours}
            for task in ("train", "predict"):
                done = [_run(pool, task) for pool in pools.values()]
                assert done[0] == done[1], f"{task}: unequal work {done}"
                seconds = race({name: partial(_run, pool, task) for name, pool in pools.items()}, repeats=flags.repeats)
                ratio = seconds["torch"] / seconds["ours"]
                rows.append((task, precision, *map(readable, seconds.values()), f"{ratio:.2f}"))
    print_table(("task", "precision", "PyTorch", "ours", "ratio"), rows)


class Ours:
    """Our network, as training and prediction use it."""

    def __init__(self, precision: str, side: int, batch: int) -> None:
        import keras

        from common.network.training.optimizer import build_optimizer
        from common.network.unet.model import UNet
        from common.network.unet.segmenter import Segmenter

        config = replace(PUBLISHED, image_size=side, bfloat16=precision == "bfloat16")
        self._batch = make_batch(side, batch)
        self._model = UNet(config)
        self._model.compile(build_optimizer(config), jit_compile=keras.backend.backend() != "tensorflow")
        self._segment = Segmenter(self._model)
        self._size = sum(int(np.prod(weight.shape)) for weight in self._model.trainable_weights)

    def train(self) -> int:
        """Take a training step; return how many parameters it trained."""
        self._model.train_on_batch(self._batch)
        return self._size

    def predict(self) -> int:
        """Return how many pixels got a probability."""
        return sum(one.size for one in self._segment(self._batch["images"]))


class Torch:
    """The same network in PyTorch.

    Raises:
        ImportError: PyTorch is missing.
    """

    def __init__(self, precision: str, side: int, batch: int) -> None:
        import torch

        self._torch = torch
        self._autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
        self._model = build_torch(PUBLISHED.channels).to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(self._model.parameters(), 1e-4)
        arrays = make_batch(side, batch)
        self._images, self._masks = (
            torch.from_numpy(arrays[name].astype(np.float32).transpose(0, 3, 1, 2) / scale).contiguous(
                memory_format=torch.channels_last
            )
            for name, scale in (("images", 255), ("masks", 1))
        )

    def train(self) -> int:
        """Take a training step; return how many parameters it trained."""
        torch = self._torch
        self._model.train()
        with self._autocast:
            logits = self._model(self._images)
        logits = logits.float()
        probs, axes = torch.sigmoid(logits), (1, 2, 3)
        shared, both = (probs * self._masks).sum(axes), probs.sum(axes) + self._masks.sum(axes)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, self._masks)
        loss = loss + (1 - (2 * shared + 1) / (both + 1)).mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return sum(one.numel() for one in self._model.parameters())

    def predict(self) -> int:
        """Return how many pixels got a probability."""
        self._model.eval()
        with self._torch.inference_mode(), self._autocast:
            return self._torch.sigmoid(self._model(self._images)).float().numpy().size


def build_torch(channels: tuple[int, ...]) -> Any:
    """Return PyTorch's network, as in the published code."""
    import torch
    from torch import nn

    def double_conv(inputs: int, outputs: int) -> Any:
        parts = []
        for width in (inputs, outputs):
            conv = nn.Conv2d(width, outputs, 3, padding=1, bias=False)
            parts += [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        return nn.Sequential(*parts)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = (3, *channels, 2 * channels[-1])
            self.downs = nn.ModuleList(map(double_conv, widths[:-2], channels))
            self.bottleneck = double_conv(channels[-1], widths[-1])
            self.transposed = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in channels[::-1])
            self.ups = nn.ModuleList(double_conv(2 * width, width) for width in channels[::-1])
            self.final = nn.Conv2d(channels[0], 1, 1)

        def forward(self, x: Any) -> Any:
            skips = []
            for down in self.downs:
                x = down(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.bottleneck(x)
            for transposed, up in zip(self.transposed, self.ups, strict=True):
                x = up(torch.cat([skips.pop(), transposed(x)], dim=1))
            return self.final(x)

    return Network()


def make_batch(side: int, batch: int) -> dict[str, np.ndarray]:
    """Return a training batch of noise: the inputs of `UNet.call`."""
    rng = np.random.default_rng(7)
    return {
        "images": rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8),
        "masks": rng.integers(0, 2, (batch, side, side, 1), dtype=np.uint8),
    }


def set_up(side: str, *work: Any) -> None:
    """Build the model of this process."""
    try:
        SIDE.append((Ours if side == "ours" else Torch)(*work))
    except ImportError as error:
        raise SystemExit(f"{error}: pip install torch==2.13.0") from None


def run_task(task: str) -> Any:
    """Run a task in this process and return how much it did."""
    return getattr(SIDE[0], task)()


def _run(pool: ProcessPoolExecutor, task: str) -> Any:
    return pool.submit(run_task, task).result()


def _pool(*work: Any) -> ProcessPoolExecutor:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=set_up, initargs=work)


if __name__ == "__main__":
    main()

"""Detection and a training step of Mask R-CNN, ResNet-50 with a pyramid, at 512x512, against torchvision's.

    pip install torchvision==0.29.2
    python benchmarks/mask_rcnn.py

Both sides have the same trunk with frozen batch norm, 1,000 proposals and 100 detections, their masks painted; in
training 20 objects, 200 regions of which 66 are positive and get masks, and a step of gradient descent with momentum.
Weights are random; proposals and regions are set so that their numbers are equal. Each side lives in a process of its
own and the two take turns, in float32 and in bfloat16. The other side's tensors are in channels-last order.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table, race, readable

SIDE, NUM_OBJECTS = 512, 20
NUM_PROPOSALS, NUM_DETECTIONS = 1000, 100
NUM_REGIONS, NUM_POSITIVE = 200, 66
TASKS: dict[str, Callable[[], Any]] = {}  # of this process


def main() -> None:
    """Race both sides at both tasks and precisions, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side")
    repeats = parser.parse_args().repeats
    rows = []
    for precision in ("float32", "bfloat16"):
        with _pool(set_up_ours, precision) as ours, _pool(set_up_torchvision, precision) as theirs:
            pools = {"torchvision": theirs, "ours": ours}
            for task in ("detect", "train"):
                done = [_run(pool, task) for pool in pools.values()]
                assert done[0] == done[1], f"{task}: unequal work {done}"
                seconds = race({name: partial(_run, pool, task) for name, pool in pools.items()}, repeats=repeats)
                ratio = seconds["torchvision"] / seconds["ours"]
                rows.append((task, precision, *map(readable, seconds.values()), f"{ratio:.2f}"))
    print_table(("task", "precision", "torchvision", "ours", "ratio"), rows)


def set_up_ours(precision: str) -> None:
    """Build the product's model and its tasks."""
    from common.config import Config
    from common.detect import Detector
    from common.models.mask_rcnn import MaskRCNN
    from common.optimize import build_optimizer
    from common.weights import weighted_layers

    config = Config(
        trunk="resnet50",
        rpn_channels=256,
        bfloat16=precision == "bfloat16",
        pixel_std=58.0,
        rpn_nms_threshold=1.0,
        detection_nms_threshold=1.0,
        confidence=0.0,
        detect_proposals=NUM_PROPOSALS,
        max_detections=NUM_DETECTIONS,
        train_proposals=NUM_PROPOSALS,
        train_rois=NUM_REGIONS,
        positive_ratio=NUM_POSITIVE / NUM_REGIONS,
        max_instances=NUM_OBJECTS,
        weight_decay=0,
    )
    model = MaskRCNN(config)
    image, boxes = make_picture()
    detector = Detector(model)
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([-2.0, 2.0])  # no region is background
    for layer in weighted_layers(model):
        if layer.name.startswith("bn") and layer.name.endswith("branch2c"):
            layer.gamma.assign(0.0 * layer.gamma)  # random residuals would grow from block to block

    def detect() -> int:
        return len(detector([image])[0].paint(0.5))

    batch = {
        "images": image[None],
        "boxes": boxes[None],
        "class_ids": np.ones((1, NUM_OBJECTS), np.int32),
        "mini_masks": np.ones((1, NUM_OBJECTS, config.mini_mask_size, config.mini_mask_size), np.uint8),
    }
    model.compile(optimizer=build_optimizer(config), jit_compile=False)

    def train() -> tuple[int, int]:
        model.train_on_batch(batch)
        return NUM_REGIONS, NUM_POSITIVE

    TASKS.update(detect=detect, train=train)


def set_up_torchvision(precision: str) -> None:
    """Build torchvision's model and its tasks."""
    try:
        import torch
        from torchvision.models.detection import maskrcnn_resnet50_fpn
    except ImportError as error:
        raise SystemExit(f"{error}: pip install torchvision==0.29.2") from None

    torch.manual_seed(0)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=2,
        min_size=SIDE,
        max_size=SIDE,
        trainable_backbone_layers=5,
        rpn_pre_nms_top_n_test=2000,
        rpn_post_nms_top_n_test=NUM_PROPOSALS,
        rpn_nms_thresh=1.0,
        box_score_thresh=0.0,
        box_nms_thresh=1.0,
        box_detections_per_img=NUM_DETECTIONS,
        box_batch_size_per_image=NUM_REGIONS,
        box_positive_fraction=NUM_POSITIVE / NUM_REGIONS,
    ).to(memory_format=torch.channels_last)
    image, boxes = make_picture()
    picture = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1) / 255)

    def detect() -> int:
        model.eval()
        with torch.inference_mode(), autocast:
            masks = model([picture])[0]["masks"]
        return len(masks > 0.5)

    xyxy = torch.from_numpy(boxes[:, [1, 0, 3, 2]].copy())
    target = {
        "boxes": xyxy,
        "labels": torch.ones(NUM_OBJECTS, dtype=torch.int64),
        "masks": torch.ones((NUM_OBJECTS, SIDE, SIDE), dtype=torch.uint8),
    }
    regions = torch.from_numpy(make_regions(boxes)[:, [1, 0, 3, 2]].copy())
    model.rpn.register_forward_hook(lambda _, __, out: ([regions], out[1]) if model.training else out)
    seen: dict[str, int] = {}
    for name in ("box_head", "mask_head"):
        head = getattr(model.roi_heads, name)
        head.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: len(inputs[0])}))
    optimizer = torch.optim.SGD(model.parameters(), 1e-5, momentum=0.9)

    def train() -> tuple[int, int]:
        model.train()
        with autocast:
            losses = model([picture], [target])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return seen["box_head"], seen["mask_head"]

    TASKS.update(detect=detect, train=train)


def make_picture() -> tuple[np.ndarray, np.ndarray]:
    """Return a picture (512, 512, 3) uint8 of noise and boxes (20, 4) float32 in it."""
    rng = np.random.default_rng(7)
    corners = rng.uniform(0, SIDE - 120, (NUM_OBJECTS, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(30, 110, (NUM_OBJECTS, 2))], axis=1).astype(np.float32)
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), boxes


def make_regions(boxes: np.ndarray) -> np.ndarray:
    """Return more regions than are sampled, (400, 4) float32: enough near boxes, enough away from them."""
    rng = np.random.default_rng(8)
    near = np.repeat(boxes, 10, axis=0)
    near = near + rng.uniform(-3, 3, near.shape).astype(np.float32)
    corners = rng.uniform(0, SIDE - 20, (200, 2)).astype(np.float32)
    return np.concatenate([near, np.concatenate([corners, corners + 12], axis=1)]).clip(0, SIDE)


def run_task(task: str) -> Any:
    """Run a task of this process and return how much it did."""
    return TASKS[task]()


def _run(pool: ProcessPoolExecutor, task: str) -> Any:
    return pool.submit(run_task, task).result()


def _pool(set_up: Callable[[str], None], precision: str) -> ProcessPoolExecutor:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=set_up, initargs=(precision,))


if __name__ == "__main__":
    main()

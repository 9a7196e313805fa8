"""The two sides of a race at Mask R-CNN, ours and torchvision's, with equal work.

Both have the same backbone with frozen batch norm and a pyramid, equal numbers of proposals and of detections, whose
masks are painted; in training, equal numbers of objects and regions, 33% of them positive and with masks, and a step of
SGD with momentum. Weights are random; proposals and regions are set so that their numbers are equal. The other side's
tensors are channels-last, and already on the device.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from common.settings.mask_rcnn import MaskRCNNConfig

PIXEL_STD = 58.0
BACKBONES = {"resnet50": "resnet50", "resnet101": "resnet101", "small": "resnet18"}  # ours: torchvision's


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work of both sides: the network, its precision, and the numbers of a step; counts are per image."""

    backbone: Literal["resnet50", "resnet101", "small"] = "resnet50"
    precision: str = "float32"
    batch: int = 1
    side: int = 512
    objects: int = 20
    proposals: int = 1000
    detections: int = 100
    regions: int = 200

    @property
    def positive(self) -> int:
        """Regions of a training image that get masks."""
        return int(0.33 * self.regions)


class Ours:
    """Our model, on Keras' current backend.

    Attributes:
        config: of the model.
        model: compiled as `common.network.training.fit` does.
        batch: a training batch.
    """

    def __init__(self, work: Work) -> None:
        import keras

        from common.network.mask_rcnn.detector import Detector
        from common.network.mask_rcnn.model import MaskRCNN
        from common.network.training.optimizer import build_optimizer

        self._work, self.config = work, build_config(work)
        self.batch, self.model = make_batch(work, self.config.mini_mask_size), MaskRCNN(self.config)
        _tame(self.model)
        self.model.compile(build_optimizer(self.config), jit_compile=keras.backend.backend() != "tensorflow")
        self._applied = Detector(self.model)

    def detect(self) -> int:
        """Detect objects in a batch of images, paint them and return their number."""
        return sum(len(found.paint(0.5)) for found in self._applied(self.batch["images"]))

    def train(self) -> tuple[int, int]:
        """Take a training step; return how many regions and positive ones it trained on."""
        self.model.train_on_batch(self.batch)
        return self._work.batch * self._work.regions, self._work.batch * self._work.positive


class Torchvision:
    """torchvision's model.

    Args:
        work: to do.
        device: "cpu" or "cuda".

    Raises:
        ImportError: torchvision is missing.
    """

    def __init__(self, work: Work, device: str) -> None:
        import torch

        torch.manual_seed(0)
        torch.set_float32_matmul_precision("high")  # as JAX on a GPU: matrix units, for convolutions and products alike
        torch.backends.cudnn.benchmark = True
        self._torch = torch
        self._autocast = torch.autocast(device, torch.bfloat16, enabled=work.precision == "bfloat16")
        self._model = _build_torchvision(work).to(device, memory_format=torch.channels_last)
        self._optimizer = torch.optim.SGD(self._model.parameters(), 1e-5, momentum=0.9)
        batch = make_batch(work)
        images = torch.from_numpy(batch["images"].astype(np.float32).transpose(0, 3, 1, 2) / 255)
        self._images = list(images.to(device))
        boxes = [torch.from_numpy(boxes[:, [1, 0, 3, 2]].copy()).to(device) for boxes in batch["boxes"]]
        ids = torch.ones(work.objects, dtype=torch.int64, device=device)
        masks = torch.ones((work.objects, work.side, work.side), dtype=torch.uint8, device=device)
        self._targets = [{"boxes": part, "labels": ids, "masks": masks} for part in boxes]
        regions = [make_regions(boxes, work)[:, [1, 0, 3, 2]].copy() for boxes in batch["boxes"]]
        self._seen = _set_regions(self._model, [torch.from_numpy(part).to(device) for part in regions])

    def detect(self) -> int:
        """Detect objects in a batch of images, paint them and return their number."""
        self._model.eval()
        with self._torch.inference_mode(), self._autocast:
            masks = [found["masks"] > 0.5 for found in self._model(self._images)]
        self._wait()
        return sum(map(len, masks))

    def train(self) -> tuple[int, int]:
        """Take a training step; return how many regions and positive ones it trained on."""
        self._model.train()
        with self._autocast:
            losses = self._model(self._images, self._targets)
        self._optimizer.zero_grad()
        sum(losses.values()).backward()
        self._torch.nn.utils.clip_grad_norm_(self._model.parameters(), 5.0)
        self._optimizer.step()
        self._wait()
        return self._seen["box_head"], self._seen["mask_head"]

    def _wait(self) -> None:
        if self._torch.cuda.is_available():
            self._torch.cuda.synchronize()


def build_config(work: Work) -> MaskRCNNConfig:
    """Return the config of our side."""
    return MaskRCNNConfig(
        backbone=work.backbone,
        rpn_channels=256,
        bfloat16=work.precision == "bfloat16",
        pixel_std=PIXEL_STD,
        min_dim=work.side,
        crop_size=work.side,
        rpn_nms_threshold=1.0,
        detection_nms_threshold=1.0,
        confidence=0.0,
        detect_proposals=work.proposals,
        max_detections=work.detections,
        train_proposals=work.proposals,
        train_rois=work.regions,
        positive_ratio=work.positive / work.regions,
        max_instances=work.objects,
        batch_size=work.batch,
        weight_decay=0,
    )


def make_batch(work: Work, mini_mask_size: int = 1) -> dict[str, np.ndarray]:
    """Return a training batch of noise: the inputs of `MaskRCNN.call`."""
    rng = np.random.default_rng(7)
    largest = 0.22 * work.side
    corners = rng.uniform(0, work.side - largest, (work.batch, work.objects, 2))
    sides = rng.uniform(0.06 * work.side, largest, (work.batch, work.objects, 2))
    return {
        "images": rng.integers(0, 256, (work.batch, work.side, work.side, 3), dtype=np.uint8),
        "boxes": np.concatenate([corners, corners + sides], axis=2).astype(np.float32),
        "class_ids": np.ones((work.batch, work.objects), np.int32),
        "mini_masks": np.ones((work.batch, work.objects, mini_mask_size, mini_mask_size), np.uint8),
        "ignored": np.zeros((work.batch, work.side, work.side), np.uint8),
    }


def make_regions(boxes: np.ndarray, work: Work) -> np.ndarray:
    """Return more regions per image than are sampled, (2 R, 4) float32: half near its boxes (N, 4), half small."""
    rng = np.random.default_rng(8)
    near = np.repeat(boxes, -(-work.regions // len(boxes)), axis=0)
    near = near + rng.uniform(-0.006, 0.006, near.shape).astype(np.float32) * work.side
    corners = rng.uniform(0, 0.96 * work.side, (work.regions, 2)).astype(np.float32)
    return np.concatenate([near, np.concatenate([corners, corners + 0.023 * work.side], axis=1)]).clip(0, work.side)


def _tame(model: Any) -> None:
    """Set our random weights so that no region is background and residuals do not grow from block to block."""
    from common.network.weights import weighted_layers

    model.class_head.get_layer("mrcnn_class_logits").bias.assign([-2.0, 2.0])
    for layer in weighted_layers(model):
        if layer.name.startswith("bn") and layer.name.endswith("branch2c"):
            layer.gamma.assign(0.0 * layer.gamma)


def _build_torchvision(work: Work) -> Any:
    """Return torchvision's model with random weights whose residuals do not grow, either."""
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    backbone = resnet_fpn_backbone(backbone_name=BACKBONES[work.backbone], weights=None, trainable_layers=5)
    for name, values in backbone.named_buffers():
        if name.endswith("bn3.weight"):
            values.zero_()
    return MaskRCNN(
        backbone,
        num_classes=2,
        min_size=work.side,
        max_size=work.side,
        rpn_pre_nms_top_n_test=2 * work.proposals,
        rpn_post_nms_top_n_test=work.proposals,
        rpn_nms_thresh=1.0,
        box_score_thresh=0.0,
        box_nms_thresh=1.0,
        box_detections_per_img=work.detections,
        box_batch_size_per_image=work.regions,
        box_positive_fraction=work.positive / work.regions,
    )


def _set_regions(model: Any, regions: list[Any]) -> dict[str, int]:
    """Make torchvision's heads train on these regions; return where they record how many they saw."""
    model.rpn.register_forward_hook(lambda _, __, out: (regions, out[1]) if model.training else out)
    seen: dict[str, int] = {}
    for name in ("box_head", "mask_head"):
        head = getattr(model.roi_heads, name)
        head.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: len(inputs[0])}))
    return seen

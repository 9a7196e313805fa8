"""Operations of Mask R-CNN, counted from its shapes: those of its convolutions and matrix products."""

from common.network.resnet import BLOCKS, SMALL_CHANNELS
from common.settings.mask_rcnn import MaskRCNNConfig

BACKWARD = 2  # a layer's gradients by its input and by its weights cost as much as the layer, each


def image_flops(config: MaskRCNNConfig, side: int, num_regions: int, num_masks: int) -> int:
    """Return the floating-point operations of one image from pixels to heads, two per multiplication.

    Args:
        config: of the model.
        side: of the image, pixels.
        num_regions: regions that the class and box head gets.
        num_masks: regions that the mask head gets.
    """
    head, masks = _class_head_products(config), _mask_head_products(config)
    return 2 * (_pyramid_products(config, side) + num_regions * head + num_masks * masks)


def training_flops(config: MaskRCNNConfig, side: int, num_regions: int, num_masks: int) -> int:
    """Return the operations of one image of a training step in which every layer trains; see `image_flops`."""
    return (1 + BACKWARD) * image_flops(config, side, num_regions, num_masks)


def _pyramid_products(config: MaskRCNNConfig, side: int) -> int:
    """Return the multiplications of backbone, pyramid and proposal head."""
    cells = [(side // 2**level) ** 2 for level in range(7)]
    width, hidden, count = config.fpn_channels, config.rpn_channels, len(config.anchor_ratios)
    levels = _backbone_channels(config)
    products = _backbone_products(config, cells)
    products += sum(cells[level] * (channels + 9 * width) * width for level, channels in enumerate(levels, start=2))
    return products + sum(cells[2:7]) * (9 * width + 6 * count) * hidden  # two logits and four deltas per anchor


def _backbone_channels(config: MaskRCNNConfig) -> list[int]:
    """Return the channels of C2 to C5."""
    return list(SMALL_CHANNELS) if config.backbone == "small" else [256, 512, 1024, 2048]


def _backbone_products(config: MaskRCNNConfig, cells: list[int]) -> int:
    small = config.backbone == "small"
    before = 32 if small else 64
    products = 49 * 3 * before * cells[1]
    for level, (num_blocks, after) in enumerate(
        zip(BLOCKS[config.backbone], _backbone_channels(config), strict=True), 2
    ):
        for block in range(num_blocks):
            shortcut = block == 0 and (before != after or level > 2)
            inner = after if small else after // 4
            layers = (9 * before + 9 * after) * after if small else (before + 9 * inner + after) * inner
            products += cells[level] * (layers + shortcut * before * after)
            before = after
    return products


def _class_head_products(config: MaskRCNNConfig) -> int:
    """Return the multiplications of one region."""
    hidden = config.head_channels
    return (config.pool_size**2 * config.fpn_channels + hidden + 5 * config.num_classes) * hidden


def _mask_head_products(config: MaskRCNNConfig) -> int:
    """Return the multiplications of one mask, whose upsampling turns one cell into four."""
    hidden, cells = config.mask_channels, config.mask_pool_size**2
    convolutions = 9 * (config.fpn_channels + (config.mask_convs - 1) * hidden)
    return cells * (convolutions + 4 * hidden + 4 * config.num_classes) * hidden

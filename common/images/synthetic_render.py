"""Rendering of synthetic nuclei as four microscopes show them."""

from collections.abc import Sequence

import cv2
import numpy as np

from common.images.synthetic_layout import Layout, draw_outline, fill_outline


def _smooth_noise(rng: np.random.Generator, image_shape: tuple[int, int], scale: float) -> np.ndarray:
    """Return noise of about unit variance whose grains are `scale` pixels wide, (H, W) float32."""
    height, width = (int(side / scale) + 3 for side in image_shape)
    grains = rng.standard_normal((height, width), dtype=np.float32)
    size = (round(width * scale) + 1, round(height * scale) + 1)
    return 1.3 * cv2.resize(grains, size, interpolation=cv2.INTER_CUBIC)[: image_shape[0], : image_shape[1]]


def _fibres(rng: np.random.Generator, image_shape: tuple[int, int]) -> np.ndarray:
    """Return a texture of wavy tissue fibres, (H, W) float32, about unit variance."""
    bend = 6 * _smooth_noise(rng, image_shape, 60)
    rows, columns = np.indices(image_shape, dtype=np.float32)
    sine, cosine = np.float32(np.sin(angle := rng.uniform(0, np.pi))), np.float32(np.cos(angle))
    along, across = (rows * sine + columns * cosine + bend), (rows * cosine - columns * sine + bend)
    grains = rng.standard_normal((256, 256), dtype=np.float32)
    long, short = np.float32(rng.uniform(15, 30)), np.float32(rng.uniform(2.5, 5))
    return 1.5 * cv2.remap(grains, across / short, along / long, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _bodies(rng: np.random.Generator, layout: Layout, spread: float, chromatin: float, rim: float) -> np.ndarray:
    """Return the amount of stain in the nuclei, (H, W) float32, about 1 inside and 0 outside.

    Args:
        rng: the source of randomness.
        layout: of the nuclei.
        spread: variation between nuclei, standard deviation of the logarithm.
        chromatin: strength of the inner texture.
        rim: from -1, thinner towards the edge like a ball, to 1, a pronounced edge.
    """
    labels = layout.labels
    amounts = np.exp(rng.normal(0, spread, len(layout.nuclei) + 1)).astype(np.float32)
    amounts[0] = 0
    radius = float(np.median(layout.nuclei[:, 3])) if len(layout.nuclei) else 1.0
    inner = (labels > 0) & (labels == np.roll(labels, 1, axis=0)) & (labels == np.roll(labels, 1, axis=1))
    depth = np.minimum(cv2.distanceTransform(inner.astype(np.uint8), cv2.DIST_L2, 3) / (0.8 * radius), 1)
    grain = _smooth_noise(rng, labels.shape, max(2.0, radius / 3)) + _smooth_noise(rng, labels.shape, 1.7)
    texture = np.maximum(1 + chromatin * grain, 0.2)
    shading = 1 - rim * (depth - 0.5)
    gaps = np.where(inner, 1, 0.8)  # seams between touching nuclei
    return (amounts[labels] * texture * shading * gaps).astype(np.float32)


def _to_pixels(rng: np.random.Generator, values: np.ndarray, noise: float) -> np.ndarray:
    """Add sensor noise of a standard deviation (0-255) to (H, W) or (H, W, 3) and return (H, W, 3) uint8."""
    noisy = values + noise * rng.standard_normal(values.shape, dtype=np.float32)
    pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def render_fluorescence(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Draw glowing nuclei on a dark field."""
    shape = layout.labels.shape
    light = np.exp(rng.uniform(np.log(22), np.log(130)))
    glow = _bodies(rng, layout, rng.uniform(0.15, 0.4), rng.uniform(0.03, 0.22), rng.uniform(-0.9, 0.2))
    sharp = cv2.GaussianBlur(glow + rng.uniform(0.1, 0.3) * layout.ghosts, (0, 0), rng.uniform(0.6, 1.5))
    haze = cv2.GaussianBlur(cv2.resize(glow, (shape[1] // 4, shape[0] // 4)), (0, 0), rng.uniform(2, 6))
    halo = rng.uniform(0.02, 0.25) * cv2.resize(haze, shape[::-1])
    uneven = 1 + 0.12 * _smooth_noise(rng, shape, max(shape) / 2)
    values = uneven * (rng.uniform(1, 14) + light * (sharp + halo))
    return _to_pixels(rng, values, rng.uniform(0.4, 1.0) + 0.012 * light)


def _stain(light: np.ndarray, layers: Sequence[tuple[np.ndarray, Sequence[float]]]) -> np.ndarray:
    """Return light, (3,) or (H, W, 3), after absorption by layers of (amount (H, W), absorbance of R, G, B)."""
    absorbed = sum(amount[:, :, None] * np.array(absorbance, dtype=np.float32) for amount, absorbance in layers)
    return light * np.exp(-absorbed)


def render_purple_tissue(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Draw purple nuclei in stained tissue."""
    shape = layout.labels.shape
    body = _bodies(rng, layout, 0.4, rng.uniform(0.08, 0.22), rng.uniform(-0.4, 0.3)) + 0.45 * layout.ghosts
    nuclei = cv2.GaussianBlur(body, (0, 0), rng.uniform(0.7, 1.3))
    tissue = 0.012 * _fibres(rng, shape) + 0.01 * _smooth_noise(rng, shape, 5) + 0.025 * _smooth_noise(rng, shape, 70)
    light = np.array([178, 159, 208], dtype=np.float32) + rng.normal(0, 2.5, 3).astype(np.float32)
    stained = _stain(light, [(nuclei, (0.52, 1.1, 0.08)), (tissue, (0.9, 1.1, 0.35))])
    return _to_pixels(rng, cv2.GaussianBlur(stained, (0, 0), 0.7), rng.uniform(0.5, 1.5))


def render_stain_on_white(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Draw purple nuclei in pink cell bodies on white."""
    shape = layout.labels.shape
    body = _bodies(rng, layout, 0.35, rng.uniform(0.15, 0.35), rng.uniform(0, 0.5)) + 0.3 * layout.ghosts
    nuclei = cv2.GaussianBlur(body, (0, 0), rng.uniform(0.7, 1.2))
    spread = cv2.GaussianBlur((layout.labels > 0).astype(np.float32), (0, 0), 6)
    pink = spread * np.maximum(_smooth_noise(rng, shape, 14) + 0.6, 0) + 0.02 * _smooth_noise(rng, shape, 6)
    light = np.array([217, 216, 212], dtype=np.float32) + rng.normal(0, 2.5, 3).astype(np.float32)
    uneven = light * (1 + 0.02 * _smooth_noise(rng, shape, 90))[:, :, None]
    stained = _stain(uneven, [(nuclei, (0.62, 1.3, 0.42)), (pink, (0.14, 0.42, 0.14))])
    return _to_pixels(rng, cv2.GaussianBlur(stained, (0, 0), 0.7), rng.uniform(1, 2))


def render_brightfield(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Draw grey, angular cells with dark nuclei on a bright field."""
    shape = layout.labels.shape
    cells = np.zeros(shape, dtype=np.float32)
    for nucleus in layout.nuclei:
        size = rng.uniform(3, 5)
        corners = draw_outline(rng, nucleus * [1, 1, size, size, 1], 0.3)[:: rng.integers(4, 8)]
        window, filled = fill_outline(corners, shape)
        edge = filled - cv2.erode(filled, np.ones((3, 3), np.uint8), borderValue=1)
        cells[window] += rng.uniform(0.08, 0.3) * filled + 0.12 * edge
    folds = np.maximum(1 + 0.25 * _smooth_noise(rng, shape, 9) + 0.2 * _smooth_noise(rng, shape, 2), 0.2)
    nuclei = _bodies(rng, layout, 0.2, 0.1, -0.2)
    specks = 0.5 * (_smooth_noise(rng, shape, 3) > 4.2)
    grey = cv2.GaussianBlur(cells * folds + 0.75 * nuclei + 0.3 * layout.ghosts * cells + specks, (0, 0), 0.8)
    light = rng.uniform(220, 236) * (1 + 0.015 * _smooth_noise(rng, shape, max(shape) / 2))
    return _to_pixels(rng, light * np.exp(-grey), rng.uniform(0.8, 2))

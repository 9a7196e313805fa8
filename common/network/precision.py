"""The precision of a network's convolutions: bfloat16 if the machine has units for it, else float32."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras

CPU_INFO = Path("/proc/cpuinfo")
CPU_UNITS = ("avx512_bf16", "amx_bf16")  # as Linux calls them
FIRST_GPU = (8, 0)  # compute capability of NVIDIA's first GPU with units for bfloat16; T4 and P100 are older


def choose_policy(bfloat16: bool) -> str:
    """Return the dtype policy of a network's layers.

    Without such units, bfloat16 is emulated: slower and less accurate than float32.

    Args:
        bfloat16: convolve in bfloat16 if the machine has units for it.
    """
    return "mixed_bfloat16" if bfloat16 and not find_lack() else "float32"


def describe_precision(bfloat16: bool) -> str:
    """Describe what `choose_policy` chooses, and why if that is not what was asked for."""
    lack = find_lack() if bfloat16 else ""
    return f"float32, as {lack} has no units for bfloat16" if lack else "bfloat16" if bfloat16 else "float32"


def find_lack() -> str:
    """Return the name of the device that lacks units for bfloat16; empty: none does."""
    gpus = _gpus()
    if gpus is None:  # a TPU, or a backend that does not tell
        return ""
    if gpus:
        return next((name for name, capability in gpus if capability and capability < FIRST_GPU), "")
    return "" if _cpu_has_units() else "this CPU"


def _gpus() -> list[tuple[str, tuple[int, ...]]] | None:
    """Return name and compute capability of each GPU; no capability unless it is NVIDIA's."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        return [(details.get("device_name", "the GPU"), details.get("compute_capability", ())) for details in devices]
    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "cpu":
            return []
        if jax.default_backend() == "gpu":
            return [(gpu.device_kind, _capability(getattr(gpu, "compute_capability", ""))) for gpu in jax.devices()]
    return None


def _capability(text: str) -> tuple[int, ...]:
    """Turn "7.5" into (7, 5), and the texts of AMD's GPUs into ()."""
    parts = str(text).split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def _cpu_has_units() -> bool:
    try:
        words = CPU_INFO.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return any(unit in words for unit in CPU_UNITS)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Build layers under a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)

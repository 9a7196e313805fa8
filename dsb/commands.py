"""The commands that `pip install` adds: scripts under names of their own, run as they are."""

from runpy import run_module


def nuclei() -> None:
    """Run `my_inference.py`."""
    run_module("dsb.my_inference", run_name="__main__")


def nuclei_tta() -> None:
    """Run `my_inference_tta.py`."""
    run_module("dsb.my_inference_tta", run_name="__main__")

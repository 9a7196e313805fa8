"""Export a trained model: an ONNX file, a SavedModel, or weights for the Mask R-CNN library.

To share weights for these scripts, `--half` writes them at half the size, with config.json and images.txt, the names of
the images that they were trained on.

    python dsb/export.py --output model.onnx
    python dsb/export.py --weights logs/003/best.h5 --output saved_model
    python dsb/export.py --weights logs/003/best.h5 --output mask_rcnn_nucleus_0001.h5
    python dsb/export.py --weights logs/003/last.h5 --output mine/weights.h5 --half

The first two go all the way from padded pixels, after --stretch-contrast, to boxes, scores and masks; an ONNX file
needs images wider than 64 pixels. The third is for the library's `load_weights(path, by_name=True)`, and gives the same
results there if it was trained with `--geometry library`.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.cli import choose_model, parse_model_flags
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.settings.config import CONFIG_FILE
from common.storage.files import written_aside
from dsb.config import PRESETS, DSBConfig
from dsb.inference import STEPS, TRAINING


def main() -> None:
    """Load the weights, write the file."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="PATH", help="ends in .onnx or .h5; else a SavedModel's folder")
    help = "float16 weights (.h5) for these scripts, with config.json and images.txt beside them"
    add("--half", action="store_true", help=help)
    flags = parse_model_flags(PRESETS, parser, without=("name",))
    output, half = flags.own["output"], flags.own["half"]
    if half and output.suffix != ".h5":
        raise InputError(f"--output {output}: --half writes a file that ends in .h5")
    config, weights = choose_model(flags, PRESETS, TRAINING, STEPS)
    beside = output.parent / CONFIG_FILE
    if half and beside.exists() and not _holds(beside, config):
        raise InputError(f"{beside}: belongs to another model; choose another folder for --output")
    for_library = output.suffix == ".h5" and not half
    if for_library and (config.backbone == "small" or config.norm == "group"):
        raise InputError(f"{weights}: the Mask R-CNN library has no backbone {config.backbone} with norm {config.norm}")

    from common.network.settings import prepare_keras

    prepare_keras()

    from common.network.mask_rcnn.export import export_model
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.weights import load_weights, save_weights
    from common.runs.seen import IMAGES_FILE, format_images, seen_images

    model = MaskRCNN(
        replace(config, bfloat16=False)
    )  # ONNX files with bfloat16 do not load, and few programs support it
    load_weights(model, weights)
    if output.suffix == ".h5":
        save_weights(model, output, half=half)
    else:
        export_model(model, output)
    if half:
        with written_aside(beside) as aside:
            config.save(aside)
        if seen := seen_images(weights.parent):
            with written_aside(output.parent / IMAGES_FILE) as aside:
                aside.write_text("".join(f"{line}\n" for line in format_images(seen)), encoding="utf-8")
    print(f"wrote {output}")


def _holds(path: Path, config: DSBConfig) -> bool:
    """Return whether a file holds a config."""
    try:
        return DSBConfig.load(path) == config
    except InputError:
        return False


if __name__ == "__main__":
    run_main(main)

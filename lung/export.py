"""Export a trained model: an ONNX file, or a SavedModel, from resized radiographs to probabilities.

    python lung/export.py --logs logs/small --output lung.onnx
    python lung/export.py --weights logs/small/lung/best.h5 --output saved_model

The input `images` is (B, H, W, 3) uint8, resized to squares of --image-size pixels; the output is (B, H, W, 1) float32.
Beside the file, lung.json holds the config, which says how probabilities become masks; `MapPredictor.of_function` does
that with any function from images to probabilities.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.cli import choose_model, parse_model_flags
from common.errors import run_main
from common.flags import OneLineParser
from common.storage.files import written_aside
from lung.config import PRESETS


def main() -> None:
    """Load the weights, write the file and the config."""
    parser = OneLineParser(__doc__)
    help = "a file that ends in .onnx; else a SavedModel's folder"
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help=help)
    flags = parse_model_flags(PRESETS, parser, without=("name", "bfloat16"))
    config, weights = choose_model(flags, PRESETS, "lung/train.py")
    config = replace(config, bfloat16=False)  # ONNX files with bfloat16 do not load, and few programs support it
    output: Path = flags.own["output"]

    from common.network.unet.export import export_model
    from common.network.unet.model import UNet
    from common.network.weights import load_weights

    model = UNet(config)
    load_weights(model, weights)
    export_model(model, output)
    beside = output.with_suffix(".json")
    with written_aside(beside) as aside:
        config.save(aside)
    print(f"wrote {output}; {beside}")


if __name__ == "__main__":
    run_main(main)

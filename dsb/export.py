"""A trained model for other programs: an ONNX file, a SavedModel, or weights that the Mask R-CNN library reads.

    python dsb/export.py --output model.onnx
    python dsb/export.py --weights logs/003/best.h5 --output saved_model
    python dsb/export.py --weights logs/003/best.h5 --output mask_rcnn_nucleus_0001.h5

The first two hold the whole way from padded pixels to boxes, scores and masks. The last is for the library's
`load_weights(path, by_name=True)`, and answers there as here if it was trained with `--geometry library`.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.cli import config_of_weights, find_weights
from common.config import OneLineParser, add_config_flags
from common.errors import InputError, run_main
from dsb.config import DSBConfig
from dsb.inference import PRESETS, STEPS


def main() -> None:
    """Load the weights, write the file."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--weights", default="last", metavar="last|PATH", help="last: of the last step under --logs (default)")
    add("--logs", type=Path, default=Path("logs"), metavar="DIR", help="folder of all runs (default: logs)")
    add("--output", type=Path, required=True, metavar="PATH", help="ends in .onnx or .h5; else a SavedModel's folder")
    add("--preset", choices=list(PRESETS), default="published", help="for weights without a config.json beside them")
    add_config_flags(parser, DSBConfig, "figures of the model (default: config.json beside the weights)")
    flags = parser.parse_args()
    weights = find_weights(flags.weights, flags.logs, STEPS, "dsb/my_train_1.py")
    config = config_of_weights(flags, weights, PRESETS)
    if flags.output.suffix == ".h5" and (config.trunk == "small" or config.norm == "group"):
        raise InputError(f"{weights}: trunk {config.trunk} with norm {config.norm} is none of the Mask R-CNN library's")

    from common.export import export_model
    from common.models.mask_rcnn import MaskRCNN
    from common.weights import load_weights, save_weights

    model = MaskRCNN(config)
    load_weights(model, weights)
    if flags.output.suffix == ".h5":
        save_weights(model, flags.output)
    else:
        export_model(model, flags.output)
    print(f"wrote {flags.output}")


if __name__ == "__main__":
    run_main(main)

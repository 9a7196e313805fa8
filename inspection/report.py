"""Reports on weights and runs: a folder of figures and tables, and one HTML page that shows them.

    python inspection/report.py weights small                       # or logs/small/001/best.h5, or two files
    python inspection/report.py runs logs/small/001 logs/other/001

Writes index.html, which needs no other file, and each figure as a PNG and each table as a CSV to --output.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.cli import run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser

if TYPE_CHECKING:
    from common.figures.page import Page


def weights(arguments: Sequence[str]) -> None:
    """Describe the weights of a file, or how those of two files differ."""
    parser = OneLineParser(weights.__doc__, "%(prog)s weights FILE [FILE] [flags]")
    parser.add_argument("files", nargs="+", metavar="FILE", help="an .h5 file, or small; two are compared")
    parser.add_argument("--output", type=Path, default=Path("reports/weights"), metavar="FOLDER")
    flags = parser.parse_args(arguments)
    if len(flags.files) > 2:
        raise InputError(f"{flags.files[2]}: a third file; give one, or two to compare")

    from common.runs.start import named_weights
    from common.runs.weights_file import WeightsFile
    from inspection.pages import weights_page

    files = {name: WeightsFile(named_weights().get(name, Path(name))) for name in flags.files}
    _save(weights_page(files), flags.output)


def runs(arguments: Sequence[str]) -> None:
    """Show the learning curves of runs beside each other."""
    parser = OneLineParser(runs.__doc__, "%(prog)s runs FOLDER [FOLDER ...] [flags]")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a run: where its log.csv lies")
    parser.add_argument("--output", type=Path, default=Path("reports/runs"), metavar="FOLDER")
    flags = parser.parse_args(arguments)

    from common.figures.curves import read_run
    from inspection.pages import runs_page

    _save(runs_page({str(folder): read_run(folder) for folder in flags.folders}), flags.output)


def _save(page: "Page", output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: a file; give a folder for the report")
    print(f"wrote {page.save(output)}: {len(page.sections)} sections")


if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, {"weights": weights, "runs": runs}))

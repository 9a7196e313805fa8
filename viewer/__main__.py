"""See images, ground truth and submissions in the browser.

    python -m viewer --dataset stage1_train.zip
    python -m viewer --dataset stage1_train.zip --submission fold0.csv --submission fold0_tta.csv --only-submitted
    python -m viewer --dataset stage1_test --submission a.csv --solution stage1_solution.csv --weights small

Prints the address of a page on this machine, which no other machine or user can open. Ctrl-C ends it.
"""

import os
from pathlib import Path

from common.errors import InputError, run_main
from common.flags import OneLineParser

MOST_PIXELS = 2**27  # of an image, unless the environment says otherwise; browsers draw no larger ones


def main() -> None:
    """Open what is to be shown, and serve it."""
    parser = OneLineParser(__doc__, "%(prog)s --dataset PATH [flags]")
    add = parser.add_argument
    add("--dataset", type=Path, required=True, metavar="PATH", help="folder or zip of images, of any competition")
    help = "predictions to show; given twice, side by side"
    add("--submission", type=Path, action="append", default=[], metavar="CSV", help=help)
    add("--solution", type=Path, metavar="PATH", help="ground truth that is not in the set: a CSV, or a set with masks")
    add("--only-submitted", action="store_true", help="leave out images that no submission has a row for")
    add("--weights", metavar="PATH", help="a network, such as small: for its views, and images that are dropped")
    add("--competition", metavar="NAME", help="in whose layout the set is (default: recognised by its files)")
    add("--part", metavar="NAME", help="part of the set, such as val (default: the usual one)")
    add("--port", type=int, default=8050, metavar="N", help="where to listen; 0: any free one (default: 8050)")
    flags = parser.parse_args()
    if flags.only_submitted and not flags.submission:
        raise InputError("--only-submitted: goes with --submission")
    if len(flags.submission) > 2:
        raise InputError(f"--submission {flags.submission[2]}: a third one; give one, or two to compare")

    _check_packages()

    from common.images import stored
    from competitions.models import load_predictor
    from viewer.app import make_viewer
    from viewer.scorer import Scorer
    from viewer.study import open_study

    os.environ.setdefault(stored.MOST_PIXELS, str(MOST_PIXELS))
    study = open_study(
        flags.dataset,
        flags.submission,
        flags.solution,
        competition=flags.competition,
        part=flags.part,
        only_submitted=flags.only_submitted,
    )
    predictor = load_predictor(flags.weights, study.competition) if flags.weights else None
    scorer = Scorer(study)
    server, address = make_viewer(scorer, flags.port, predictor)
    scorer.start()
    print(f"{address} shows {len(study.images)} images; Ctrl-C ends it", flush=True)
    server.serve_forever()  # until Ctrl-C
    print("ended")


def _check_packages() -> None:
    try:
        import dash  # noqa: F401
        import dash_ag_grid  # noqa: F401
    except ImportError as error:
        raise InputError(f"the viewer needs dash and dash-ag-grid ({error}): pip install '.[viewer]'") from None


if __name__ == "__main__":
    run_main(main)

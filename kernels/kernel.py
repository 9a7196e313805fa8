"""Kaggle kernels from this checkout: checked, run here as on Kaggle, pushed, and their predictions submitted.

    python kernels/kernel.py check dsb-inference-tta
    python kernels/kernel.py run dsb-inference-tta --weights logs/published
    python kernels/kernel.py push dsb-inference-tta --weights logs/published
    python kernels/kernel.py logs dsb-inference-tta --follow
    python kernels/kernel.py output dsb-inference-tta
    python kernels/kernel.py submit dsb-inference-tta --message "published, 15 views"

docs/kaggle.md goes through all of it, from an account to a score.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from common.cli import run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser
from kernel_files import kernel_names, load_kernel

OUTPUTS = Path("outputs")


def check(arguments: Sequence[str]) -> None:
    """Tell what Kaggle would refuse or silently drop."""
    parser = _parser("check", "whether Kaggle would take kernels as they are")
    parser.add_argument("names", nargs="*", metavar="KERNEL", help=f"default: {', '.join(kernel_names())}")
    _add_weights(parser)
    parser.add_argument("--offline", action="store_true", help="do not ask Kaggle about rules, sources and quota")
    flags = parser.parse_args(arguments)

    from checking import check_kernels

    kernels = [load_kernel(name) for name in flags.names or kernel_names()]
    check_kernels(kernels, weights=flags.weights, offline=flags.offline)


def pack(arguments: Sequence[str]) -> None:
    """Write the data set of a kernel."""
    parser = _parser("pack", "the project's code, weights and wheels as a data set")
    _add_kernel(parser)
    _add_weights(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to write (default: packed/KERNEL)")
    flags = parser.parse_args(arguments)

    from packing import pack

    print(pack(load_kernel(flags.name), flags.weights, folder=flags.output).report())


def run(arguments: Sequence[str]) -> None:
    """Run a kernel here, as Kaggle does."""
    parser = _parser("run", "a kernel on this machine as on Kaggle")
    _add_kernel(parser)
    _add_weights(parser)
    add = parser.add_argument
    help = "folder that stands for a competition or data set (default: data/SLUG); may be repeated"
    add("--input", action="append", default=[], metavar="SLUG=DIR", help=help)
    add("--output", type=Path, metavar="DIR", help="empty folder for what it writes (default: outputs/KERNEL)")
    add("--cores", type=int, default=4, choices=[2, 4], help="of Kaggle's machine (default: 4)")
    help = 'more flags for one of the project\'s scripts, such as dsb/my_train_1.py="--preset demo"; may be repeated'
    add("--flags", action="append", default=[], metavar="SCRIPT=FLAGS", help=help)
    add("--no-namespaces", action="store_true", help="block network and inputs in Python, not by the system")
    flags = parser.parse_args(arguments)

    import shlex

    from running import Conditions, run_kernel

    more = {script: shlex.split(text) for script, text in _pairs("--flags", flags.flags).items()}
    inputs = {slug: Path(path) for slug, path in _pairs("--input", flags.input).items()}
    kernel = load_kernel(flags.name)
    conditions = Conditions(
        inputs=inputs,
        weights=flags.weights,
        output=flags.output or OUTPUTS / kernel.name,
        cores=flags.cores,
        flags=more,
        namespaces=not flags.no_namespaces,
    )
    run_kernel(kernel, conditions)


def push(arguments: Sequence[str]) -> None:
    """Upload the data set, wait for it, then push the kernel, which runs it."""
    parser = _parser("push", "a kernel and its data set to Kaggle, which runs it")
    _add_kernel(parser)
    _add_weights(parser)
    flags = parser.parse_args(arguments)

    from checking import check_kernels
    from kaggle_api import connect
    from pushing import push_kernel

    kernel = load_kernel(flags.name)
    check_kernels([kernel], weights=flags.weights, offline=True)
    push_kernel(connect(), kernel, flags.weights)


def logs(arguments: Sequence[str]) -> None:
    """Print a kernel's log."""
    parser = _parser("logs", "what a kernel printed on Kaggle")
    _add_kernel(parser)
    parser.add_argument("--follow", action="store_true", help="go on until the kernel ends")
    flags = parser.parse_args(arguments)

    from fetching import show_logs
    from kaggle_api import connect

    show_logs(connect(), load_kernel(flags.name), follow=flags.follow)


def output(arguments: Sequence[str]) -> None:
    """Download what a kernel wrote."""
    parser = _parser("output", "what a kernel wrote on Kaggle; resumes; the CSV is checked")
    _add_kernel(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to write to (default: outputs/KERNEL)")
    parser.add_argument(
        "--sample-submission", type=Path, metavar="CSV", help="default: the competition's, in data/SLUG"
    )
    flags = parser.parse_args(arguments)

    from fetching import fetch_output
    from kaggle_api import connect

    kernel = load_kernel(flags.name)
    fetch_output(connect(), kernel, flags.output or OUTPUTS / kernel.name, flags.sample_submission)


def submit(arguments: Sequence[str]) -> None:
    """Submit a CSV to a kernel's competition, and wait for its score."""
    parser = _parser("submit", "a CSV, checked, to the kernel's competition; waits for the score")
    _add_kernel(parser)
    add = parser.add_argument
    add("--file", type=Path, metavar="CSV", help="default: the kernel's output, outputs/KERNEL/submission.csv")
    add("--message", required=True, metavar="TEXT", help="description of the submission")
    add("--sample-submission", type=Path, metavar="CSV", help="default: the competition's, in data/SLUG")
    add("--yes", action="store_true", help="do not ask before one of the day's submissions is used up")
    flags = parser.parse_args(arguments)

    from fetching import fetch_output
    from kaggle_api import connect
    from kernel_files import CSV
    from submitting import Submission, submit_csv

    kernel, api = load_kernel(flags.name), connect()
    if flags.file is None:
        fetch_output(api, kernel, OUTPUTS / kernel.name, flags.sample_submission)
    path = flags.file or OUTPUTS / kernel.name / CSV
    submit_csv(api, Submission(kernel, path, flags.message, flags.sample_submission), ask=not flags.yes)


def download(arguments: Sequence[str]) -> None:
    """Download a competition's files."""
    parser = _parser("download", "a competition's files; resumes; notes their hashes")
    add = parser.add_argument
    add("competition", metavar="SLUG", help="such as data-science-bowl-2018")
    add("--file", action="append", default=[], metavar="NAME", help="one of its files; may be repeated (default: all)")
    add("--output", type=Path, metavar="DIR", help="folder to write to (default: data/SLUG)")
    flags = parser.parse_args(arguments)

    from downloading import download_competition
    from kaggle_api import connect

    download_competition(connect(), flags.competition, flags.output or Path("data") / flags.competition, flags.file)


def _parser(command: str, what: str) -> OneLineParser:
    operand = "SLUG" if command == "download" else "[KERNEL ...]" if command == "check" else "KERNEL"
    return OneLineParser(f"{command}: {what}.", f"%(prog)s {command} {operand} [flags]")


def _add_kernel(parser: OneLineParser) -> None:
    parser.add_argument("name", metavar="KERNEL", help=f"{', '.join(kernel_names())}, or a folder")


def _add_weights(parser: OneLineParser) -> None:
    help = "file of weights, or folder of a run, to attach; may be repeated"
    parser.add_argument("--weights", action="append", default=[], type=Path, metavar="PATH", help=help)


def _pairs(flag: str, values: Sequence[str]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a dictionary."""
    for value in values:
        if "=" not in value:
            raise InputError(f"{flag} {value}: give NAME=VALUE")
    return dict(value.split("=", 1) for value in values)


COMMANDS = {
    "check": check,
    "pack": pack,
    "run": run,
    "push": push,
    "logs": logs,
    "output": output,
    "submit": submit,
    "download": download,
}

if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, COMMANDS))

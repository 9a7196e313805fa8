"""Run a kernel on this machine as Kaggle runs it: Kaggle's versions, /kaggle/input, no network, few cores."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from csv_checks import check_csv, find_sample
from kernel_files import CSV, FOLDER, OWNER, PROJECT, Kernel, python_code, say
from packing import pack

PYTHON = "SEGMENTATION_KAGGLE_PYTHON"  # an interpreter with the versions of Kaggle's image
SESSION_HOURS, OUTPUT_GB, MEMORY_GB = 9, 20, 30  # Kaggle's limits
KEPT = ("PATH", "LANG", "LC_ALL", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Conditions:
    """How to run a kernel.

    Attributes:
        inputs: folders that stand for competitions and data sets, by slug; `data/<slug>` for the others.
        weights: files and runs to attach, as `pack` takes them.
        output: empty folder that becomes /kaggle/working.
        cores: as many as Kaggle's machine has.
        flags: more flags for the project's scripts, by script.
        namespaces: use those of the system where it allows them.
    """

    inputs: Mapping[str, Path]
    weights: Sequence[Path]
    output: Path
    cores: int = 4
    flags: Mapping[str, Sequence[str]] | None = None
    namespaces: bool = True


def run_kernel(kernel: Kernel, conditions: Conditions) -> None:
    """Run a kernel, tell what it took, and check its CSV.

    Raises:
        InputError: no environment of Kaggle's versions, an input is missing, the output folder is not empty, the kernel
            fails, or its CSV would be rejected.
    """
    python, sources = _python(), _sources(kernel, conditions.inputs)
    output = conditions.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise InputError(f"{output}: not empty, as /kaggle/working is; remove it, or give another --output")
    with tempfile.TemporaryDirectory(prefix="kaggle-run-") as folder:
        scratch = Path(folder)
        code = _write_code(kernel, scratch)
        sources[f"datasets/{OWNER.lower()}/{kernel.data_set}"] = _attach(kernel, conditions.weights, scratch)
        environment = _environment(scratch, conditions.flags or {})
        command = [str(python), str(code)]
        online = kernel.metadata.get("enable_internet") in (True, "true")
        if conditions.namespaces and _namespaces_allowed():
            command = _in_namespaces(command, sources, output, scratch, online=online)
        else:
            say("no namespaces here: a block in Python stands for the missing network and the read-only inputs")
            environment |= _blocked(sources, output, scratch, online=online)
        seconds = _execute(command, environment, output, conditions.cores)
    _report(output, seconds)
    if kernel.competition and (output / CSV).exists():
        data = sources[f"competitions/{kernel.competition}"]
        print(f"{output / CSV}: {check_csv(output / CSV, kernel.competition, find_sample(data, kernel.competition))}")


def _python() -> Path:
    path = Path(os.environ.get(PYTHON) or PROJECT / ".venv-kaggle" / "bin" / "python").absolute()
    if not path.exists():
        raise InputError(f"{path}: no environment of Kaggle's versions; `make kaggle` creates it, or set {PYTHON}")
    return path


def _sources(kernel: Kernel, inputs: Mapping[str, Path]) -> dict[str, Path]:
    """Return the folder of each input by its place below /kaggle/input, as Kaggle lays them out."""
    places = {slug: f"competitions/{slug}" for slug in kernel.metadata.get("competition_sources") or []}
    for name in kernel.metadata.get("dataset_sources") or []:
        owner, slug = name.split("/")[:2]
        if slug != kernel.data_set:
            places[slug] = f"datasets/{owner}/{slug}"
    unknown = set(inputs) - set(places)
    if unknown:
        raise InputError(
            f"--input {min(unknown)}: not a source of {kernel.name}, which has {', '.join(places) or 'none'}"
        )
    found = {place: Path(inputs.get(slug) or Path("data") / slug).absolute() for slug, place in places.items()}
    for place, path in found.items():
        slug = place.split("/")[-1]
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; download {slug}, or give --input {slug}=FOLDER")
    return found


def _write_code(kernel: Kernel, scratch: Path) -> Path:
    """Write the kernel's code as a script outside of the project, as Kaggle does."""
    code = python_code(kernel)
    magics = [line for line in code.splitlines() if line.startswith(("%", "!"))]
    if kernel.code.suffix == ".ipynb" and magics:
        raise InputError(f"{kernel.code}: {magics[0]!r} is for IPython alone; write it in Python to run it here")
    path = scratch / "src" / "script.py"
    path.parent.mkdir()
    path.write_text(code, encoding="utf-8")
    return path


def _attach(kernel: Kernel, weights: Sequence[Path], scratch: Path) -> Path:
    """Pack the project, and unpack its archives as Kaggle does."""
    packed = pack(kernel, weights, folder=scratch / "code").folder
    for archive in packed.glob("*.zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(packed / archive.stem)
        archive.unlink()
    return packed


def _environment(scratch: Path, flags: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return a process's environment: a home of its own, and nothing private of ours."""
    for name in ("home", "tmp"):
        (scratch / name).mkdir()
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KERNEL_FLAGS": json.dumps({script: list(values) for script, values in flags.items()}),
        "MPLBACKEND": "agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _namespaces_allowed() -> bool:
    if not shutil.which("unshare"):
        return False
    test = [*_unshare(online=False), "mount", "-t", "tmpfs", "test", "/mnt"]
    return subprocess.run(test, capture_output=True, check=False).returncode == 0


def _unshare(*, online: bool) -> list[str]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *user, "--mount", *([] if online else ["--net"])]


def _in_namespaces(
    command: Sequence[str], sources: Mapping[str, Path], output: Path, scratch: Path, *, online: bool
) -> list[str]:
    plan, root = scratch / "plan", scratch / "root"
    root.mkdir()
    plan.write_text("".join(f"{place}\t{path}\n" for place, path in sources.items()), encoding="utf-8")
    return [*_unshare(online=online), "bash", str(FOLDER / "sandbox.sh"), str(root), str(output), str(plan), *command]


def _blocked(sources: Mapping[str, Path], output: Path, scratch: Path, *, online: bool) -> dict[str, str]:
    """Lay the inputs out with links; return the variables that make Python refuse what Kaggle would."""
    root = scratch / "kaggle"
    for place, path in sources.items():
        link = root / "input" / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path, target_is_directory=True)
    (root / "working").symlink_to(output, target_is_directory=True)
    return {"KAGGLE_ROOT": str(root), "PYTHONPATH": str(FOLDER / "blocked"), "KERNEL_OFFLINE": "0" if online else "1"}


def _execute(command: Sequence[str], environment: Mapping[str, str], output: Path, cores: int) -> float:
    """Run the kernel; return its seconds."""
    available = sorted(os.sched_getaffinity(0))
    chosen = available[:cores]
    if len(chosen) < cores:
        say(f"this machine has {len(chosen)} cores, not {cores}")
    begin = time.monotonic()
    with _on_cores(chosen):
        code = subprocess.run(command, env=environment, cwd=output, check=False).returncode
    if code:
        raise InputError(f"the kernel ended with exit code {code}; its message is above, its files are in {output}")
    return time.monotonic() - begin


@contextlib.contextmanager
def _on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Limit this process, and those it starts, to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _report(output: Path, seconds: float) -> None:
    files = [path for path in output.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6  # the largest process, in GB
    print(
        f"ran {seconds / 60:.1f} minutes (Kaggle's limit: {SESSION_HOURS} hours), largest process {peak:.1f} GB of "
        f"memory ({MEMORY_GB} GB), wrote {len(files)} files with {size / 1e9:.3f} GB ({OUTPUT_GB} GB) to {output}"
    )

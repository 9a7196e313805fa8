"""Build the package of lung/serverless.py for AWS Lambda: a folder, and a zip archive of it.

    python deploy/lung-lambda/build.py                                              # the pretrained weights `lung`
    python deploy/lung-lambda/build.py --weights logs/small/lung/best.h5 --output build/mine
    python deploy/lung-lambda/build.py --model lung.onnx --python python3.12        # of lung/export.py; another runtime

The package holds the wheels of requirements/serverless.txt without what the function never reads, the project's
modules, bytecode (Lambda's folder is read-only, so that each cold start would compile all of them again), and the
network as an ONNX file. The same checkout, weights and interpreter give the same bytes. See docs/deploy.md.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.storage.files import written_aside
from common.storage.zips import zipped

PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = PROJECT / "requirements" / "serverless.txt"
ARCHIVE = "lung.zip"
MODEL = "model/lung.onnx"
LARGEST = 250 * 2**20  # bytes, Lambda's limit on a package without its archive
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")  # of Amazon Linux 2023
# What wheels hold and the function never reads. The tests run every kind of request with what is left.
UNREAD = (
    "bin",
    "**/*.pyi",
    "**/tests",
    "cv2/data/*.xml",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/f2py",
    "numpy/typing",
    "onnxruntime/capi/libonnxruntime.so*",  # for programs in C++: Python's module holds the same
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "PIL/_avif*",
    "PIL/_imagingft*",
    "pillow.libs/libavif*",
    "pillow.libs/libfreetype*",
    "pillow.libs/libharfbuzz*",
    "pydicom/data/test_files",
    "pydicom/sr",
)


def main() -> None:
    """Build the folder aside, check its size, write the archive."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--output", type=Path, default=Path("build/lung"), metavar="DIR", help="folder to write (default: build/lung)")
    add("--weights", default="lung", metavar="W", help="weights file, or the name of pretrained ones (default: lung)")
    add("--model", type=Path, metavar="ONNX", help="what lung/export.py wrote, instead of --weights")
    add(
        "--python", default="python3.13", metavar="P", help="interpreter of the runtime's version (default: python3.13)"
    )
    flags = parser.parse_args()
    python, version = find_python(flags.python)
    for path in exported(flags.model) if flags.model else ():
        if not path.is_file():
            raise InputError(f"--model {path}: no such file; lung/export.py writes it")
    flags.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=flags.output) as aside:
        package = Path(aside) / "package"
        add_wheels(package, version)
        remove_unread(package)
        add_project(package)
        add_model(package, flags.weights, flags.model)
        compile_all(package, python)
        files = {name: path.read_bytes() for name, path in files_of(package)}
        check_size(files)
        if (flags.output / "package").exists():
            shutil.rmtree(flags.output / "package")
        package.replace(flags.output / "package")
    with written_aside(flags.output / ARCHIVE) as archive:
        archive.write_bytes(zipped(files))
    print(f"{size_table(files)}\nwrote {flags.output / 'package'}, for Lambda's runtime python{version}")
    print(f"wrote {flags.output / ARCHIVE}: {(flags.output / ARCHIVE).stat().st_size / 1e6:.1f} MB")


def find_python(name: str) -> tuple[str, str]:
    """Return an interpreter and its version, such as "3.13".

    Raises:
        InputError: it is not there, or older than the project needs.
    """
    try:
        ask = "import json, sys; print(json.dumps(sys.version_info[:2]))"
        done = subprocess.run([name, "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise InputError(f"--python {name}: no such interpreter; give one of the runtime's version") from None
    major, minor = json.loads(done.stdout)
    if (major, minor) < (3, 11):
        raise InputError(f"--python {name}: is Python {major}.{minor}; 3.11 or newer is needed")
    return name, f"{major}.{minor}"


def add_wheels(package: Path, version: str) -> None:
    """Unpack the pinned wheels for Lambda's system and a version of Python into a folder."""
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_x86_64")]
    target = ["--target", package, "--only-binary", ":all:", "--python-version", version, *platforms]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
    run("pip", "install", *quiet, *target, "--require-hashes", "--requirement", REQUIREMENTS)


def remove_unread(package: Path) -> None:
    """Remove what the function never reads."""
    for pattern in UNREAD:
        found = sorted(package.glob(pattern))
        if not found:
            raise InputError(f"{pattern}: not in the wheels of {REQUIREMENTS.name}; look at what replaced it")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def add_project(package: Path) -> None:
    """Copy the modules of the function and of what it imports."""
    for room in ("common", "lung"):
        for path in sorted((PROJECT / room).rglob("*.py")):
            target = package / path.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def add_model(package: Path, weights: str, model: Path | None) -> None:
    """Export weights into a package, or copy an exported model with its config."""
    target = package / MODEL
    if model is None:
        run(PROJECT / "lung" / "export.py", "--weights", weights, "--output", target)
        return
    target.parent.mkdir()
    for path, copy in zip(exported(model), exported(target), strict=True):
        shutil.copyfile(path, copy)


def exported(model: Path) -> tuple[Path, Path]:
    """Return the two files of lung/export.py: the network, and its config beside it."""
    return model, model.with_suffix(".json")


def compile_all(package: Path, python: str) -> None:
    """Write bytecode that is used without a look at the source's date, and names files as they are in Lambda."""
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", package, "-p", "/var/task"]
    run("compileall", *options, package, python=python)


def files_of(package: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name in the package and the path of each file."""
    for path in sorted(package.rglob("*")):
        if path.is_file():
            yield path.relative_to(package).as_posix(), path


def check_size(files: dict[str, bytes]) -> None:
    """Refuse a package that Lambda would refuse."""
    size = sum(map(len, files.values()))
    if size > LARGEST:
        raise InputError(f"the package has {size} bytes, more than Lambda's {LARGEST}; see UNREAD in build.py")


def size_table(files: dict[str, bytes]) -> str:
    """Return the sizes of the largest parts of a package, and the whole."""
    sizes: dict[str, int] = {}
    for name, content in files.items():
        part = (
            name.split("/")[0].removesuffix(".libs").replace("opencv_python_headless", "cv2").replace("pillow", "PIL")
        )
        sizes[part] = sizes.get(part, 0) + len(content)
    lines = [f"{size / 1e6:8.1f} MB  {part}" for part, size in sorted(sizes.items(), key=lambda item: -item[1])[:8]]
    whole = sum(sizes.values())
    return "\n".join([*lines, f"{whole / 1e6:8.1f} MB  in all, {whole / LARGEST:.0%} of Lambda's limit"])


def run(command: str | Path, *arguments: object, python: str = sys.executable) -> None:
    """Run a script or a module; what fails says so itself, on stderr.

    Raises:
        InputError: it failed.
    """
    module = ["-m", command] if isinstance(command, str) else [str(command)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [python, *module, *map(str, arguments)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise InputError(f"{' '.join(words[:4])} failed: {reason[0]}")


if __name__ == "__main__":
    run_main(main)

"""What Kaggle would refuse, or drop without a word, said before anything is sent."""

import ast
import json
import re
import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import InputError
from kernel_files import METADATA, OWNER, PROJECT, Kernel, python_code, slug_of
from running import OUTPUT_GB, SESSION_HOURS

BOOLEANS = ("is_private", "enable_gpu", "enable_tpu", "enable_internet")
SOURCES = ("dataset_sources", "competition_sources", "kernel_sources", "model_sources")
REQUIRED = ("id", "title", "code_file", "language", "kernel_type", *BOOLEANS, "machine_shape", *SOURCES)
KNOWN = (*REQUIRED, "id_no", "keywords", "docker_image", "docker_image_pinning_type")
LANGUAGES, TYPES, PINNING = ("python", "r", "rmarkdown"), ("script", "notebook"), ("original", "latest")
SUFFIXES = {"script": (".py", ".r", ".rmd"), "notebook": (".ipynb",)}
GPUS: tuple[str, ...] = (
    "NvidiaTeslaT4",
    "NvidiaTeslaT4Highmem",
    "NvidiaL4",
    "NvidiaL4X1",
    "NvidiaTeslaA100",
    "NvidiaH100",
)
GPUS += ("NvidiaTeslaA100", "NvidiaH100", "NvidiaRtxPro6000")
TPUS = ("TpuV5E8", "TpuV6E8")
RETIRED = {"NvidiaTeslaP100": "NvidiaTeslaT4", "TpuV38": "TpuV5E8", "Tpu1VmV38": "TpuV5E8"}
CPU = ("", "None")
SHORTEST_SLUG, LONGEST_TITLE = 5, 50
LARGEST_CODE = 1_000_000  # bytes
_SLUG = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
FORMS = {
    "dataset_sources": (rf"{_SLUG}/[\w-]+(/\d+)?", "owner/data-set"),
    "competition_sources": (_SLUG, "competition"),
    "kernel_sources": (rf"{_SLUG}/[\w-]{{5,}}(/\d+)?", "owner/kernel"),
    "model_sources": (rf"{_SLUG}/[\w-]+/[\w-]+/[\w.-]+/\d+", "owner/model/framework/variation/version"),
}
# Seconds a training step on a T4, estimated for docs/third_place.md (6 to 9 hours for 24,900 steps), and images.
STEP_SECONDS = (0.9, 1.3)
TRAINING_IMAGES = 664
RUN_GB = 2.0  # of the third-place run: last and best weights, and optimiser, of three steps (estimate)


def check_kernels(kernels: Sequence[Kernel], *, weights: Sequence[Path] = (), offline: bool) -> None:
    """Print notes about kernels, and whether Kaggle would take them.

    Args:
        kernels: to check.
        weights: that will be attached.
        offline: do not ask Kaggle.

    Raises:
        InputError: one of them has problems; the message names all of them.
    """
    problems = []
    for kernel in kernels:
        found = [*metadata_problems(kernel.metadata), *_folder_problems(kernel)]
        found += _attachment_problems(kernel, weights) if not found else []
        problems += [f"{kernel.name}: {problem}" for problem in found]
        for note in limit_notes(kernel) if not found else []:
            print(f"{kernel.name}: {note}")
    if problems:
        raise InputError("; ".join(problems))
    if not offline:
        _check_online(kernels)
    print(f"checked {', '.join(kernel.name for kernel in kernels)}: nothing that Kaggle would refuse or drop")


def metadata_problems(metadata: dict[str, Any]) -> list[str]:
    """List what Kaggle would refuse or ignore in a kernel's metadata."""
    missing = [name for name in REQUIRED if name not in metadata]
    if missing:
        return [f"{METADATA} lacks {', '.join(missing)}; Kaggle would assume something"]
    problems = [f"{METADATA} has {name}, which Kaggle ignores" for name in metadata if name not in KNOWN]
    for name in BOOLEANS:
        if str(metadata[name]).lower() not in ("true", "false"):
            problems.append(f"{name} is {metadata[name]!r}, neither true nor false")
    choices = {"language": LANGUAGES, "kernel_type": TYPES, "docker_image_pinning_type": (*PINNING, None)}
    for name, allowed in choices.items():
        if metadata.get(name) not in allowed:
            problems.append(f"{name} is {metadata.get(name)!r}, not one of {', '.join(filter(None, allowed))}")
    problems += [*_name_problems(str(metadata["id"]), str(metadata["title"])), *_machine_problems(metadata)]
    return [*problems, *_source_problems(metadata)]


def limit_notes(kernel: Kernel) -> Iterator[str]:
    """Yield what a training kernel takes of Kaggle's limits, told from the steps of its configs."""
    values = constants(python_code(kernel))
    if "PRESET" not in values:
        return
    steps = sum(_training_steps(script, values["PRESET"]) for script in values["SCRIPTS"])
    hours = [steps * seconds / 3600 for seconds in STEP_SECONDS]
    sessions = -(-hours[1] // values["HOURS"])
    yield (
        f"{steps:,} training steps of {values['PRESET']!r}: {hours[0]:.0f} to {hours[1]:.0f} hours on a T4 (estimate); "
        f"a session ends after {SESSION_HOURS}, the kernel stops after {values['HOURS']}: up to {sessions:.0f} sessions"
    )
    yield f"output: about {RUN_GB:.0f} of {OUTPUT_GB} GB (estimate)"


def constants(code: str) -> dict[str, Any]:
    """Return the literal constants that a script assigns at its top level.

    Example:
        >>> constants("HOURS = 8.5; name = print()")
        {'HOURS': 8.5}
    """
    found: dict[str, Any] = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def _training_steps(script: str, preset: str) -> int:
    config = runpy.run_path(str(PROJECT / script), run_name="experiment")["STEP"][preset]
    return int(config.epochs * (config.steps_per_epoch or TRAINING_IMAGES // config.batch_size))


def _name_problems(name: str, title: str) -> Iterator[str]:
    if not re.fullmatch(rf"{_SLUG}/{_SLUG}", name):
        yield f"id is {name!r}, not owner/slug"
        return
    slug = name.split("/")[1]
    if len(slug) < SHORTEST_SLUG or not SHORTEST_SLUG <= len(title) <= LONGEST_TITLE:
        yield f"title {title!r} and slug {slug!r} need at least {SHORTEST_SLUG} characters, at most {LONGEST_TITLE}"
    if slug_of(title) != slug:
        yield f"the title {title!r} becomes {slug_of(title)!r} on Kaggle, not {slug!r}; make them agree"


def _machine_problems(metadata: dict[str, Any]) -> Iterator[str]:
    shape = metadata["machine_shape"]
    kinds = {**dict.fromkeys(CPU, "no accelerator"), **dict.fromkeys(GPUS, "a GPU"), **dict.fromkeys(TPUS, "a TPU")}
    if shape in RETIRED:
        yield f"machine_shape {shape} is retired, and Kaggle would take another one; use {RETIRED[shape]}"
    elif shape not in kinds:
        yield f"machine_shape {shape!r} is unknown; known: None, {', '.join((*GPUS, *TPUS))}"
    else:
        wanted = {name: str(metadata[f"enable_{name}"]).lower() == "true" for name in ("gpu", "tpu")}
        if wanted != {"gpu": shape in GPUS, "tpu": shape in TPUS}:
            yield f"machine_shape {shape!r} is {kinds[shape]}, unlike enable_gpu and enable_tpu"


def _source_problems(metadata: dict[str, Any]) -> Iterator[str]:
    for kind, (form, example) in FORMS.items():
        names = metadata[kind]
        if not isinstance(names, list):
            yield f"{kind} is not a list"
            continue
        yield from (f"{kind}: {name!r} is not {example}" for name in names if not re.fullmatch(form, str(name)))
        if len(set(map(str, names))) < len(names):
            yield f"{kind}: names a source twice"


def _folder_problems(kernel: Kernel) -> Iterator[str]:
    slug, data_set = str(kernel.metadata.get("id")).split("/")[-1], kernel.data_set
    if slug != kernel.name:
        yield f"the folder {kernel.name} holds the kernel {slug}; give both the same name"
    if not any(str(name).split("/")[-1] == data_set for name in kernel.metadata.get("dataset_sources") or []):
        yield f"dataset_sources lacks {OWNER}/{data_set}, the project's code"
    suffixes = SUFFIXES.get(str(kernel.metadata.get("kernel_type")), ())
    if suffixes and kernel.code.suffix.lower() not in suffixes:
        yield f"code_file {kernel.code.name} is no {kernel.metadata['kernel_type']} ({', '.join(suffixes)})"
    try:
        ast.parse(_without_magics(python_code(kernel)))
    except InputError as error:
        yield str(error)
        return
    except SyntaxError as error:
        yield f"{kernel.code.name}: not Python: {error.msg}, line {error.lineno} of its code"
    if kernel.code.stat().st_size > LARGEST_CODE:
        yield f"{kernel.code.name}: {kernel.code.stat().st_size:,} bytes, more than {LARGEST_CODE:,}"
    if kernel.code.suffix == ".ipynb":
        yield from _notebook_problems(json.loads(kernel.code.read_text(encoding="utf-8")))


def _without_magics(code: str) -> str:
    return "\n".join("pass" if line.startswith(("%", "!")) else line for line in code.splitlines())


def _notebook_problems(notebook: dict[str, Any]) -> Iterator[str]:
    if notebook.get("nbformat") != 4:
        yield f"notebook: nbformat is {notebook.get('nbformat')!r}, not 4"
    if any(cell.get("outputs") for cell in notebook["cells"]):
        yield "notebook: holds outputs, which the package drops and git need not keep; clear them"
    if notebook.get("metadata", {}).get("kernelspec", {}).get("language") != "python":
        yield "notebook: metadata.kernelspec.language is not python"


def _attachment_problems(kernel: Kernel, weights: Sequence[Path]) -> Iterator[str]:
    yield from (f"--weights {path}: no such file or folder" for path in weights if not path.exists())
    if constants(_without_magics(python_code(kernel))).get("NEEDS_WEIGHTS") and not weights:
        print(f"{kernel.name}: needs weights; push it with --weights PATH")


def _check_online(kernels: Sequence[Kernel]) -> None:
    """Ask Kaggle, if there are credentials, about rules, foreign sources and quota."""
    from asking import questions
    from kaggle_api import connect

    try:
        api = connect()
    except InputError as error:
        print(f"Kaggle was not asked about rules, sources and quota: {error}")
        return
    problems = [problem for kernel in kernels for problem in questions(api, kernel)]
    if problems:
        raise InputError("; ".join(dict.fromkeys(problems)))

"""A data set, then the kernel that uses it, to Kaggle."""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from common.errors import InputError
from kaggle_api import one_line, retry, status_of
from kernel_files import METADATA, Kernel, say
from packing import Pack, commit, pack

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

LONGEST_UNPACKING = 1800  # seconds that Kaggle may take for a data set's files
FIRST_WAIT, LAST_WAIT = 2.0, 30.0  # seconds between two looks at it
CHECKED = ("dataset", "competition", "kernel", "model")  # kinds of sources


def push_kernel(api: "KaggleApi", kernel: Kernel, weights: Sequence[Path]) -> None:
    """Upload a kernel's data set, wait until Kaggle has unpacked it, then push the kernel, which runs it.

    Args:
        api: signed in.
        kernel: OWNER in its metadata stands for the account.
        weights: to attach, as `pack` takes them.

    Raises:
        InputError: Kaggle refuses something, or leaves something out.
    """
    owner = api.config_values[api.CONFIG_NAME_USER]
    kernel = kernel.of(owner)
    packed = pack(kernel, weights, owner=owner)
    print(packed.report(), flush=True)
    upload_data_set(api, f"{owner}/{kernel.data_set}", packed)
    answer = _save(api, kernel)
    _check_answer(kernel, answer)
    _check_saved(api, kernel)
    print(f"pushed version {answer.version_number} of {kernel.metadata['id']}: {answer.url}")


def upload_data_set(api: "KaggleApi", name: str, packed: Pack) -> None:
    """Upload a pack as a new data set or a new version, and wait until Kaggle has unpacked it."""
    before = _version(api, name)
    folder = str(packed.folder)
    what = f"data set {name}"
    with one_line(what):
        if before is None:
            answer = api.dataset_create_new(folder)
        else:
            answer = api.dataset_create_version(folder, f"commit {commit()}")
    if answer.error or str(answer.status).lower() != "ok":
        raise InputError(f"{what}: Kaggle refuses it: {answer.error or answer.status}")
    _wait_until_ready(api, name, (before or 0) + 1)


def _version(api: "KaggleApi", name: str) -> int | None:
    """Return the number of a data set's current version; None if there is no such data set."""
    try:
        return int(
            json.loads(retry(lambda: api.dataset_status(name, "json(current_version_number)"))).popitem()[1] or 1
        )
    except requests.HTTPError as error:
        if status_of(error) in (403, 404):  # Kaggle does not tell what is private from what does not exist
            return None
        with one_line(f"data set {name}"):
            raise


def _wait_until_ready(api: "KaggleApi", name: str, version: int) -> None:
    what, wait = f"data set {name}", FIRST_WAIT
    end = time.monotonic() + LONGEST_UNPACKING
    while True:
        status, current = _status(api, name)
        if status == "failed":
            raise InputError(f"{what}: Kaggle could not unpack it; see https://www.kaggle.com/datasets/{name}")
        if status == "ready" and current >= version:
            say(f"{what}: version {current} is ready")
            return
        if time.monotonic() > end:
            minutes = LONGEST_UNPACKING // 60
            raise InputError(f"{what}: not ready after {minutes} minutes ({status}); run the same command again")
        say(f"{what}: {status}, version {current}; waiting for version {version}")
        time.sleep(wait)
        wait = min(2 * wait, LAST_WAIT)


def _status(api: "KaggleApi", name: str) -> tuple[str, int]:
    """Return a data set's state and its version; just created, it may not be known yet."""
    try:
        values = json.loads(retry(lambda: api.dataset_status(name, "json")))
    except requests.HTTPError as error:
        if status_of(error) in (403, 404):
            return "not there yet", 0
        with one_line(f"data set {name}"):
            raise
    return values["status"], int(values["current_version_number"] or 0)


def _save(api: "KaggleApi", kernel: Kernel) -> Any:
    """Push the kernel from a copy of its folder with the account's name."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(kernel.code, Path(folder) / kernel.code.name)
        (Path(folder) / METADATA).write_text(json.dumps(kernel.metadata), encoding="utf-8")
        with one_line(f"kernel {kernel.metadata['id']}", kernel.competition):
            return retry(lambda: api.kernels_push(folder), only_refused=True)


def _check_answer(kernel: Kernel, answer: Any) -> None:
    """Refuse what Kaggle answers with 200 and yet did not do as asked."""
    what = f"kernel {kernel.metadata['id']}"
    if answer.error:
        raise InputError(f"{what}: Kaggle refuses it: {answer.error}")
    dropped = [f"{kind} {name}" for kind in CHECKED for name in getattr(answer, f"invalid_{kind}_sources") or []] + [
        f"keyword {name}" for name in answer.invalid_tags or []
    ]
    if dropped:
        raise InputError(
            f"{what}: Kaggle left out {', '.join(dropped)}, and runs version {answer.version_number} without; accept "
            "the rules of a competition on its page, correct other names, and push again"
        )
    slug = kernel.metadata["id"].split("/")[1]
    given = (answer.url or answer.ref or slug).rstrip("/").split("/")[-1]
    if given != slug:
        raise InputError(f"{what}: Kaggle calls it {given}; make title and id agree, and delete {given} there")


def _check_saved(api: "KaggleApi", kernel: Kernel) -> None:
    """Compare the kernel as Kaggle has it with the metadata: not all that it leaves out is in its answer."""
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

    request = ApiGetKernelRequest()
    request.user_name, request.kernel_slug = kernel.metadata["id"].split("/")
    what = f"kernel {kernel.metadata['id']}"
    with one_line(what), api.build_kaggle_client() as client:
        saved = retry(lambda: client.kernels.kernels_api_client.get_kernel(request)).metadata
    missing = []
    for kind in CHECKED:
        there = {name.lower() for name in getattr(saved, f"{kind}_data_sources")}
        wanted = kernel.metadata.get(f"{kind}_sources") or []
        missing += [f"{kind} {name}" for name in wanted if name.lower() not in there]
    if saved.enable_internet and not kernel.metadata["enable_internet"]:
        missing.append("enable_internet false")
    shape = kernel.metadata["machine_shape"]
    if saved.machine_shape and shape not in ("", "None") and saved.machine_shape.lower() != shape.lower():
        missing.append(f"machine_shape {shape} (it is {saved.machine_shape})")
    if missing:
        raise InputError(f"{what}: pushed, but Kaggle left out {', '.join(missing)}; correct that and push again")

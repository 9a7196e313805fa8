"""What a kernel prints and writes on Kaggle."""

import functools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import InputError
from credentials import scrub
from csv_checks import check_csv, find_sample
from kaggle_api import one_line, retry
from kernel_files import CSV, OWNER, Kernel, say
from transfers import download, inside

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

WAITING = ("QUEUED", "NEW_SCRIPT")
RUNNING = ("RUNNING",)
PAGE = 200  # files in an answer
FIRST_WAIT, LAST_WAIT = 2.0, 30.0  # seconds between two looks at a kernel


def show_logs(api: "KaggleApi", kernel: Kernel, *, follow: bool) -> None:
    """Print a kernel's log; with `follow`, as it comes, until the kernel ends.

    Raises:
        InputError: no such kernel, or it failed.
    """
    name = online_name(api, kernel)
    if follow:
        _wait_while(api, name, WAITING)
        with one_line(f"kernel {name}"):
            api.kernels_logs_cli(name, follow=True)  # reconnects, and leaves out what it has shown
        state = _wait_while(api, name, (*WAITING, *RUNNING))
    else:
        state = _state(api, name)
        with one_line(f"kernel {name}"):
            print(_readable(retry(lambda: api.kernels_logs(name))), end="")
    say(f"kernel {name}: {state.status.name.lower()}")
    _refuse_failure(name, state)


def fetch_output(api: "KaggleApi", kernel: Kernel, folder: Path, sample: Path | None = None) -> None:
    """Download what a kernel's last run wrote, going on with files that are there in part, and check its CSV.

    Args:
        api: signed in.
        kernel: whose output it is.
        folder: to write to.
        sample: submission to check against; by default the competition's, in `data/<slug>`.

    Raises:
        InputError: the kernel has not run through, a file is incomplete, or the CSV would be rejected.
    """
    name = online_name(api, kernel)
    state = _state(api, name)
    _refuse_failure(name, state)
    if state.status.name != "COMPLETE":
        raise InputError(f"kernel {name}: {state.status.name.lower()}; wait with `logs --follow`")
    files = list(_output_files(api, name))
    for file in files:
        with one_line(f"{folder / file.file_name}"):
            download(file.url, inside(folder, file.file_name))
    print(f"{folder}: {len(files)} files of {name}")
    if kernel.competition and (folder / CSV).exists():
        sample = sample or find_sample(Path("data") / kernel.competition, kernel.competition)
        print(f"{folder / CSV}: {check_csv(folder / CSV, kernel.competition, sample)}")


def online_name(api: "KaggleApi", kernel: Kernel) -> str:
    """Return a kernel's name on Kaggle, `<account>/<slug>`."""
    return str(kernel.metadata["id"]).replace(f"{OWNER}/", f"{api.config_values[api.CONFIG_NAME_USER]}/")


def _state(api: "KaggleApi", name: str) -> Any:
    with one_line(f"kernel {name}"):
        return retry(lambda: api.kernels_status(name))


def _wait_while(api: "KaggleApi", name: str, states: tuple[str, ...]) -> Any:
    """Look at a kernel again and again; return what it is when it leaves these states."""
    wait, shown = FIRST_WAIT, ""
    while True:
        state = _state(api, name)
        if state.status.name not in states:
            return state
        if state.status.name != shown:
            shown = state.status.name
            say(f"kernel {name}: {shown.lower()}")
        time.sleep(wait)
        wait = min(2 * wait, LAST_WAIT)


def _refuse_failure(name: str, state: Any) -> None:
    if state.status.name in ("ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED"):
        what = "failed" if state.status.name == "ERROR" else "was cancelled"
        reason = f": {scrub(state.failure_message)}" if state.failure_message else ""
        raise InputError(f"kernel {name}: {what}{reason}; `logs` shows what it printed")


def _readable(log: str) -> str:
    """Return the lines of a log, which Kaggle keeps as JSON."""
    try:
        events = json.loads(log)
        return "".join(str(event["data"]) for event in events)
    except (ValueError, KeyError, TypeError):
        return log if log.endswith("\n") or not log else f"{log}\n"


def _output_files(api: "KaggleApi", name: str) -> Iterator[Any]:
    """Yield the names and addresses of a kernel's files, from all pages."""
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

    token = ""
    with one_line(f"kernel {name}"), api.build_kaggle_client() as client:
        while True:
            request = ApiListKernelSessionOutputRequest()
            request.user_name, request.kernel_slug = name.split("/")
            request.page_size, request.page_token = PAGE, token
            answer = retry(functools.partial(client.kernels.kernels_api_client.list_kernel_session_output, request))
            yield from answer.files or []
            token = answer.next_page_token
            if not token:
                return

"""What only Kaggle knows about a kernel: accepted rules, sources that exist, quota that is left."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from common.errors import InputError
from kaggle_api import one_line, retry
from kernel_files import Kernel

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi


def questions(api: "KaggleApi", kernel: Kernel) -> Iterator[str]:
    """Yield a kernel's problems, as far as the API tells: rules, sources, quota.

    Raises:
        InputError: Kaggle does not answer.
    """
    kernel = kernel.of(api.config_values[api.CONFIG_NAME_USER])
    for competition in kernel.metadata["competition_sources"]:
        yield from _refusals(f"competition {competition}", api.competition_list_files, competition, rules=True)
    for name in kernel.metadata["dataset_sources"]:
        if name.split("/")[1] != kernel.data_set:  # which `push` makes
            yield from _refusals(f"data set {name}", api.dataset_status, name)
    for name in kernel.metadata["kernel_sources"]:
        yield from _refusals(f"kernel {name}", api.kernels_status, name)
    if str(kernel.metadata["enable_gpu"]).lower() == "true":
        yield from _quota_problems(api, kernel)


def _refusals(what: str, ask: Callable[[str], object], name: str, *, rules: bool = False) -> Iterator[str]:
    try:
        with one_line(what, name if rules else None):
            retry(lambda: ask(name))
    except InputError as error:
        yield str(error)


def _quota_problems(api: "KaggleApi", kernel: Kernel) -> Iterator[str]:
    with one_line("quota"):
        quota = retry(api.quota_view).gpu_quota
    if quota is None or not quota.total_time_allowed:
        return
    left = (quota.total_time_allowed - quota.time_used).total_seconds() / 3600
    print(f"{kernel.name}: {max(0.0, left):.1f} hours of GPU left this week")
    if left <= 0:
        yield f"{kernel.name}: no GPU hours are left this week"

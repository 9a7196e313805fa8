"""Kaggle's API by the `kaggle` package: its silent failures are errors, and every error is one line without secrets."""

import contextlib
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

import requests

from common.errors import InputError
from credentials import scrub
from kernel_files import say

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

T = TypeVar("T")

TRIES = 6
LONGEST_WAIT = 600  # seconds, whatever Retry-After says
SIGN_IN = "run `kaggle auth login`, or put a token of kaggle.com/settings/api into ~/.kaggle/access_token"


def connect() -> "KaggleApi":
    """Return a signed-in client; the variable KAGGLE_API_ENVIRONMENT chooses the server, as in the package's own SDK.

    Raises:
        InputError: the package is missing, or there are no credentials that Kaggle accepts.
    """
    api = _client_class()()
    with one_line("Kaggle"), _without_output():
        try:
            retry(api.authenticate)
        except SystemExit:  # it prints how to sign in, and exits
            raise InputError(f"no Kaggle credentials, or they have expired; {SIGN_IN}") from None
    return api


def retry(call: Callable[[], T], *, only_refused: bool = False) -> T:
    """Call, and again after a pause where Kaggle was too busy or the connection broke.

    Args:
        call: a request.
        only_refused: only where Kaggle said that it did nothing (429), for what must not happen twice.
    """
    for attempt in range(1, TRIES):
        try:
            return call()
        except requests.RequestException as error:
            status = status_of(error)
            if status != 429 and (only_refused or 0 < status < 500):
                raise
            pause(attempt, error)
    return call()


def pause(attempt: int, error: Exception | None = None) -> None:
    """Wait as long as Kaggle's Retry-After says, else twice as long as before, with some randomness."""
    wait = 2.0**attempt * (0.75 + random.random() / 2)
    response = getattr(error, "response", None)
    asked = None if response is None else _asked_for(response.headers.get("Retry-After"))
    wait = min(LONGEST_WAIT, wait if asked is None else asked)
    say(f"{_reason(error)}: waiting {wait:.0f} seconds")
    time.sleep(wait)


@contextlib.contextmanager
def one_line(what: str, competition: str | None = None) -> Iterator[None]:
    """Turn the errors of requests into one line each, without secrets.

    Args:
        what: that was asked for, such as a kernel's name.
        competition: whose rules may be the reason for a refusal.

    Raises:
        InputError: in place of errors of `requests` and of the package.
    """
    try:
        yield
    except requests.RequestException as error:
        raise InputError(scrub(f"{what}: {_advice(error, competition)}")) from None
    except (ValueError, KeyError) as error:  # the package's own checks; an answer that is not what it expects
        raise InputError(scrub(f"{what}: {error}")) from None


def status_of(error: requests.RequestException) -> int:
    """Return an error's HTTP status, also where Kaggle answers 200 with a code in the body; 0 without an answer."""
    if error.response is None:
        return 0
    status = error.response.status_code
    if status >= 400:
        return status
    try:
        return int(error.response.json()["code"])
    except (ValueError, KeyError, TypeError):
        return status


def _advice(error: requests.RequestException, competition: str | None) -> str:
    status = status_of(error)
    said = _message(error)
    if status == 401:
        return f"Kaggle does not accept the credentials (401); {SIGN_IN}"
    if status == 403 and competition:
        rules = f"https://www.kaggle.com/competitions/{competition}/rules"
        return f"Kaggle refuses (403){said}; accept the rules at {rules} and run the same command again"
    if status == 403:
        return f"Kaggle refuses (403){said}; it is private, does not exist, or belongs to somebody else"
    if status == 404:
        return f"Kaggle knows no such thing (404){said}; check the name"
    if status == 409:
        return f"in conflict with what is on Kaggle (409){said}; choose another title and id"
    if status == 429:
        return f"Kaggle wants fewer requests (429){said}; try again in some minutes"
    if status >= 500:
        return f"Kaggle is in trouble ({status}){said}; run the same command again later"
    if status == 0:
        return "the connection to Kaggle broke; check the network and run the same command again"
    return f"Kaggle refuses ({status}){said}"


def _message(error: requests.RequestException) -> str:
    """Return what Kaggle said, if it said something."""
    try:
        text = str(error.response.json()["message"])  # type: ignore[union-attr]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f": {' '.join(text.split()).rstrip('.')}" if text else ""


def _reason(error: Exception | None) -> str:
    if isinstance(error, requests.RequestException) and status_of(error):
        status = status_of(error)
        return "Kaggle wants fewer requests (429)" if status == 429 else f"Kaggle is in trouble ({status})"
    return "the connection to Kaggle broke"


def _asked_for(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


@contextlib.contextmanager
def _without_output() -> Iterator[None]:
    """Keep from the screen what the package prints, such as a refused request's address with its signature."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _client_class() -> "type[KaggleApi]":
    """Import the package, which takes long, and return its client with our corrections."""
    quiet = {name: value for name, value in os.environ.items() if name not in ("VERBOSE", "VERBOSE_OUTPUT")}
    try:
        from kagglesdk.kaggle_http_client import KaggleHttpClient

        # The package signs in when it is imported, always at the real site; and VERBOSE makes it print the token.
        offline = mock.patch.object(KaggleHttpClient, "call", side_effect=ConnectionError)
        with offline, _without_output(), mock.patch.dict(os.environ, quiet, clear=True):
            from kaggle.api.kaggle_api_extended import KaggleApi, ResumableUploadContext, ResumableUploadResult
    except ImportError as error:
        raise InputError(f"the package kaggle: {error}; .venv/bin/pip install -e '.[kaggle]'") from None
    from kagglesdk import KaggleClient
    from kagglesdk.kaggle_env import get_env

    class Client(KaggleApi):
        """The package's client: to the server that the environment names, and with uploads that finish or fail."""

        def __init__(self) -> None:
            self.config_values: dict[str, str] = {}
            self.broken: dict[str, int] = {}

        def build_kaggle_client(self) -> KaggleClient:
            values = self.config_values
            return KaggleClient(
                env=get_env(),  # the package's own method ignores KAGGLE_API_ENVIRONMENT
                username=values.get(self.CONFIG_NAME_USER),
                password=values.get(self.CONFIG_NAME_KEY),
                api_token=values.get(self.CONFIG_NAME_TOKEN),
                response_processor=self.get_response_processor(),
            )

        def upload_complete(self, path: str, url: str, quiet: bool, resume: bool = False) -> Any:
            """Upload the rest of a file; the package leaves out a file whose upload fails, and goes on without it."""
            with _without_output():
                result = super().upload_complete(path, url, quiet, resume)
            if result == ResumableUploadResult.COMPLETE:
                return result
            if result == ResumableUploadResult.FAILED and resume:
                Path(ResumableUploadContext().get_upload_info_file_path(path)).unlink(missing_ok=True)
                raise InputError(f"{path}: Kaggle has dropped the unfinished upload; run the same command again")
            self.broken[path] = self.broken.get(path, 0) + 1
            if self.broken[path] >= TRIES:
                raise InputError(f"{path}: the upload breaks off each time; run the same command again, it resumes")
            pause(self.broken[path])
            return ResumableUploadResult.INCOMPLETE

    return Client

"""Kaggle's credentials: where they may lie, so that they are nowhere else."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

FILES = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")  # in ~/.kaggle or ~/.config/kaggle
VARIABLES = ("KAGGLE_API_TOKEN", "KAGGLE_KEY")
_OTHER_FILES = (".netrc", ".env", ".pypirc", "id_rsa", "id_ed25519")
_SUFFIXES = (".pem", ".p12", ".key")
_TEXTS = re.compile(
    rb"""-----BEGIN [A-Z ]*PRIVATE KEY-----|\bKGAT_[0-9a-f]{16,}|KAGGLE_(?:KEY|API_TOKEN)["']?\s*[=:]\s*["']?\w{16,}"""
    rb"""|"key"\s*:\s*"[0-9a-f]{32}"|"refresh_token"\s*:\s*"[^"]{8,}"|\b(?:ghp|gho|hf|AKIA)_?[A-Za-z0-9]{30,}"""
)
_SHORTEST = 8  # characters; anything shorter is found everywhere


def own_secrets() -> list[str]:
    """Return the secrets that the `kaggle` package would find on this machine, longest first."""
    texts = [os.environ.get(name, "") for name in VARIABLES]
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), "~/.kaggle", "~/.config/kaggle"]
    for folder in filter(None, folders):
        for name in FILES:
            texts += _texts_of(Path(folder).expanduser() / name)
    return sorted({text for text in texts if len(text) >= _SHORTEST}, key=len, reverse=True)


def scrub(text: str) -> str:
    """Return a text without secrets, and without the signature of a signed address."""
    for secret in own_secrets():
        text = text.replace(secret, "***")
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\")]+", r"\1?***", text)


def find_secret(name: str, content: bytes, secrets: Iterable[str]) -> str | None:
    """Return what is private about a file, without showing it; None if nothing is known to be.

    Args:
        name: of the file, with folders.
        content: its bytes.
        secrets: texts that must not be in it, from `own_secrets`.

    Example:
        >>> find_secret("notes/kaggle.json", b"{}", [])
        'its name is that of a file of credentials'
        >>> find_secret("notes.txt", b"nothing", ["s3cr3t-key"]) is None
        True
    """
    base = name.rsplit("/", 1)[-1]
    if base in (*FILES, *_OTHER_FILES) or base.endswith(_SUFFIXES):
        return "its name is that of a file of credentials"
    if any(secret.encode() in content for secret in secrets):
        return "it holds your Kaggle credentials"
    return "it holds what looks like a key or token" if _TEXTS.search(content) else None


def _texts_of(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return []
    if path.suffix != ".json":
        return [text]
    try:
        values = json.loads(text)
    except ValueError:
        return []
    private = ("key", "refresh_token", "access_token")
    return [str(values[name]) for name in private if isinstance(values, dict) and values.get(name)]

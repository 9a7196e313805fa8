"""The project's logger, for everything but results, which scripts print."""

import logging
import sys

logger = logging.getLogger("segmentation")


class _ToStdout(logging.Handler):
    """Writes plain lines to the current stdout, and never into a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # slow to import

        tqdm.write(record.getMessage(), file=sys.stdout)


def log_to_stdout() -> None:
    """Show log lines on stdout, as scripts do; otherwise only warnings appear, on stderr."""
    if not logger.handlers:
        logger.addHandler(_ToStdout())
        logger.propagate = False
    logger.setLevel(logging.INFO)

"""The one logger: what the project has to say besides results, which scripts print."""

import logging
import sys

logger = logging.getLogger("segmentation")


class _ToStdout(logging.Handler):
    """Writes plain lines to whatever stdout is at the time, and never into a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # loads for a while

        tqdm.write(record.getMessage(), file=sys.stdout)


def log_to_stdout() -> None:
    """Show the logger's lines on stdout, as a script does; without it, only warnings appear, on stderr."""
    if not logger.handlers:
        logger.addHandler(_ToStdout())
        logger.propagate = False
    logger.setLevel(logging.INFO)

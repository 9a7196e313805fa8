"""What Batch does with a job: starts its command on a machine, and decides what its exit code means."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common.storage.s3 import open_client

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "aws-batch"
PROGRAMS = {"with-s3": [sys.executable, str(DEPLOY / "with_s3.py")], "python": [sys.executable]}  # as in the image


def command_of(job_id):
    """Return what a job runs."""
    (job,) = open_client("batch").describe_jobs(jobs=[job_id])["jobs"]
    return job["container"]["command"]


def start(command, folder, environment, *, index=None, **more):
    """Start a command of an image in an empty folder, as one of an array if it has an index."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables |= {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), "TQDM_DISABLE": "1"}
    variables |= {"MPLCONFIGDIR": str(Path(tempfile.gettempdir()) / "matplotlib"), **environment, **more}
    if index is not None:
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
    words = [part for word in command for part in PROGRAMS.get(word, [word])]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=folder, env=variables, **pipes)


def finish(process):
    """Wait for a process; return its exit code, stdout, and stderr."""
    try:
        output, errors = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors


def is_tried_again(definition, code, reason="Essential container in task exited"):
    """Return what a job definition says of an attempt that ended."""
    (found,) = open_client("batch").describe_job_definitions(jobDefinitions=[definition])["jobDefinitions"]
    facts = {"onExitCode": str(code), "onStatusReason": reason, "onReason": ""}
    for rule in found["retryStrategy"]["evaluateOnExit"]:
        patterns = {name: pattern for name, pattern in rule.items() if name != "action"}
        if all(_fits(facts[name], pattern) for name, pattern in patterns.items()):
            return rule["action"].lower() == "retry"
    return True


def _fits(text, pattern):
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern

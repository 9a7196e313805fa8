"""Train and predict on AWS Batch, on the stack of stack.yaml. What follows -- is a script's module and its flags.

    S=deploy/aws-batch/submit.py
    python $S train --run small --data s3://BUCKET/train.zip -- rsna.pneumonia train --preset lungfish
    python $S predict --run small --data s3://BUCKET/test.zip --shards 8 -- rsna.pneumonia predict --fuse-views
    python $S status JOB JOB
    python $S collect --run small --output submissions/rsna.csv

A run has its place in the stack's bucket, runs/<run>/: logs/ from training, predictions/ with a CSV for each shard of
the images; collect makes one of them. Submitted again, a stopped run goes on where it was.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser, output_file
from common.storage.files import written_aside
from common.storage.s3 import Place, fetch, one_line, open_client, open_s3

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # what Batch takes, with room for a suffix
SHARD = re.compile(r"part-(\d{5})-of-(\d{5})/")
LONGEST_ARRAY = 10_000


class Stack(NamedTuple):
    """What the commands use of a stack: names, as its outputs give them."""

    bucket: str
    queue: str
    job: str

    def run(self, name: str) -> Place:
        """Return the folder of a run."""
        return Place(self.bucket, f"runs/{name}/")


def train(arguments: Sequence[str]) -> None:
    """Send a training."""
    parser = _parser("train --run NAME --data S3 -- MODULE [flags]")
    _add_job_flags(parser)
    flags = parser.parse_args(arguments)
    stack = find_stack(flags.stack)
    command = train_command(stack.run(flags.run), flags.data, flags.module)
    _submit(stack, f"{flags.run}-train", command, after=flags.after)


def predict(arguments: Sequence[str]) -> None:
    """Send a prediction, as an array of jobs."""
    parser = _parser("predict --run NAME --data S3 --shards N -- MODULE [flags]")
    _add_job_flags(parser)
    add = parser.add_argument
    add("--shards", type=int, default=1, metavar="N", help="machines among which the images are divided (default: 1)")
    help = "fetch no logs, as --weights names weights that come with the project"
    add("--no-logs", action="store_true", help=help)
    flags = parser.parse_args(arguments)
    if not 1 <= flags.shards <= LONGEST_ARRAY:
        raise InputError(f"--shards {flags.shards}: must be 1 to {LONGEST_ARRAY}")
    stack = find_stack(flags.stack)
    command = predict_command(stack.run(flags.run), flags.data, flags.shards, flags.module, logs=not flags.no_logs)
    _submit(stack, f"{flags.run}-predict", command, shards=flags.shards, after=flags.after)


def status(arguments: Sequence[str]) -> None:
    """Print how jobs are."""
    parser = _parser("status JOB ...")
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="as printed when it was sent")
    flags = parser.parse_args(arguments)
    with one_line("AWS Batch"):
        found = {job["jobId"]: job for job in open_client("batch").describe_jobs(jobs=flags.jobs)["jobs"]}
    for job_id in flags.jobs:
        if job_id not in found:
            raise InputError(f"{job_id}: no such job, or it ended more than a week ago")
        print(describe_job(found[job_id]))


def collect(arguments: Sequence[str]) -> None:
    """Make one CSV of those of all shards."""
    parser = _parser("collect --run NAME [flags]")
    add = parser.add_argument
    add("--run", type=_name, required=True, metavar="NAME", help="of the prediction")
    output = Path("submissions/batch.csv")
    add("--output", type=output_file, default=output, metavar="CSV", help=f"the file to write (default: {output})")
    flags = parser.parse_args(arguments)
    place = find_stack(flags.stack).run(flags.run).below("predictions/")
    with tempfile.TemporaryDirectory() as folder:
        fetch(open_s3(), place, Path(folder))
        parts = find_parts(Path(folder), place)
        join_parts(parts, flags.output)
    print(f"wrote {flags.output}: {len(parts)} shards")


def find_stack(name: str) -> Stack:
    """Return what a CloudFormation stack says of itself.

    Raises:
        InputError: there is no such stack, or it is not one of stack.yaml.
    """
    with one_line(f"stack {name}"):
        (stack,) = open_client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
    try:
        return Stack(outputs["Bucket"], outputs["Queue"], outputs["Job"])
    except KeyError as error:
        raise InputError(f"stack {name}: has no output {error}; create it from deploy/aws-batch/stack.yaml") from None


def train_command(run: Place, data: str, module: Sequence[str]) -> list[str]:
    """Return what a machine runs to train.

    Args:
        run: folder of the run.
        data: URL of an object, or of a folder.
        module: of the script, and its flags.
    """
    path = _local(data)
    files = ["--fetch", data, path, "--keep", str(run.below("logs/")), "logs"]
    return ["with-s3", *files, "--", "python", "-m", *module, "--dataset", path, "--logs", "logs"]


def predict_command(run: Place, data: str, shards: int, module: Sequence[str], *, logs: bool) -> list[str]:
    """Return what the machines run to predict; `with_s3.py` puts in their numbers.

    Args:
        run: folder of the run.
        data: URL of an object, or of a folder.
        shards: number of machines.
        module: of the script, and its flags.
        logs: whether the weights are those of the run.
    """
    path = _local(data)
    files = ["--fetch", data, path]
    files += ["--fetch", str(run.below("logs/")), "logs"] if logs else []
    files += ["--keep", str(run.below(f"predictions/part-{{index}}-of-{shards:05}/")), "predictions"]
    given = ["--dataset", path, "--shard", f"{{shard}}/{shards}", "--output", "predictions/part-{index}.csv"]
    given += ["--logs", "logs"] if logs else []
    return ["with-s3", *files, "--", "python", "-m", *module, *given]


def describe_job(job: dict[str, Any]) -> str:
    """Return a line about a job, from what `describe_jobs` says of it."""
    facts = [job["status"].lower()]
    summary = job.get("arrayProperties", {}).get("statusSummary", {})
    facts += [f"{count} {state.lower()}" for state, count in summary.items() if count]
    if attempts := len(job.get("attempts", ())):
        facts.append(f"{attempts} attempts")
    reason = job.get("container", {}).get("reason") or job.get("statusReason")
    return f"{job['jobName']} {job['jobId']}: {', '.join(facts)}" + (f" ({reason})" if reason else "")


def find_parts(folder: Path, place: Place) -> list[Path]:
    """Return the CSVs of all shards in their order.

    Args:
        folder: a copy of the run's predictions.
        place: where they come from, for the message.

    Raises:
        InputError: shards are missing, or are those of two divisions.
    """
    found = {path.parent.name: path for path in folder.glob("part-*/part-*.csv")}
    counts = {int(match[2]) for path in folder.glob("part-*") if (match := SHARD.fullmatch(f"{path.name}/"))}
    if len(counts) != 1:
        raise InputError(f"{place}: holds shards of {sorted(counts)} divisions; delete all but one, or predict again")
    (count,) = counts
    names = [f"part-{index:05}-of-{count:05}" for index in range(count)]
    if missing := [name for name in names if name not in found]:
        raise InputError(f"{place}: {len(missing)} of {count} shards are not done, such as {missing[0]}; wait for them")
    return [found[name] for name in names]


def join_parts(parts: Sequence[Path], output: Path) -> None:
    """Write the rows of several CSVs with the same columns into one.

    Raises:
        InputError: the columns differ.
    """
    with written_aside(output) as aside, aside.open("wb") as file:
        first = b""
        for part in parts:
            with part.open("rb") as rows:
                header = rows.readline()
                if not first:
                    file.write(header)
                first = first or header
                if header != first:
                    raise InputError(f"{part.name}: has other columns than {parts[0].name}; predict again")
                shutil.copyfileobj(rows, file)


def _submit(stack: Stack, name: str, command: Sequence[str], *, shards: int = 1, after: Sequence[str]) -> None:
    others: dict[str, Any] = {"arrayProperties": {"size": shards}} if shards > 1 else {}
    with one_line(f"queue {stack.queue}"):
        sent = open_client("batch").submit_job(
            jobName=name,
            jobQueue=stack.queue,
            jobDefinition=stack.job,
            containerOverrides={"command": list(command)},
            dependsOn=[{"jobId": job_id} for job_id in after],
            **others,
        )
    print(f"sent {name}: job {sent['jobId']}" + (f", {shards} shards" if shards > 1 else ""))


def _parser(usage: str) -> OneLineParser:
    parser = OneLineParser(__doc__, f"%(prog)s {usage}")
    parser.add_argument(
        "--stack", default="segmentation", metavar="NAME", help="of CloudFormation (default: %(default)s)"
    )
    return parser


def _add_job_flags(parser: OneLineParser) -> None:
    add = parser.add_argument
    add("--run", type=_name, required=True, metavar="NAME", help="the run's name, and its folder in the bucket")
    help = "what becomes --dataset: an object such as a zip, or all below s3://BUCKET/folder/"
    add("--data", type=_url, required=True, metavar="S3", help=help)
    add("--after", action="append", default=[], metavar="JOB", help="begin when this job has succeeded")
    add("module", nargs="+", metavar="MODULE", help="such as dsb.my_train_1, and its flags")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise InputError(f"--run {text}: give letters, digits, - and _, at most 100")
    return text


def _url(text: str) -> str:
    return str(Place.parse(text))


def _local(data: str) -> str:
    """Return where data lie on the machine; an archive keeps its name."""
    return "data" if Place.parse(data).is_folder() else f"data/{data.rpartition('/')[2]}"


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "predict": predict,
    "status": status,
    "collect": collect,
}

if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, COMMANDS))

"""A stack, its jobs, and runs that survive the loss of their machines: commands as Batch would start them."""

import re
import runpy
import signal
import sys
import time
import zipfile

import h5py
import numpy as np
import pytest

from common.runs.checkpoint import progress_saved
from common.storage.s3 import open_client, open_s3
from tests.chests import write_plain
from tests.deploy.machines import DEPLOY, command_of, finish, is_tried_again, start

TINY = ["--preset", "small", "--image-size", "32", "--channels", "16,16", "--batch-size", "2", "--no-bfloat16"]
TINY += ["--steps-per-epoch", "300", "--epochs", "1", "--validation-steps", "1", "--score-every", "0"]


@pytest.fixture
def submit(stack, monkeypatch, capsys):
    """Run submit.py; returns its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(DEPLOY / "submit.py"), *map(str, arguments)])
        capsys.readouterr()
        try:
            runpy.run_path(str(DEPLOY / "submit.py"), run_name="__main__")
        except SystemExit as stop:
            return stop.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def job_of(sent):
    code, output, errors = sent
    assert (code, errors) == (0, "")
    return re.search(r"job (\S+?),? ", f"{output} ".replace("\n", " "))[1]


@pytest.fixture
def data(stack, tmp_path):
    """A set of radiographs in the bucket, as a zip."""
    folder = write_plain(tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
    open_s3().upload_file(str(tmp_path / "set.zip"), stack["Bucket"], "data/set.zip")
    return f"s3://{stack['Bucket']}/data/set.zip"


def weights_of(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, one: found.update({name: one[()]}) if isinstance(one, h5py.Dataset) else None)
    return found


def test_the_stack_runs_jobs_on_spot_machines_that_nobody_reaches(stack):
    batch, ec2 = open_client("batch"), open_client("ec2")
    (queue,) = batch.describe_job_queues(jobQueues=[stack["Queue"]])["jobQueues"]
    (place,) = queue["computeEnvironmentOrder"]
    (environment,) = batch.describe_compute_environments(computeEnvironments=[place["computeEnvironment"]])[
        "computeEnvironments"
    ]
    resources = environment["computeResources"]
    assert (resources["type"], resources["minvCpus"]) == ("SPOT", 0)
    (group,) = ec2.describe_security_groups(GroupIds=resources["securityGroupIds"])["SecurityGroups"]
    assert group["IpPermissions"] == []
    template = resources["launchTemplate"]["launchTemplateId"]
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    options = version["LaunchTemplateData"]["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)


@pytest.mark.parametrize(
    ("code", "reason", "again"),
    [
        (143, "Essential container in task exited", True),  # stopped, and its state is saved
        (137, "Host EC2 (instance i-0123456789abcdef0) terminated.", True),  # taken before it could stop
        (137, "Essential container in task exited", False),  # out of memory
        (2, "Essential container in task exited", False),  # bad input
        (1, "Essential container in task exited", False),
    ],
)
def test_what_is_tried_again(stack, code, reason, again):
    assert is_tried_again(stack["Job"], code, reason) == again


def test_jobs_are_sent_and_described(submit, stack):
    bucket, url = stack["Bucket"], "s3://elsewhere/folder/"
    first = submit("train", "--run", "small", "--data", url, "--", "rsna.pneumonia", "train", "--preset", "lungfish")
    train = job_of(first)
    assert first[1] == f"sent small-train: job {train}\n"
    assert command_of(train) == [
        *("with-s3", "--fetch", url, "data", "--keep", f"s3://{bucket}/runs/small/logs/", "logs", "--"),
        *("python", "-m", "rsna.pneumonia", "train", "--preset", "lungfish", "--dataset", "data", "--logs", "logs"),
    ]
    flags = ["--run", "small", "--data", "s3://b/test.zip", "--shards", 8, "--after", train, "--no-logs"]
    second = submit("predict", *flags, "--", "dsb.my_inference", "--weights", "small")
    predict = job_of(second)
    assert second[1] == f"sent small-predict: job {predict}, 8 shards\n"
    (job,) = open_client("batch").describe_jobs(jobs=[predict])["jobs"]
    assert job["arrayProperties"]["size"] == 8
    assert [one["jobId"] for one in job["dependsOn"]] == [train]
    assert command_of(predict) == [
        *("with-s3", "--fetch", "s3://b/test.zip", "data/test.zip"),
        *("--keep", f"s3://{bucket}/runs/small/predictions/part-{{index}}-of-00008/", "predictions", "--"),
        *("python", "-m", "dsb.my_inference", "--weights", "small", "--dataset", "data/test.zip"),
        *("--shard", "{shard}/8", "--output", "predictions/part-{index}.csv"),
    ]
    code, output, errors = submit("status", train, predict)
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"small-train {train}: ") and lines[1].startswith(f"small-predict {predict}: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--run", "a/b", "--data", "s3://b/a", "--", "x"], "--run a/b: give letters, digits, - and _"),
        (["train", "--run", "a", "--data", "a.zip", "--", "x"], "a.zip: not on S3; give s3://bucket/name"),
        (["train", "--run", "a", "--data", "s3://b/a"], "the following arguments are required: MODULE"),
        (["predict", "--run", "a", "--data", "s3://b/a", "--shards", "0", "--", "x"], "--shards 0: must be 1 to 10000"),
        (["status", "none"], "none: no such job, or it ended more than a week ago"),
        (["collect", "--run", "none"], "/runs/none/predictions/: holds nothing"),
        (["collect", "--run", "a", "--stack", "none"], "stack none: .*does not exist"),
        (["send"], "invalid choice: 'send'"),
    ],
)
def test_bad_input_is_one_line(submit, arguments, message):
    code, _, errors = submit(*arguments)
    assert code == 2
    assert errors.count("\n") == 1
    assert re.search(message, errors)


def test_shards_are_collected_when_all_are_done(submit, stack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def put(name, content):
        open_s3().put_object(Bucket=stack["Bucket"], Key=f"runs/parts/predictions/{name}", Body=content)

    put("part-00001-of-00002/part-00001.csv", "id,runs\nb,\n")
    put("part-00000-of-00002/part-00000.csv.partial", "half of it")
    code, _, errors = submit("collect", "--run", "parts")
    assert code == 2 and "1 of 2 shards are not done, such as part-00000-of-00002; wait for them" in errors
    put("part-00000-of-00002/part-00000.csv", "id,runs\na,1 2\na,4 2\n")
    code, output, errors = submit("collect", "--run", "parts", "--output", "all.csv")
    assert (code, output, errors) == (0, "wrote all.csv: 2 shards\n", "")
    assert (tmp_path / "all.csv").read_text() == "id,runs\na,1 2\na,4 2\nb,\n"
    put("part-00000-of-00002/part-00000.csv", "id,score\na,1\n")
    assert "part-00001.csv: has other columns than part-00000.csv" in submit("collect", "--run", "parts")[2]
    put("part-00000-of-00003/part-00000.csv", "id,runs\n")
    assert "holds shards of [2, 3] divisions" in submit("collect", "--run", "parts")[2]


@pytest.mark.slow
def test_a_training_survives_its_machine_and_its_shards_are_one_prediction(
    submit, stack, data, environment, tmp_path, monkeypatch
):
    """Stopped within an epoch, it goes on elsewhere, and ends with the weights of a run that never stopped."""
    monkeypatch.chdir(tmp_path)
    module = ["--", "lung.train", *TINY]
    jobs = [job_of(submit("train", "--run", run, "--data", data, *module)) for run in ("taken", "undisturbed")]
    taken, undisturbed = map(command_of, jobs)
    machine = [tmp_path / f"machine-{number}" for number in range(4)]

    process = start(taken, machine[0], environment)
    deadline = time.monotonic() + 200
    while not list((machine[0] / "logs" / "lung").glob("events*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, output, errors = finish(process)
    seconds = time.monotonic() - begin
    assert code == 143, errors
    assert seconds < 60
    assert is_tried_again(stack["Job"], code)
    epochs, steps = progress_saved(machine[0] / "logs" / "lung")
    assert epochs == 0 and 0 < steps < 300
    assert f"saved after 0 epochs and {steps} of 300 steps" in output

    code, output, errors = finish(start(taken, machine[1], environment))
    assert code == 0, errors
    assert f"resuming after 0 of 1 epochs and {steps} steps" in output
    code, _, errors = finish(start(undisturbed, machine[2], environment))
    assert code == 0, errors
    weights, expected = (weights_of(one / "logs" / "lung" / "last.h5") for one in machine[1:3])
    assert weights.keys() == expected.keys() and weights
    assert all(np.array_equal(weights[name], expected[name]) for name in weights)

    prediction = ["--", "lung.predict", "--skip-bad"]
    sent = submit("predict", "--run", "taken", "--data", data, "--shards", 2, *prediction)
    for index in range(2):
        code, _, errors = finish(start(command_of(job_of(sent)), machine[3] / str(index), environment, index=index))
        assert code == 0, errors
    assert submit("collect", "--run", "taken", "--output", "all.csv")[0] == 0
    alone = ["python", "-m", *prediction[1:], "--dataset", str(tmp_path / "set.zip"), "--output", "alone.csv"]
    code, _, errors = finish(start(alone, machine[1], environment))
    assert code == 0, errors
    assert (tmp_path / "all.csv").read_bytes() == (machine[1] / "alone.csv").read_bytes()

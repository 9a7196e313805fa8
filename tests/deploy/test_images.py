"""The Dockerfiles, what goes into them, and the commands of compose.yaml."""

import configparser
import fnmatch
import importlib.util
import subprocess
import sys

import pytest
import yaml

from tests.deploy.machines import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
# A flag's value is no flag of the script's own.
MODULES = [(name, one["entrypoint"][2:] + one["command"]) for name, one in SERVICES.items() if "entrypoint" in one]


def lines_of(name):
    return (ROOT / name).read_text().splitlines()


def test_both_images_are_made_in_the_same_way():
    """All but the comment on top, the list of packages, and what an NVIDIA GPU needs."""
    cpu = [line.replace("cpu.txt", "gpu.txt").rstrip(" \\") for line in lines_of("Dockerfile")[2:]]
    gpu = [line.rstrip(" \\") for line in lines_of("Dockerfile.gpu")[2:]]
    assert [line for line in gpu if line not in cpu] == [
        "    KERAS_BACKEND=jax",
        "    NVIDIA_VISIBLE_DEVICES=all",
        "    NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ]
    assert [line for line in cpu if line not in gpu] == []


def test_nothing_of_the_wheel_is_left_out():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = setup["options.packages.find"]["include"].replace("*", "").split(", ")
    needed = [*packages, "deploy", "requirements", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]
    ignored = [line.lstrip("/") for line in lines_of(".dockerignore") if line and line[0] not in "#!"]
    assert [name for name in needed if any(fnmatch.fnmatch(name, pattern) for pattern in ignored)] == []
    assert "tests" in ignored and ".*" in ignored


@pytest.mark.parametrize("name", ["cpu.txt", "gpu.txt"])
def test_every_package_has_one_version_and_hashes(name):
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line and line.lstrip()[0] != "#"]
    assert len(packages) > 50
    assert all("==" in line and "--hash=sha256:" in line for line in packages)
    for backend, of in (("tensorflow-cpu==", "cpu.txt"), ("jax-cuda12-plugin==", "gpu.txt")):
        assert any(line.startswith(backend) for line in packages) == (name == of)


def test_images_have_the_versions_that_are_tested():
    tested, cpu, gpu = (pins_of(name) for name in ("lock.txt", "cpu.txt", "gpu.txt"))
    assert sorted(cpu - tested) == []
    assert [pin for pin in sorted(gpu - tested) if not pin.startswith(("jax-cuda12-", "nvidia-"))] == []


def pins_of(name):
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line.split(" ")[0] for line in lines if "==" in line and line[0] not in " #"}


def test_ports_are_open_to_this_machine_only():
    ports = [port for one in SERVICES.values() for port in one.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_nothing_runs_with_privileges():
    for name, one in SERVICES.items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in one and "1000" in one["user"], name
        for dockerfile in ("Dockerfile", "Dockerfile.gpu"):
            assert "USER 1000" in lines_of(dockerfile)


@pytest.mark.parametrize(("service", "words"), MODULES)
def test_modules_have_the_flags_that_they_are_given(service, words):
    module, *arguments = words
    assert importlib.util.find_spec(module)
    command = [sys.executable, "-m", module, "--help"]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    flags = [word for word in arguments if word.startswith("--")]
    assert flags and [flag for flag in flags if f"{flag} " not in text] == []

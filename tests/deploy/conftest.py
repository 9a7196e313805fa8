"""A stack of stack.yaml, in AWS as moto plays it on this machine."""

import sys

import pytest

from common.storage.s3 import open_client
from tests.aws import aws_here
from tests.deploy.machines import DEPLOY

# What moto demands where AWS does not: a role, which AWS has itself, and a list that is no default.
DEMANDED = ("      Type: MANAGED\n", "      Type: MANAGED\n      ServiceRole: !GetAtt InstanceRole.Arn\n")
INSTANCES = "g5.xlarge,g4dn.xlarge"


@pytest.fixture(scope="module")
def environment():
    """The environment that leads boto3 to an AWS of this module's own."""
    with aws_here() as variables:
        yield variables


@pytest.fixture
def aws(environment, monkeypatch):
    """Let boto3 find AWS here, and tests import the scripts."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", [str(DEPLOY), *sys.path])


@pytest.fixture
def stack(aws):
    """The stack, by its outputs; made once a module."""
    client = open_client("cloudformation")
    if not client.list_stacks()["StackSummaries"]:
        ec2 = open_client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]]
        chosen = {"Image": "nowhere/segmentation:gpu", "Vpc": ec2.describe_vpcs()["Vpcs"][0]["VpcId"]}
        chosen |= {"Subnets": ",".join(subnets), "InstanceTypes": INSTANCES}
        client.create_stack(
            StackName="segmentation",
            TemplateBody=(DEPLOY / "stack.yaml").read_text().replace(*DEMANDED),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in chosen.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
    (made,) = client.describe_stacks(StackName="segmentation")["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in made["Outputs"]}

"""The plain AWS CLI through the signing proxy, against the deployment with IAM
enforced: Cadastre makes VPCs out of pools, and EC2 makes the others. proxy_test.go
tests the signatures and the other routes of the proxy."""

import json
import re
import subprocess

import pytest

import network
from conftest import build, until
from test_network import OSAKA, members  # noqa: F401: a fixture
from test_vpcs import PROD, gone, vpcs, world  # noqa: F401: a fixture

pytestmark = pytest.mark.emulator


class Proxy:
    """The program, started like in shared/client/README.md."""

    def __init__(self, backend, log):
        self.backend, self.principal, self.log = backend, backend.principals["admin"], log
        self.process = subprocess.Popen(
            [str(build("cadastre", "./shared/cmd/cadastre")), "proxy", "--endpoint", backend.endpoint, "--region", backend.region,
             "--listen", "127.0.0.1:0", "--ec2-endpoint", backend.emulator],
            env=backend.base_env(self.principal, backend.region), stdout=subprocess.PIPE, stderr=open(log, "w"), text=True)
        name, _, self.address = self.process.stdout.readline().strip().partition("=")
        assert name == "export AWS_ENDPOINT_URL_EC2", log.read_text()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(120) == 0, self.log.read_text()

    def cli(self, *arguments, region=OSAKA):
        """Returns the output of `aws ec2`: JSON, or the text of its failure."""
        env = {**self.backend.base_env(self.principal, region), "AWS_ENDPOINT_URL_EC2": self.address}
        done = subprocess.run([self.backend.aws, "ec2", *arguments, "--output", "json"], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        return json.loads(done.stdout or "null") if done.returncode == 0 else done.stderr

    def calls(self):
        """Returns the calls so far, each with its destination."""
        return re.findall(r"action=(\S+) target=(\S+)", self.log.read_text())


@pytest.fixture
def proxy(backend, tmp_path):
    p = Proxy(backend, tmp_path / "proxy.log")
    yield p
    p.stop()


def test_vpcs_by_the_plain_cli(world, proxy):  # noqa: F811
    pool = world.pool("10.13.0.0/16", Locale=OSAKA, AllocationResourceTags=PROD)
    tags = ("--tag-specifications", "ResourceType=vpc,Tags=[{Key=environment,Value=prod}]")
    made = proxy.cli("create-vpc", "--ipv4-ipam-pool-id", pool, "--ipv4-netmask-length", "24", *tags)["Vpc"]
    assert made["CidrBlock"] == "10.13.0.0/24"
    refusal = proxy.cli("create-vpc", "--ipv4-ipam-pool-id", pool, "--ipv4-netmask-length", "24")
    assert "(InvalidParameterValue)" in refusal and "environment=prod" in refusal
    plain = proxy.cli("create-vpc", "--cidr-block", "172.16.0.0/24")["Vpc"]
    assert plain["CidrBlock"] == "172.16.0.0/24"
    listed = proxy.cli("describe-vpcs")["Vpcs"]
    assert proxy.calls() == [("CreateVpc", "cadastre"), ("CreateVpc", "cadastre"), ("CreateVpc", "ec2"), ("DescribeVpcs", "ec2")]

    assert {v["VpcId"]: v["CidrBlock"] for v in listed} == {made["VpcId"]: "10.13.0.0/24", plain["VpcId"]: "172.16.0.0/24"}
    assert vpcs(network.OWNER, OSAKA).keys() == {made["VpcId"], plain["VpcId"]}
    assert {c: (a["ResourceType"], a["ResourceId"]) for c, a in world.allocations(pool).items()} == {"10.13.0.0/24": ("vpc", made["VpcId"])}
    world.discover()
    gone(world, network.OWNER, OSAKA, made["VpcId"], pool)


def test_deletions_are_reported(world, proxy):  # noqa: F811
    """The deletions have no event, and discovery does not run: the proxy's report
    frees the space of a VPC that discovery has seen, and of one that it has not."""
    pool = world.pool("10.14.0.0/16", Locale=OSAKA)
    for seen in (False, True):
        made = proxy.cli("create-vpc", "--ipv4-ipam-pool-id", pool, "--ipv4-netmask-length", "24")["Vpc"]
        assert made["CidrBlock"] == "10.14.0.0/24"
        if seen:
            world.discover()
        assert list(world.allocations(pool)) == ["10.14.0.0/24"]
        assert not isinstance(proxy.cli("delete-vpc", "--vpc-id", made["VpcId"]), str)
        until(lambda: world.allocations(pool) == {}, "the space to be free by the report", 20)
    assert "deletion not reported" not in proxy.log.read_text()

"""Runs the commands of the READMEs as they are printed there.

README.md has the main job, shared/client/README.md an example for each caller.
test_network.py runs those of shared/discover/README.md, test_requests.py those
of infra/README.md.
"""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import uuid

import pytest

import network
from conftest import ROOT, remove_pool, until

CALLERS = "shared/client/README.md"


def snippets(section, language, readme="README.md"):
    """Returns the code blocks of a language in a section of a README."""
    text = (ROOT / readme).read_text()
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```", body, re.DOTALL | re.MULTILINE)


@pytest.fixture(params=["", "/"], ids=["no-slash", "slash"])
def endpoint(request, backend):
    """The API's address without and with a slash at its end. CloudFormation's
    output ApiUrl has one."""
    return backend.endpoint.rstrip("/") + request.param


@functools.cache
def caches():
    """Returns the directories of Go's caches, which are not in the CLI's home."""
    names = ["GOCACHE", "GOMODCACHE", "GOPATH"]
    found = subprocess.run(["go", "env", *names], capture_output=True, text=True, check=True).stdout
    return dict(zip(names, found.splitlines()))


def run(backend, principal, command, region=None, **variables):
    """Runs a command and returns its status and its output. Processes that the
    command leaves behind end with it."""
    env = {**backend.base_env(principal, region or backend.region), **caches(), "PYTHONDONTWRITEBYTECODE": "1",
           "ENDPOINT": backend.endpoint, "REGION": backend.region, "PATH": backend.path, **variables}
    if backend.kind == "emulator":
        env["AWS_ENDPOINT_URL"] = backend.emulator
    with tempfile.TemporaryFile("w+") as out:  # a pipe would stay open as long as a process that is left behind
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(600)
        finally:
            try:
                os.killpg(process.pid, signal.SIGTERM)  # the command has a session of its own
            except ProcessLookupError:
                pass
        out.seek(0)
        return status, out.read()


def example(backend, api, section, **variables):
    """Runs the shell block of a caller's section and returns its output."""
    (script,) = snippets(section, "sh", CALLERS)
    status, printed = run(backend, api.principal, ["bash", "-euo", "pipefail", "-c", script], **variables)
    assert status == 0, printed
    return printed


def allocations(api, pool):
    return {a["Cidr"]: a for a in api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"]}


@pytest.mark.emulator
def test_main_job(backend, api):
    """Also makes the pool for the examples. The commands make their own IPAM, so
    this test runs before the module has one."""
    (script,) = snippets("The main job", "sh")
    (pool,) = snippets("A pool for the examples", "sh", CALLERS)
    status, printed = run(backend, api.principal, ["bash", "-euo", "pipefail", "-c", script + pool])
    assert status == 0, printed
    assert [json.loads(f"[{out}]")[0] for out in re.findall(r'"(?:Cidr|State|Success)": (.+?),?$', printed, re.MULTILINE)] == [
        "10.0.0.0/12", "provisioned", "10.0.0.0/14", "provisioned", "10.0.0.0/24", True, "10.16.0.0/16", "provisioned"]
    (ipam,) = api.call("DescribeIpams")["Ipams"]
    api.call("DeleteIpam", IpamId=ipam["IpamId"], Cascade=True)
    until(lambda: api.call("DescribeIpams")["Ipams"] == [], "the IPAM to be gone")


@pytest.mark.front
def test_main_job_on_aws(backend, api, endpoint):
    """Changes the commands for AWS as the README says: API Gateway refuses a
    signature for another Region than the API's. The commands make their own IPAM."""
    (script,) = snippets("The main job", "sh")
    changed = script.replace("aws ec2 ", "aws cadastre ").replace(" --region ap-northeast-1", "")
    where = {"AWS_ENDPOINT_URL_CADASTRE": endpoint}
    status, printed = run(backend, api.principal, ["bash", "-euo", "pipefail", "-c", changed], **where)
    assert status == 0, printed
    assert re.findall(r'"Cidr": "(.+?)"', printed) == ["10.0.0.0/12", "10.0.0.0/14", "10.0.0.0/24"]
    pools = {p["Locale"]: p["IpamPoolId"] for p in api.call("DescribeIpamPools")["IpamPools"]}
    elsewhere = ["aws", "cadastre", "allocate-ipam-pool-cidr", "--region", "ap-northeast-1", "--ipam-pool-id", pools["ap-northeast-1"]]
    status, printed = run(backend, api.principal, elsewhere, **where)
    assert status != 0 and "Credential should be scoped to a valid region" in printed, printed
    for locale in ("ap-northeast-1", "None"):
        remove_pool(api, pools[locale])
    (ipam,) = api.call("DescribeIpams")["Ipams"]
    api.call("DeleteIpam", IpamId=ipam["IpamId"])


@pytest.mark.front
def test_aws_cli(backend, api, make_pool, endpoint):
    pool = make_pool("10.0.0.0/16")
    first = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=24)["IpamPoolAllocation"]
    printed = example(backend, api, "AWS CLI", POOL=pool, ENDPOINT=endpoint)
    assert '"Cidr": "10.0.1.0/24"' in printed, printed
    made = allocations(api, pool)["10.0.1.0/24"]
    assert made["Tags"] == [{"Key": "cadastre:stable-key", "Value": "payments"}]

    # The key's allocation gets its CIDR again, although a lower one is free.
    for a in (first, made):
        api.call("ReleaseIpamPoolAllocation", IpamPoolId=pool, Cidr=a["Cidr"], IpamPoolAllocationId=a["IpamPoolAllocationId"])
    assert '"Cidr": "10.0.1.0/24"' in example(backend, api, "AWS CLI", POOL=pool, ENDPOINT=endpoint)


@pytest.mark.front
def test_boto3(backend, api, make_pool, endpoint):
    pool = make_pool("10.0.0.0/16", Locale="ap-northeast-1")
    (script,) = snippets("boto3", "python", CALLERS)
    assert run(backend, api.principal, [sys.executable, "-c", script], region="eu-west-1", ENDPOINT=endpoint) == (0, f"{pool} 10.0.0.0/24\n")

    # The header decides on the caller's Region.
    elsewhere = script.replace('"X-Cadastre-Region", "ap-northeast-1"', '"X-Cadastre-Region", "ap-northeast-3"')
    assert elsewhere != script
    status, printed = run(backend, api.principal, [sys.executable, "-c", elsewhere], region="eu-west-1", ENDPOINT=endpoint)
    assert status != 0 and "ap-northeast-3" in printed, printed


@pytest.mark.front
def test_go(backend, api, make_pool, tmp_path, endpoint):
    pool = make_pool("10.0.0.0/16")
    (program,) = snippets("Go", "go", CALLERS)
    (tmp_path / "main.go").write_text(program)
    assert run(backend, api.principal, ["go", "run", str(tmp_path / "main.go")], POOL=pool, ENDPOINT=endpoint) == (0, "10.0.0.0/24\n")
    assert list(allocations(api, pool)) == ["10.0.0.0/24"]


@pytest.mark.front
def test_curl(backend, api, make_pool, endpoint):
    pool = make_pool("10.0.0.0/16")
    made = json.loads(example(backend, api, "curl", POOL=pool, ENDPOINT=endpoint))["IpamPoolAllocation"]
    assert (made["Cidr"], made["Tags"]) == ("10.0.0.0/24", [{"Key": "cadastre:stable-key", "Value": "payments"}])
    assert list(allocations(api, pool)) == ["10.0.0.0/24"]


@pytest.mark.front
def test_proxy(backend, api, make_pool, endpoint):
    pool = make_pool("10.0.0.0/16")
    printed = example(backend, api, "Terraform, Pulumi and the plain AWS CLI", POOL=pool, ENDPOINT=endpoint)
    assert '"Cidr": "10.0.0.0/24"' in printed, printed
    assert list(allocations(api, pool)) == ["10.0.0.0/24"]


# On the emulator each pool has a CIDR of its own: the scheduled discovery may find
# the VPCs, and a hold keeps their space until discovery sees that they are gone.


@pytest.mark.emulator
def test_cloudformation(backend, api, make_pool):
    pool = make_pool("10.1.0.0/16", Locale=backend.region, AllocationDefaultNetmaskLength=24,
                     TagSpecifications=[{"ResourceType": "ipam-pool", "Tags": [{"Key": "environment", "Value": "development"}]}])
    cloudformation = network.client("cloudformation")
    service = {o["OutputKey"]: o["OutputValue"] for o in cloudformation.describe_stacks(StackName="cadastre-service")["Stacks"][0]["Outputs"]}
    example(backend, api, "CloudFormation", SERVICE_TOKEN=service["CustomResourceFunctionArn"])
    outputs = {o["OutputKey"]: o["OutputValue"] for o in cloudformation.describe_stacks(StackName="payments")["Stacks"][0]["Outputs"]}
    assert (outputs["IpamPoolId"], outputs["Cidr"]) == (pool, "10.1.0.0/24")
    assert list(allocations(api, pool)) == ["10.1.0.0/24"]
    cloudformation.delete_stack(StackName="payments")
    until(lambda: allocations(api, pool) == {}, "the stack to be deleted")


@pytest.mark.emulator
def test_event(backend, api, make_pool):
    pool = make_pool("10.2.0.0/16")
    printed = example(backend, api, "An event", POOL=pool, BUS=network.bus(), REQUEST=uuid.uuid4().hex)
    assert json.loads(printed)["FailedEntryCount"] == 0
    until(lambda: list(allocations(api, pool)) == ["10.2.0.0/24"], "the allocation")


@pytest.mark.emulator
def test_workflow(backend, api, make_pool):
    pool = make_pool("10.3.0.0/16")
    variables = {"POOL": pool, "DIRECT_FUNCTION": network.function("direct"), "REQUEST": uuid.uuid4().hex}
    for _ in range(2):  # sends the same request twice
        printed = example(backend, api, "A workflow", **variables)
        assert '"IpamPoolAllocation"' in printed and '"10.3.0.0/24"' in printed, printed
    assert list(allocations(api, pool)) == ["10.3.0.0/24"]


@pytest.mark.emulator
def test_vpc(backend, api, ipam, make_pool):
    pool = make_pool("10.4.0.0/16", Locale=backend.region)
    (cli,) = snippets("AWS CLI", "sh", CALLERS)
    install = "\n".join(line for line in cli.splitlines() if not line.startswith("aws cadastre"))
    assert run(backend, api.principal, ["bash", "-euo", "pipefail", "-c", install])[0] == 0
    vpc = json.loads(example(backend, api, "A VPC from a pool", POOL=pool))["Vpc"]
    assert vpc["CidrBlock"] == "10.4.0.0/24"
    [made] = allocations(api, pool).values()
    assert (made["Cidr"], made["ResourceType"], made["ResourceId"]) == ("10.4.0.0/24", "vpc", vpc["VpcId"])
    where = (network.OWNER, network.HOME)
    network.tell(*where, "CreateVpc", {}, {"Vpc": network.client("ec2", *where).describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]})
    until(lambda: api.call("GetIpamResourceCidrs", IpamScopeId=ipam["PrivateDefaultScopeId"], ResourceId=vpc["VpcId"])["IpamResourceCidrs"], "the VPC to be seen")
    network.change(*where, "DeleteVpc", VpcId=vpc["VpcId"])
    until(lambda: allocations(api, pool) == {}, "the VPC to be gone")

"""The runbook's restore of the table. A copy of the table, taken at a moment, is the
restored one; the deployment's own table is the one that was in use since."""

import json
import os
import subprocess
import time

import boto3
import pytest

from conftest import build, ROOT


@pytest.fixture
def dynamodb(backend):
    _, endpoint = backend.table()
    env = backend.table_env()
    return boto3.client("dynamodb", endpoint_url=endpoint, region_name=backend.region,
                        aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])


@pytest.fixture
def copy(backend, dynamodb):
    """Copies the table into a new one, and returns its name. The copy is deleted after the
    test."""
    name, _ = backend.table()
    restored = f"{name}-restored"

    def run():
        time.sleep(1.1)  # tables have whole seconds of creation on some services
        dynamodb.create_table(
            TableName=restored, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in ("PK", "SK")],
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}])
        dynamodb.get_waiter("table_exists").wait(TableName=restored, WaiterConfig={"Delay": 1})
        for page in dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
            for item in page["Items"]:
                dynamodb.put_item(TableName=restored, Item=item)
        return restored

    yield run
    dynamodb.delete_table(TableName=restored)


def test_a_restore_step_by_step(backend, api, ipam, make_pool, copy, dynamodb, tmp_path):
    name, endpoint = backend.table()
    env = {**os.environ, **backend.table_env()}

    def tool(package, *arguments, stdin=None):
        binary = build(package.rsplit("/", 1)[1], package)
        return subprocess.run([str(binary), *arguments], env=env, input=stdin, capture_output=True, text=True, cwd=ROOT)

    def fsck(*arguments):
        return tool("./shared/cmd/cadastre", "fsck", "--table", restored, "--dynamodb-endpoint", endpoint, *arguments)

    def putback(*arguments, stdin):
        return tool("./infra/cmd/putback", *arguments, "-endpoint", endpoint, stdin=stdin)

    def in_order():
        done = fsck()
        assert done.returncode == 0, done.stdout + done.stderr

    pool = make_pool("10.0.0.0/16")
    kept = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, Cidr="10.0.0.0/24", ClientToken="kept")["IpamPoolAllocation"]
    restored = copy()

    tags = [{"ResourceType": "ipam-pool", "Tags": [{"Key": "team", "Value": "net"}]}]
    child = make_pool(SourceIpamPoolId=pool, Description="since", TagSpecifications=tags)
    api.call("ProvisionIpamPoolCidr", IpamPoolId=child, Cidr="10.0.64.0/20")
    lost = [api.call("AllocateIpamPoolCidr", IpamPoolId=p, Cidr=c, Description="since", ClientToken=c)["IpamPoolAllocation"]
            for p, c in ((pool, "10.0.1.0/24"), (pool, "10.0.2.0/24"), (child, "10.0.65.0/24"))]

    in_order()
    file = tmp_path / "lost.jsonl"
    listed = fsck("--lost-since", name, "--losses", str(file))
    assert listed.returncode == 0, listed.stdout + listed.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(l["how"], l["kind"]) for l in lines] == [
        ("missing", "pool"), ("missing", "allocation"), ("missing", "allocation"), ("missing", "pool-cidr"), ("missing", "allocation")]
    assert lines[0]["id"] == child and lines[0]["description"] == "since" and lines[0]["tags"] == {"team": "net"}
    assert [l["id"] for l in lines if l["kind"] == "allocation"] == [a["IpamPoolAllocationId"] for a in lost]

    for outcome in ("put back", "there already"):
        done = putback("-table", restored, "-from", name, stdin=file.read_text())
        assert done.returncode == 0, done.stdout + done.stderr
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == [outcome] * 5 + ["5 back, 0 not"]
        in_order()
    again = fsck("--lost-since", name)
    assert again.stdout == "0 missing, 0 different, 0 returned\n", again.stdout + again.stderr

    mark = dynamodb.get_item(TableName=restored, Key={"PK": {"S": "RESTORES"}, "SK": {"S": "META"}})["Item"]
    assert len(json.loads(mark["Restores"]["S"])) == 1
    assert kept["Cidr"] == "10.0.0.0/24"
    swapped = putback("-table", name, "-from", restored, stdin="")
    assert swapped.returncode == 2 and "is older than" in swapped.stderr, swapped.stdout + swapped.stderr

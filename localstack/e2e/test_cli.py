"""Every operation through the real AWS CLI."""

import pytest


def test_main_job(api, backend):
    cli = api.cli
    ipam = cli("create-ipam", "--operating-regions", "RegionName=ap-northeast-1", "RegionName=ap-northeast-3", "--description", "by cli")["Ipam"]
    id, scope = ipam["IpamId"], ipam["PrivateDefaultScopeId"]
    assert cli("modify-ipam", "--ipam-id", id, "--description", "changed")["Ipam"]["Description"] == "changed"
    assert [i["Description"] for i in cli("describe-ipams", "--filters", "Name=description,Values=ch*")["Ipams"]] == ["changed"]

    second = cli("create-ipam-scope", "--ipam-id", id)["IpamScope"]["IpamScopeId"]
    assert cli("modify-ipam-scope", "--ipam-scope-id", second, "--description", "s")["IpamScope"]["Description"] == "s"
    assert len(cli("describe-ipam-scopes")["IpamScopes"]) == 3
    assert cli("delete-ipam-scope", "--ipam-scope-id", second)["IpamScope"]["IpamScopeId"] == second

    top = cli("create-ipam-pool", "--ipam-scope-id", scope, "--address-family", "ipv4")["IpamPool"]["IpamPoolId"]
    assert cli("provision-ipam-pool-cidr", "--ipam-pool-id", top, "--cidr", "10.0.0.0/12")["IpamPoolCidr"]["State"] == "provisioned"
    pool = cli("create-ipam-pool", "--ipam-scope-id", scope, "--address-family", "ipv4", "--source-ipam-pool-id", top,
               "--locale", "ap-northeast-1", "--allocation-default-netmask-length", "24")["IpamPool"]["IpamPoolId"]
    assert cli("provision-ipam-pool-cidr", "--ipam-pool-id", pool, "--netmask-length", "16")["IpamPoolCidr"]["Cidr"] == "10.0.0.0/16"
    assert [c["Cidr"] for c in cli("get-ipam-pool-cidrs", "--ipam-pool-id", pool)["IpamPoolCidrs"]] == ["10.0.0.0/16"]
    assert cli("modify-ipam-pool", "--ipam-pool-id", pool, "--description", "p")["IpamPool"]["Description"] == "p"
    assert len(cli("describe-ipam-pools", "--filters", "Name=locale,Values=ap-northeast-1")["IpamPools"]) == 1

    a = cli("allocate-ipam-pool-cidr", "--ipam-pool-id", pool)["IpamPoolAllocation"]
    assert a["Cidr"] == "10.0.0.0/24"
    allocation = a["IpamPoolAllocationId"]
    assert cli("modify-ipam-pool-allocation", "--ipam-pool-allocation-id", allocation, "--description", "d")["IpamPoolAllocation"]["Description"] == "d"
    assert [x["Description"] for x in cli("get-ipam-pool-allocations", "--ipam-pool-id", pool)["IpamPoolAllocations"]] == ["d"]
    assert [x["Cidr"] for x in cli("describe-ipam-pool-allocations", "--ipam-pool-allocation-ids", allocation)["IpamPoolAllocations"]] == ["10.0.0.0/24"]

    assert cli("create-tags", "--resources", pool, allocation, "--tags", "Key=env,Value=prod") is None
    assert {t["ResourceId"] for t in cli("describe-tags", "--filters", "Name=key,Values=env")["Tags"]} == {pool, allocation}
    assert cli("delete-tags", "--resources", pool, allocation, "--tags", "Key=env") is None
    assert cli("describe-tags")["Tags"] == []

    code, message = cli("allocate-ipam-pool-cidr", "--ipam-pool-id", pool, "--netmask-length", "8")
    assert code == "InvalidParameterValue" and "largest free block is /17" in message
    assert cli("allocate-ipam-pool-cidr", "--ipam-pool-id", pool, "--dry-run")[0] == "DryRunOperation"
    assert cli("delete-ipam", "--ipam-id", id)[0] == "DependencyViolation"

    assert cli("release-ipam-pool-allocation", "--ipam-pool-id", pool, "--cidr", a["Cidr"], "--ipam-pool-allocation-id", allocation) == {"Success": True}
    assert cli("deprovision-ipam-pool-cidr", "--ipam-pool-id", pool, "--cidr", "10.0.0.0/16")["IpamPoolCidr"]["State"] == "deprovisioned"
    assert cli("delete-ipam-pool", "--ipam-pool-id", pool)["IpamPool"]["IpamPoolId"] == pool
    cli("deprovision-ipam-pool-cidr", "--ipam-pool-id", top, "--cidr", "10.0.0.0/12")
    cli("delete-ipam-pool", "--ipam-pool-id", top)
    assert cli("delete-ipam", "--ipam-id", id)["Ipam"]["IpamId"] == id
    assert cli("describe-ipams")["Ipams"] == []


@pytest.mark.emulator
def test_action_that_is_not_built(api):
    """The generated model contains the implemented operations only; the plain CLI
    has all."""
    code, message = api.cli("describe-ipam-policies")
    assert code == "UnsupportedOperation" and "DescribeIpamPolicies" in message

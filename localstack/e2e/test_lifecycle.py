"""IPAMs, scopes and pools: create, modify, describe, delete."""

import re

import pytest


def test_ipam_answers_with_every_member(api, ipam, backend):
    assert re.fullmatch(r"ipam-[0-9a-f]{17}", ipam["IpamId"])
    account = api.principal.account
    assert ipam["OwnerId"] == account
    assert ipam["IpamArn"] == f"arn:aws:ec2::{account}:ipam/{ipam['IpamId']}"
    assert ipam["IpamRegion"] == backend.region
    assert {r["RegionName"] for r in ipam["OperatingRegions"]} == {backend.region, "ap-northeast-1", "ap-northeast-3"}
    assert (ipam["State"], ipam["Tier"], ipam["ScopeCount"]) == ("create-complete", "advanced", 2)
    assert (ipam["EnablePrivateGua"], ipam["MeteredAccount"]) == (False, "ipam-owner")
    assert ipam["PublicDefaultScopeId"] != ipam["PrivateDefaultScopeId"]
    # It is readable at once, with the same members.
    assert api.call("DescribeIpams", IpamIds=[ipam["IpamId"]])["Ipams"] == [ipam]


def test_second_ipam_is_over_the_quota(api, ipam):
    assert "limited to 1" in api.refused("ResourceLimitExceeded", "CreateIpam")


def test_modify_ipam(api, ipam):
    changed = api.call("ModifyIpam", IpamId=ipam["IpamId"], Description="changed", AddOperatingRegions=[{"RegionName": "eu-west-1"}])["Ipam"]
    assert (changed["Description"], changed["State"]) == ("changed", "modify-complete")
    assert "eu-west-1" in {r["RegionName"] for r in changed["OperatingRegions"]}
    changed = api.call("ModifyIpam", IpamId=ipam["IpamId"], RemoveOperatingRegions=[{"RegionName": "eu-west-1"}])["Ipam"]
    assert "eu-west-1" not in {r["RegionName"] for r in changed["OperatingRegions"]}
    assert api.call("DescribeIpams")["Ipams"] == [changed]


def test_region_with_a_pool_stays(api, ipam, make_pool):
    pool = make_pool(Locale="ap-northeast-3")
    with_pool = [{"RegionName": "ap-northeast-3"}]
    with pytest.raises(Exception) as e:
        api.call("ModifyIpam", IpamId=ipam["IpamId"], RemoveOperatingRegions=with_pool)
    assert pool in str(e.value)
    assert "ap-northeast-3" in {r["RegionName"] for r in api.call("DescribeIpams")["Ipams"][0]["OperatingRegions"]}


def test_delete_ipam_with_pools_is_refused(api, ipam, make_pool):
    make_pool()
    assert ipam["IpamId"] in api.refused("DependencyViolation", "DeleteIpam", IpamId=ipam["IpamId"])


def test_scopes(api, ipam):
    made = api.call("CreateIpamScope", IpamId=ipam["IpamId"], Description="second", ClientToken="scope-1",
                    TagSpecifications=[{"ResourceType": "ipam-scope", "Tags": [{"Key": "env", "Value": "test"}]}])["IpamScope"]
    assert (made["IpamScopeType"], made["IsDefault"], made["PoolCount"]) == ("private", False, 0)
    assert made["Tags"] == [{"Key": "env", "Value": "test"}]
    again = api.call("CreateIpamScope", IpamId=ipam["IpamId"], Description="second", ClientToken="scope-1",
                     TagSpecifications=[{"ResourceType": "ipam-scope", "Tags": [{"Key": "env", "Value": "test"}]}])["IpamScope"]
    assert again["IpamScopeId"] == made["IpamScopeId"]
    api.refused("IdempotentParameterMismatch", "CreateIpamScope", IpamId=ipam["IpamId"], Description="third", ClientToken="scope-1")
    changed = api.call("ModifyIpamScope", IpamScopeId=made["IpamScopeId"], Description="renamed")["IpamScope"]
    assert (changed["Description"], changed["State"]) == ("renamed", "modify-complete")
    for filters in ([{"Name": "is-default", "Values": ["false"]}], [{"Name": "tag:env", "Values": ["t*t"]}], [{"Name": "tag-key", "Values": ["env"]}]):
        assert [s["IpamScopeId"] for s in api.call("DescribeIpamScopes", Filters=filters)["IpamScopes"]] == [made["IpamScopeId"]], filters
    kinds = {s["IpamScopeType"] for s in api.call("DescribeIpamScopes", Filters=[{"Name": "is-default", "Values": ["true"]}])["IpamScopes"]}
    assert kinds == {"private", "public"}
    assert api.call("DescribeIpams")["Ipams"][0]["ScopeCount"] == 3
    api.call("DeleteIpamScope", IpamScopeId=made["IpamScopeId"])
    api.refused("InvalidIpamScopeId.NotFound", "DescribeIpamScopes", IpamScopeIds=[made["IpamScopeId"]])
    assert api.call("DescribeIpams")["Ipams"][0]["ScopeCount"] == 2


def test_default_scope_stays(api, ipam):
    api.refused("OperationNotPermitted", "DeleteIpamScope", IpamScopeId=ipam["PrivateDefaultScopeId"])


def test_pool_answers_with_every_member(api, ipam, make_pool):
    pool = make_pool(
        Locale="ap-northeast-1", Description="all of it", AutoImport=True, AllocationMinNetmaskLength=16, AllocationMaxNetmaskLength=28,
        AllocationDefaultNetmaskLength=24, AllocationResourceTags=[{"Key": "env", "Value": "prod"}],
        TagSpecifications=[{"ResourceType": "ipam-pool", "Tags": [{"Key": "Name", "Value": "p"}]}])
    (got,) = api.call("DescribeIpamPools", IpamPoolIds=[pool])["IpamPools"]
    account = api.principal.account
    want = {
        "OwnerId": account, "IpamPoolId": pool, "IpamPoolArn": f"arn:aws:ec2::{account}:ipam-pool/{pool}",
        "IpamScopeArn": f"arn:aws:ec2::{account}:ipam-scope/{ipam['PrivateDefaultScopeId']}", "IpamScopeType": "private",
        "IpamArn": ipam["IpamArn"], "IpamRegion": ipam["IpamRegion"], "Locale": "ap-northeast-1", "PoolDepth": 1, "State": "create-complete",
        "Description": "all of it", "AutoImport": True, "AddressFamily": "ipv4", "AllocationMinNetmaskLength": 16,
        "AllocationMaxNetmaskLength": 28, "AllocationDefaultNetmaskLength": 24, "AllocationResourceTags": [{"Key": "env", "Value": "prod"}],
        "Tags": [{"Key": "Name", "Value": "p"}],
    }
    assert {k: got.get(k) for k in want} == want


def test_modify_pool(api, make_pool):
    pool = make_pool(AllocationDefaultNetmaskLength=24, AllocationResourceTags=[{"Key": "a", "Value": "1"}])
    got = api.call("ModifyIpamPool", IpamPoolId=pool, Description="d", AllocationMinNetmaskLength=20, ClearAllocationDefaultNetmaskLength=True,
                   AddAllocationResourceTags=[{"Key": "b", "Value": "2"}], RemoveAllocationResourceTags=[{"Key": "a", "Value": "1"}])["IpamPool"]
    assert (got["Description"], got["AllocationMinNetmaskLength"], got["State"]) == ("d", 20, "modify-complete")
    assert "AllocationDefaultNetmaskLength" not in got
    assert got["AllocationResourceTags"] == [{"Key": "b", "Value": "2"}]
    api.refused("InvalidParameterCombination", "ModifyIpamPool", IpamPoolId=pool)
    api.refused("InvalidParameterCombination", "ModifyIpamPool", IpamPoolId=pool, AllocationMaxNetmaskLength=19)
    assert api.call("DescribeIpamPools", IpamPoolIds=[pool])["IpamPools"] == [got]


def test_child_pool(api, make_pool):
    top = make_pool("10.0.0.0/12")
    child = make_pool("10.0.0.0/14", SourceIpamPoolId=top, Locale="ap-northeast-3")
    (got,) = api.call("DescribeIpamPools", IpamPoolIds=[child])["IpamPools"]
    assert (got["SourceIpamPoolId"], got["PoolDepth"], got["Locale"]) == (top, 2, "ap-northeast-3")
    api.refused("DependencyViolation", "DeleteIpamPool", IpamPoolId=top)
    refusal = api.refused("InvalidParameterValue", "CreateIpamPool", IpamScopeId=got["IpamScopeArn"].split("/")[1], AddressFamily="ipv4",
                          SourceIpamPoolId=child, Locale="ap-northeast-1")
    assert "ap-northeast-3" in refusal


def test_ipv6_pool(api, make_pool):
    pool = make_pool("fd80:1::/32", AddressFamily="ipv6")
    got = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=56)["IpamPoolAllocation"]
    assert got["Cidr"] == "fd80:1::/56"
    deep = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, Cidr="fd80:1:8000::1/128")["IpamPoolAllocation"]
    assert deep["Cidr"] == "fd80:1:8000::1/128"


def test_pools_filters_and_pages(api, ipam, make_pool):
    pools = sorted(make_pool(Description=f"page {i % 2}") for i in range(7))
    got, pages = api.pages("DescribeIpamPools", "IpamPools", MaxResults=5)
    assert sorted(p["IpamPoolId"] for p in got) == pools and pages == 2
    for name, values, want in [
        ("description", ["page 1"], 3),
        ("description", ["page*"], 7),
        ("description", ["page ?"], 7),
        ("description", ["PAGE*"], 0),
        ("ipam-pool-id", pools[:2], 2),
        ("address-family", ["ipv6"], 0),
        ("locale", ["None"], 7),
        ("state", ["create-complete"], 7),
        ("ipam-scope-id", [ipam["PrivateDefaultScopeId"]], 7),
        ("owner-id", [api.principal.account], 7),
    ]:
        got = api.call("DescribeIpamPools", Filters=[{"Name": name, "Values": values}])["IpamPools"]
        assert len(got) == want, (name, values)
    both = [{"Name": "description", "Values": ["page 1"]}, {"Name": "ipam-pool-id", "Values": pools[:1]}]
    assert len(api.call("DescribeIpamPools", Filters=both)["IpamPools"]) <= 1
    assert "nonsense" in api.refused("InvalidParameterValue", "DescribeIpamPools", Filters=[{"Name": "nonsense", "Values": ["x"]}])
    api.refused("FilterLimitExceeded", "DescribeIpamPools", Filters=[{"Name": "state", "Values": [str(i) for i in range(201)]}])
    token = api.call("DescribeIpamPools", MaxResults=5)["NextToken"]
    api.refused("InvalidNextToken", "DescribeIpamPools", MaxResults=5, NextToken=token, Filters=[{"Name": "state", "Values": ["x"]}])
    api.refused("InvalidNextToken", "DescribeIpamPools", NextToken="forged")


def test_dry_run_changes_nothing(api, ipam, make_pool):
    pool = make_pool("10.0.0.0/24")
    before = (api.call("DescribeIpams"), api.call("DescribeIpamPools"), api.call("GetIpamPoolCidrs", IpamPoolId=pool))
    for operation, parameters in {
        "CreateIpam": {}, "ModifyIpam": {"IpamId": ipam["IpamId"], "Description": "x"}, "DeleteIpam": {"IpamId": ipam["IpamId"], "Cascade": True},
        "CreateIpamScope": {"IpamId": ipam["IpamId"]}, "DescribeIpams": {},
        "CreateIpamPool": {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4"},
        "ModifyIpamPool": {"IpamPoolId": pool, "Description": "x"}, "DeleteIpamPool": {"IpamPoolId": pool},
        "ProvisionIpamPoolCidr": {"IpamPoolId": pool, "Cidr": "10.1.0.0/24"}, "DeprovisionIpamPoolCidr": {"IpamPoolId": pool, "Cidr": "10.0.0.0/24"},
        "AllocateIpamPoolCidr": {"IpamPoolId": pool, "NetmaskLength": 28},
        "CreateTags": {"Resources": [pool], "Tags": [{"Key": "a", "Value": "b"}]},
    }.items():
        api.refused("DryRunOperation", operation, DryRun=True, **parameters)
    assert before == (api.call("DescribeIpams"), api.call("DescribeIpamPools"), api.call("GetIpamPoolCidrs", IpamPoolId=pool))

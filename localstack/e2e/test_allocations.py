"""Provisioning, allocation, release, and their lists."""

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest


def allocate(api, pool, **parameters):
    return api.call("AllocateIpamPoolCidr", IpamPoolId=pool, **parameters)["IpamPoolAllocation"]


def test_provision_and_deprovision(api, make_pool):
    top = make_pool("10.0.0.0/12")
    pool = make_pool(SourceIpamPoolId=top)
    by_length = api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, NetmaskLength=16, ClientToken="p-1")["IpamPoolCidr"]
    assert (by_length["Cidr"], by_length["State"], by_length["NetmaskLength"]) == ("10.0.0.0/16", "provisioned", 16)
    assert api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, NetmaskLength=16, ClientToken="p-1")["IpamPoolCidr"] == by_length
    api.refused("IdempotentParameterMismatch", "ProvisionIpamPoolCidr", IpamPoolId=pool, NetmaskLength=17, ClientToken="p-1")
    api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.4.0.0/16")
    listed, _ = api.pages("GetIpamPoolCidrs", "IpamPoolCidrs", IpamPoolId=pool, MaxResults=5)
    assert [(c["Cidr"], c["State"]) for c in listed] == [("10.0.0.0/16", "provisioned"), ("10.4.0.0/16", "provisioned")]
    filtered = api.call("GetIpamPoolCidrs", IpamPoolId=pool, Filters=[{"Name": "cidr", "Values": ["10.4.*"]}])["IpamPoolCidrs"]
    assert [c["Cidr"] for c in filtered] == ["10.4.0.0/16"]
    held = {a["Cidr"]: a for a in api.call("GetIpamPoolAllocations", IpamPoolId=top)["IpamPoolAllocations"]}
    assert {c: (a["ResourceType"], a["ResourceId"]) for c, a in held.items()} == {c: ("ipam-pool", pool) for c in ("10.0.0.0/16", "10.4.0.0/16")}
    allocation = held["10.0.0.0/16"]
    api.refused("InvalidParameterCombination", "ReleaseIpamPoolAllocation", IpamPoolId=top, Cidr="10.0.0.0/16", IpamPoolAllocationId=allocation["IpamPoolAllocationId"])
    for parameters, code in [
        ({"Cidr": "10.4.0.0/16"}, "IncorrectState"), ({"Cidr": "10.0.0.0/15"}, "InvalidParameterValue"), ({"Cidr": "11.0.0.0/16"}, "InvalidParameterValue"),
        ({}, "InvalidParameterCombination"), ({"Cidr": "10.5.0.0/16", "NetmaskLength": 16}, "InvalidParameterCombination"), ({"NetmaskLength": 12}, "InvalidParameterValue"),
    ]:
        api.refused(code, "ProvisionIpamPoolCidr", IpamPoolId=pool, **parameters)
    taken = allocate(api, pool, Cidr="10.4.1.0/24")
    failed = api.call("DeprovisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.4.0.0/16")["IpamPoolCidr"]
    assert failed["State"] == "failed-deprovision" and "allocation" in failed["FailureReason"]["Message"]
    assert allocate(api, pool, Cidr="10.4.2.0/24")["Cidr"] == "10.4.2.0/24"  # its CIDR still serves
    assert api.call("DeprovisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.0.0.0/16")["IpamPoolCidr"]["State"] == "deprovisioned"
    api.refused("InvalidParameterValue", "AllocateIpamPoolCidr", IpamPoolId=pool, Cidr="10.0.0.0/24")
    assert taken["Cidr"] in {a["Cidr"] for a in api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"]}


def test_top_level_pools_do_not_overlap(api, make_pool):
    make_pool("10.0.0.0/12")
    rival = make_pool()
    assert "10.0.0.0/12" in api.refused("InvalidParameterValue", "ProvisionIpamPoolCidr", IpamPoolId=rival, Cidr="10.8.0.0/13")
    api.refused("InvalidParameterValue", "ProvisionIpamPoolCidr", IpamPoolId=rival, Cidr="10.0.0.0/8")
    api.call("ProvisionIpamPoolCidr", IpamPoolId=rival, Cidr="10.16.0.0/12")


def test_public_pool_is_not_provisioned_unverified(api, ipam):
    pool = api.call("CreateIpamPool", IpamScopeId=ipam["PublicDefaultScopeId"], AddressFamily="ipv4", Locale="ap-northeast-1", AwsService="ec2")["IpamPool"]["IpamPoolId"]
    api.refused("UnsupportedOperation", "ProvisionIpamPoolCidr", IpamPoolId=pool, Cidr="198.51.100.0/24")
    api.call("DeleteIpamPool", IpamPoolId=pool)


def test_allocate_every_way(api, make_pool):
    pool = make_pool("10.0.0.0/16", AllocationMinNetmaskLength=20, AllocationMaxNetmaskLength=28, AllocationDefaultNetmaskLength=24)
    first = allocate(api, pool, NetmaskLength=26, Description="by length",
                     TagSpecifications=[{"ResourceType": "ipam-pool-allocation", "Tags": [{"Key": "team", "Value": "net"}]}])
    assert (first["Cidr"], first["ResourceType"], first["ResourceOwner"]) == ("10.0.0.0/26", "custom", api.principal.account)
    assert first["Description"] == "by length" and first["Tags"] == [{"Key": "team", "Value": "net"}]
    assert "ResourceId" not in first and "ResourceRegion" not in first
    assert api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"] == [first]  # at once
    assert allocate(api, pool)["Cidr"] == "10.0.1.0/24"
    assert allocate(api, pool, Cidr="10.0.64.0/20")["Cidr"] == "10.0.64.0/20"
    assert allocate(api, pool, NetmaskLength=26)["Cidr"] == "10.0.0.64/26"
    assert allocate(api, pool, NetmaskLength=24, AllowedCidrs=["10.0.128.0/17"], DisallowedCidrs=["10.0.128.0/24"])["Cidr"] == "10.0.129.0/24"
    preview = [allocate(api, pool, PreviewNextCidr=True) for _ in range(2)]
    assert preview[0] == preview[1] and preview[0]["Cidr"] == "10.0.128.0/24" and not preview[0].get("IpamPoolAllocationId")
    assert allocate(api, pool)["Cidr"] == "10.0.128.0/24"


def test_allocate_refusals(api, make_pool):
    pool = make_pool("10.0.0.0/24", AllocationMinNetmaskLength=24, AllocationMaxNetmaskLength=28)
    empty = make_pool()
    whole = allocate(api, pool, Cidr="10.0.0.0/25")
    before = api.call("GetIpamPoolAllocations", IpamPoolId=pool)
    for parameters, code, text in [
        ({"NetmaskLength": 24}, "InvalidParameterValue", "largest free block is /25"),
        ({"Cidr": "10.0.0.0/26"}, "InvalidParameterValue", "10.0.0.0/25"),
        ({"Cidr": "10.0.1.0/24"}, "InvalidParameterValue", "10.0.1.0/24"),
        ({"Cidr": "10.0.0.129/25"}, "InvalidParameterValue", "10.0.0.128/25"),
        ({"Cidr": "nonsense"}, "InvalidParameterValue", "nonsense"),
        ({"Cidr": "fd80::/64"}, "InvalidParameterValue", "ipv4"),
        ({"NetmaskLength": 23}, "InvalidParameterValue", "/24"),
        ({"NetmaskLength": 29}, "InvalidParameterValue", "/28"),
        ({"NetmaskLength": 200}, "InvalidParameterValue", "200"),
        ({}, "InvalidParameterCombination", "default"),
        ({"Cidr": "10.0.0.128/25", "NetmaskLength": 25}, "InvalidParameterCombination", "NetmaskLength"),
        ({"Cidr": "10.0.0.128/25", "AllowedCidrs": ["10.0.0.0/24"]}, "InvalidParameterCombination", "AllowedCidr"),
        ({"NetmaskLength": 25, "DisallowedCidrs": ["10.0.0.128/25"]}, "InvalidParameterValue", ""),
        ({"NetmaskLength": 25, "ClientToken": "x" * 65}, "InvalidParameterValue", "64"),
    ]:
        message = api.refused(code, "AllocateIpamPoolCidr", IpamPoolId=pool, **parameters)
        assert text in message, (parameters, message)
    assert "no CIDR provisioned" in api.refused("InvalidParameterValue", "AllocateIpamPoolCidr", IpamPoolId=empty, NetmaskLength=24)
    api.refused("InvalidIpamPoolId.NotFound", "AllocateIpamPoolCidr", IpamPoolId="ipam-pool-00000000000000000", NetmaskLength=24)
    api.refused("InvalidIpamPoolId.Malformed", "AllocateIpamPoolCidr", IpamPoolId="pool", NetmaskLength=24)
    api.refused("MissingParameter", "AllocateIpamPoolCidr", NetmaskLength=24)
    assert api.call("GetIpamPoolAllocations", IpamPoolId=pool) == before == {"IpamPoolAllocations": [whole]}


def test_client_token(api, make_pool):
    pool = make_pool("10.0.0.0/24")
    one = allocate(api, pool, NetmaskLength=28, ClientToken="t")
    assert allocate(api, pool, NetmaskLength=28, ClientToken="t")["IpamPoolAllocationId"] == one["IpamPoolAllocationId"]
    api.refused("IdempotentParameterMismatch", "AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=27, ClientToken="t")
    # The token of a released allocation keeps its answer, so a late retry takes
    # no space.
    release = {"IpamPoolId": pool, "Cidr": one["Cidr"], "IpamPoolAllocationId": one["IpamPoolAllocationId"]}
    assert api.call("ReleaseIpamPoolAllocation", **release)["Success"] is True
    assert allocate(api, pool, NetmaskLength=28, ClientToken="t")["IpamPoolAllocationId"] == one["IpamPoolAllocationId"]
    assert api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"] == []
    # A retry for the last block gets its answer, and not the error of a full
    # pool.
    small = make_pool("10.1.0.0/28")
    last = allocate(api, small, NetmaskLength=28, ClientToken="last")
    assert allocate(api, small, NetmaskLength=28, ClientToken="last")["IpamPoolAllocationId"] == last["IpamPoolAllocationId"]


def test_locale(api, make_pool, backend):
    pool = make_pool("10.0.0.0/24", Locale="ap-northeast-1")
    assert allocate(api, pool, NetmaskLength=28)["Cidr"] == "10.0.0.0/28"  # from home
    if backend.kind == "emulator":  # it accepts a signature of any Region
        assert allocate(api, pool, NetmaskLength=28, region="ap-northeast-1")["Cidr"] == "10.0.0.16/28"
        assert "not in the current region ap-northeast-3" in api.refused("InvalidParameterValue", "AllocateIpamPoolCidr", "ap-northeast-3", IpamPoolId=pool, NetmaskLength=28)
    body = {"IpamPoolId": pool, "NetmaskLength": 28}
    status, _, answer = api.json("AllocateIpamPoolCidr", body, headers={"X-Cadastre-Region": "ap-northeast-1"})
    assert status == 200, answer
    status, _, answer = api.json("AllocateIpamPoolCidr", body, headers={"X-Cadastre-Region": "ap-northeast-3"})
    assert (status, answer["Code"]) == (400, "InvalidParameterValue") and "ap-northeast-3" in answer["Message"]


def test_release(api, make_pool):
    pool = make_pool("10.0.0.0/24")
    other = make_pool("10.1.0.0/24")
    a = allocate(api, pool, NetmaskLength=26)
    good = {"IpamPoolId": pool, "Cidr": a["Cidr"], "IpamPoolAllocationId": a["IpamPoolAllocationId"]}
    for change, code in [
        ({"Cidr": "10.0.0.64/26"}, "InvalidParameterValue"), ({"IpamPoolId": other}, "InvalidParameterValue"), ({"Cidr": None}, "MissingParameter"),
        ({"IpamPoolAllocationId": "ipam-pool-alloc-" + "0" * 32}, "InvalidParameterCombination"), ({"IpamPoolAllocationId": "x"}, "InvalidIpamPoolAllocationId.Malformed"),
    ]:
        api.refused(code, "ReleaseIpamPoolAllocation", **{k: v for k, v in {**good, **change}.items() if v})
    assert api.call("ReleaseIpamPoolAllocation", **good)["Success"] is True
    assert api.call("ReleaseIpamPoolAllocation", **good)["Success"] is True  # a caller can repeat the release after a lost answer
    assert api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"] == []
    reused = allocate(api, pool, NetmaskLength=24)
    assert reused["Cidr"] == "10.0.0.0/24" and reused["IpamPoolAllocationId"] != a["IpamPoolAllocationId"]


def test_allocations_lists(api, make_pool):
    pool = make_pool("10.0.0.0/24")
    other = make_pool("10.1.0.0/24")
    tags = lambda v: [{"ResourceType": "ipam-pool-allocation", "Tags": [{"Key": "n", "Value": v}]}]
    a, b = (allocate(api, pool, NetmaskLength=28, Description=d, TagSpecifications=tags(d)) for d in ("a", "b"))
    c = allocate(api, other, NetmaskLength=28, Description="c")
    get = lambda **p: [x["Description"] for x in api.call("GetIpamPoolAllocations", IpamPoolId=pool, **p)["IpamPoolAllocations"]]
    assert get() == ["a", "b"]
    assert get(IpamPoolAllocationId=b["IpamPoolAllocationId"]) == ["b"]
    for name, values, want in [
        ("ipam-pool-allocation-id", [a["IpamPoolAllocationId"]], ["a"]), ("tag:n", ["b"], ["b"]), ("cidr", ["10.0.0.1*"], ["b"]),
        ("resource-type", ["custom"], ["a", "b"]), ("resource-type", ["vpc"], []), ("resource-owner", [api.principal.account], ["a", "b"]), ("description", ["?"], ["a", "b"]),
    ]:
        assert get(Filters=[{"Name": name, "Values": values}]) == want, (name, values)
    api.refused("InvalidIpamPoolAllocationId.NotFound", "GetIpamPoolAllocations", IpamPoolId=pool, IpamPoolAllocationId="ipam-pool-alloc-" + "0" * 32)
    describe = lambda **p: {x["Description"] for x in api.call("DescribeIpamPoolAllocations", **p)["IpamPoolAllocations"]}
    assert describe() == {"a", "b", "c"}
    assert describe(IpamPoolAllocationIds=[a["IpamPoolAllocationId"], c["IpamPoolAllocationId"]]) == {"a", "c"}
    assert describe(Filters=[{"Name": "tag:n", "Values": ["a"]}]) == {"a"}
    api.refused("InvalidIpamPoolAllocationId.NotFound", "DescribeIpamPoolAllocations", IpamPoolAllocationIds=["ipam-pool-alloc-" + "0" * 32])
    changed = api.call("ModifyIpamPoolAllocation", IpamPoolAllocationId=a["IpamPoolAllocationId"], Description="changed")["IpamPoolAllocation"]
    assert changed == {**a, "Description": "changed"}
    assert get() == ["changed", "b"]


@pytest.mark.parametrize("operation", ["GetIpamPoolAllocations", "DescribeIpamPoolAllocations"])
def test_page_size_limits(api, make_pool, operation):
    parameters = {"IpamPoolId": make_pool()} if operation.startswith("Get") else {}
    for size in (999, 100001):
        with pytest.raises(Exception) as e:
            api.call(operation, MaxResults=size, **parameters)
        assert e.value.response["Error"]["Code"] in ("InvalidParameterValue", "InvalidMaxResults")


def test_many_allocations_by_eight_writers(api, make_pool, backend):
    """More than a page on the front. The emulator answers a tenth as fast, so it has
    the same with fewer."""
    many, on_pages = {"front": (1010, 2), "emulator": (240, 1)}[backend.kind]
    pool = make_pool("10.0.0.0/16")
    with ThreadPoolExecutor(8) as writers:
        taken = list(writers.map(lambda _: allocate(api, pool, NetmaskLength=28), range(many)))
    assert len({a["Cidr"] for a in taken}) == many
    for operation, parameters in [("GetIpamPoolAllocations", {"IpamPoolId": pool}), ("DescribeIpamPoolAllocations", {})]:
        got, pages = api.pages(operation, "IpamPoolAllocations", MaxResults=1000, **parameters)
        assert pages == on_pages
        assert {a["IpamPoolAllocationId"] for a in got} == {a["IpamPoolAllocationId"] for a in taken} and len(got) == many
        networks = [ip_network(a["Cidr"]) for a in got]
        assert networks == sorted(networks)
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda a: api.call("ReleaseIpamPoolAllocation", IpamPoolId=pool, Cidr=a["Cidr"], IpamPoolAllocationId=a["IpamPoolAllocationId"]), taken))
    assert allocate(api, pool, NetmaskLength=16)["Cidr"] == "10.0.0.0/16"  # all blocks are merged again

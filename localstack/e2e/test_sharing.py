"""A pool shared with another account, by every door.

The stranger of the front is an administrator of an account of its own."""

import pytest

GONE = "InvalidIpamPoolId.NotFound"


@pytest.fixture
def guest(as_principal):
    return as_principal("stranger")


@pytest.fixture
def shared(api, make_pool, guest):
    pool = make_pool("10.0.0.0/24")
    api.call("PutIpamPoolShare", IpamPoolId=pool, Principal=guest.principal.account)
    return pool


def take(caller, pool, **parameters):
    return caller.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=28, **parameters)["IpamPoolAllocation"]


def place(pool, allocation):
    return {"IpamPoolId": pool, "Cidr": allocation["Cidr"], "IpamPoolAllocationId": allocation["IpamPoolAllocationId"]}


@pytest.mark.front
def test_a_guest_sees_allocates_and_releases(api, guest, make_pool, shared):
    hidden = make_pool("10.1.0.0/24")
    mine = take(api, shared)
    [pool] = guest.call("DescribeIpamPools")["IpamPools"]
    assert (pool["IpamPoolId"], pool["OwnerId"]) == (shared, api.principal.account)
    assert [c["Cidr"] for c in guest.call("GetIpamPoolCidrs", IpamPoolId=shared)["IpamPoolCidrs"]] == ["10.0.0.0/24"]
    preview = take(guest, shared, PreviewNextCidr=True)
    a = take(guest, shared)
    assert (a["Cidr"], a["ResourceOwner"]) == (preview["Cidr"], guest.principal.account)
    assert len(guest.call("GetIpamPoolAllocations", IpamPoolId=shared)["IpamPoolAllocations"]) == 2
    assert guest.call("DescribeIpamPoolAllocations")["IpamPoolAllocations"] == [a]
    assert guest.call("ModifyIpamPoolAllocation", IpamPoolAllocationId=a["IpamPoolAllocationId"], Description="mine")
    # Not the owner's allocation, not the pool, and no pool that is not shared.
    guest.refused("InvalidIpamPoolAllocationId.NotFound", "ReleaseIpamPoolAllocation", **place(shared, mine))
    guest.refused("InvalidIpamPoolAllocationId.NotFound", "ModifyIpamPoolAllocation", IpamPoolAllocationId=mine["IpamPoolAllocationId"], Description="x")
    guest.refused(GONE, "ProvisionIpamPoolCidr", IpamPoolId=shared, Cidr="10.2.0.0/24")
    guest.refused(GONE, "DeleteIpamPool", IpamPoolId=shared, Cascade=True)
    guest.refused(GONE, "PutIpamPoolShare", IpamPoolId=shared, Principal="777788889999")
    nobodys = "ipam-pool-0123456789abcdef0"
    assert guest.refused(GONE, "AllocateIpamPoolCidr", IpamPoolId=hidden, NetmaskLength=28).replace(hidden, nobodys) == \
        guest.refused(GONE, "AllocateIpamPoolCidr", IpamPoolId=nobodys, NetmaskLength=28)
    guest.call("ReleaseIpamPoolAllocation", **place(shared, a))
    assert guest.call("DescribeIpamPoolAllocations")["IpamPoolAllocations"] == []


@pytest.mark.front
def test_a_guest_without_the_share(api, guest, shared):
    a = take(guest, shared)
    api.call("DeleteIpamPoolShare", IpamPoolId=shared, Principal=guest.principal.account)
    assert guest.call("DescribeIpamPools")["IpamPools"] == []
    assert guest.call("DescribeIpamPoolAllocations")["IpamPoolAllocations"] == []
    guest.refused(GONE, "AllocateIpamPoolCidr", IpamPoolId=shared, NetmaskLength=28)
    guest.refused(GONE, "ReleaseIpamPoolAllocation", **place(shared, a))
    api.call("ReleaseIpamPoolAllocation", **place(shared, a))


def test_shares_by_the_json_door(api, make_pool):
    pool, account, organization = make_pool(), "777788889999", "o-a1b2c3d4e5"
    shares = [{"IpamPoolId": pool, "Principal": p, "Permission": "allocate"} for p in (account, organization)]
    for share in shares:
        status, _, answer = api.json("PutIpamPoolShare", share)
        assert (status, answer) == (200, {"IpamPoolShare": share})
    assert api.json("DescribeIpamPoolShares", {"IpamPoolIds": [pool]})[2]["IpamPoolShares"] == shares
    status, _, answer = api.json("DescribeIpamPoolShares", {"Filters": [{"Name": "principal", "Values": ["7*"]}]})
    assert (status, answer["IpamPoolShares"]) == (200, shares[:1])
    unit = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"
    status, _, answer = api.json("PutIpamPoolShare", {"IpamPoolId": pool, "Principal": unit})
    assert (status, answer["Code"]) == (400, "UnsupportedOperation") and unit in answer["Message"]
    status, _, answer = api.json("DeleteIpamPoolShare", {"IpamPoolId": pool, "Principal": account})
    assert (status, answer["IpamPoolShare"]) == (200, shares[0])
    assert api.json("DescribeIpamPoolShares")[2]["IpamPoolShares"] == shares[1:]


@pytest.mark.front
def test_shares_by_the_generated_model(api, guest, make_pool):
    pool, account = make_pool(), guest.principal.account
    share = {"IpamPoolId": pool, "Principal": account, "Permission": "allocate"}
    assert api.cli("put-ipam-pool-share", "--ipam-pool-id", pool, "--principal", account) == {"IpamPoolShare": share}
    assert api.call("DescribeIpamPoolShares", Filters=[{"Name": "ipam-pool-id", "Values": [pool]}])["IpamPoolShares"] == [share]
    assert guest.call("DescribeIpamPoolShares")["IpamPoolShares"] == []
    assert api.cli("delete-ipam-pool-share", "--ipam-pool-id", pool, "--principal", account) == {"IpamPoolShare": share}


@pytest.mark.front
def test_a_forged_organization_gains_nothing(api, guest, make_pool):
    pool, organization = make_pool("10.0.0.0/24"), "o-a1b2c3d4e5"
    api.call("PutIpamPoolShare", IpamPoolId=pool, Principal=organization)
    headers = {"X-Amzn-Principal-Org-Id": organization, "principalOrgId": organization}
    for forged in ({}, {"principalOrgId": organization}, {"OrganizationId": organization}, {"requestContext": {"identity": {"principalOrgId": organization}}}):
        status, _, answer = guest.json("AllocateIpamPoolCidr", {"IpamPoolId": pool, "NetmaskLength": 28, **forged}, headers=headers)
        assert status == 400 and "Cidr" not in answer, answer
    assert api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"] == []

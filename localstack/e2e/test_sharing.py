"""A pool shared with another account, through every protocol.

The front's stranger is an administrator of another account. The emulator has
members of an organisation that the deployment's account manages. It finds the API
from that account only, and passes no caller's organisation on. So the tests
deliver members' calls to the function as API Gateway does."""

import json
import uuid

import pytest

import network
from conftest import until

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
    guest.refused("InvalidParameterCombination", "ReleaseIpamPoolAllocation", **place(shared, mine))
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


def test_shares_through_json(api, make_pool):
    pool, account, organization = make_pool(), "777788889999", "o-a1b2c3d4e5"
    shares = [{"IpamPoolId": pool, "Principal": p, "Permission": "allocate"} for p in (account, organization)]
    for share in shares:
        status, _, answer = api.json("PutIpamPoolShare", share)
        assert (status, answer) == (200, {"IpamPoolShare": share})
    assert api.json("DescribeIpamPoolShares", {"IpamPoolIds": [pool]})[2]["IpamPoolShares"] == shares
    status, _, answer = api.json("DescribeIpamPoolShares", {"Filters": [{"Name": "principal", "Values": ["7*"]}]})
    assert (status, answer["IpamPoolShares"]) == (200, shares[:1])
    path = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"
    status, _, answer = api.json("PutIpamPoolShare", {"IpamPoolId": pool, "Principal": path})
    assert (status, answer["Code"]) == (400, "InvalidParameterValue") and path in answer["Message"]
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


@pytest.mark.front
def test_units_without_an_organisation(api, as_principal, make_pool):
    message = api.refused("UnsupportedOperation", "PutIpamPoolShare", IpamPoolId=make_pool(), Principal="ou-f6g7-h8i9j0k1")
    assert "organizationId" in message
    for caller in (api, as_principal("stranger")):
        assert "organizationId" in caller.refused("UnauthorizedOperation", "EnableIpamOrganizationAdminAccount", DelegatedAdminAccountId=api.principal.account)


class Member:
    """The API as the root of a member account calls it."""

    def __init__(self, account, organization):
        self.account, self.organization, self.arn = account, organization, f"arn:aws:iam::{account}:root"

    def call(self, operation, **parameters):
        """Returns the answer. A refusal's answer has its code as Code."""
        answered = network.client("lambda").invoke(FunctionName=network.function("api"), Payload=json.dumps({
            "resource": "/v1/{operation}", "path": f"/v1/{operation}", "httpMethod": "POST", "headers": {}, "multiValueHeaders": {},
            "pathParameters": {"operation": operation}, "body": json.dumps(parameters), "isBase64Encoded": False,
            "requestContext": {"apiId": "api", "requestId": str(uuid.uuid4()), "identity": {
                "accountId": self.account, "userArn": self.arn, **({"principalOrgId": self.organization} if self.organization else {})}},
        }))
        answer = json.load(answered["Payload"])
        assert "FunctionError" not in answered, answer
        return json.loads(answer["body"])

    def pools(self):
        return [p["IpamPoolId"] for p in self.call("DescribeIpamPools")["IpamPools"]]

    def allocations(self):
        return [a["IpamPoolAllocationId"] for a in self.call("DescribeIpamPoolAllocations")["IpamPoolAllocations"]]


class Organization:
    """The units outer and inner, which is inside outer, and members in inner and at
    the root. They are new, because Cadastre keeps the places of accounts for a
    while."""

    def __init__(self):
        organizations, run = network.client("organizations"), uuid.uuid4().hex[:8]
        self.id = organizations.describe_organization()["Organization"]["Id"]
        (root,) = organizations.list_roots()["Roots"]
        unit = lambda name, parent: organizations.create_organizational_unit(Name=f"{name}-{run}", ParentId=parent)["OrganizationalUnit"]
        self.outer = unit("outer", root["Id"])
        self.inner = unit("inner", self.outer["Id"])
        self.arn = f"arn:aws:organizations::{network.OWNER}:organization/{self.id}"
        member, other = network.account(f"member-{run}"), network.account(f"other-{run}")
        organizations.move_account(AccountId=member, SourceParentId=root["Id"], DestinationParentId=self.inner["Id"])
        self.member, self.other = Member(member, self.id), Member(other, self.id)
        self.outsider = Member("123456789012", None)


@pytest.fixture(scope="module")
def organization(backend, api):
    """The organisation, whose members allocate. Its grants are valid within a
    minute."""
    o = Organization()
    callers = [o.member, o.other, o.outsider]
    assert api.json("PutAccessGrants", {"Allocators": [c.arn for c in callers]})[0] == 200
    for c in callers:
        until(lambda: c.call("DescribeIpams").get("Code") != "UnauthorizedOperation", "the grants to hold")
    yield o
    assert api.json("PutAccessGrants")[0] == 200
    network.client("organizations").close_account(AccountId=o.member.account)
    network.client("organizations").close_account(AccountId=o.other.account)


@pytest.mark.emulator
@pytest.mark.parametrize("principal", [
    lambda o: o.member.account, lambda o: o.inner["Id"], lambda o: o.outer["Id"], lambda o: o.inner["Arn"], lambda o: o.id, lambda o: o.arn,
], ids=["account", "unit", "unit-above", "unit-arn", "organization", "organization-arn"])
def test_a_member(api, make_pool, organization, principal):
    """A member sees a pool that is shared with it, its unit, a unit above or the
    organisation. It allocates, and releases only its own allocations. It sees no
    other pool, and loses access when the share ends."""
    pool, hidden, nobodys = make_pool("10.0.0.0/24"), make_pool("10.1.0.0/24"), "ipam-pool-0123456789abcdef0"
    theirs, member, to = take(api, pool), organization.member, principal(organization)

    def locked(pool):
        for operation, parameters in (("AllocateIpamPoolCidr", {"NetmaskLength": 28}), ("GetIpamPoolCidrs", {}), ("GetIpamPoolAllocations", {}),
                                      ("ReleaseIpamPoolAllocation", {"Cidr": theirs["Cidr"], "IpamPoolAllocationId": theirs["IpamPoolAllocationId"]})):
            refused = {k: v.replace(pool, nobodys) for k, v in member.call(operation, IpamPoolId=pool, **parameters).items() if k != "RequestId"}
            assert refused["Code"] == GONE
            assert refused == {k: v for k, v in member.call(operation, IpamPoolId=nobodys, **parameters).items() if k != "RequestId"}

    locked(pool)
    assert member.pools() == []
    share = api.json("PutIpamPoolShare", {"IpamPoolId": pool, "Principal": to})[2]["IpamPoolShare"]
    assert share["Principal"] == to.rsplit("/", 1)[-1]
    assert api.json("DescribeIpamPoolShares", {"IpamPoolIds": [pool]})[2]["IpamPoolShares"] == [share]
    assert member.pools() == [pool]
    mine = member.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=28)["IpamPoolAllocation"]
    assert mine["ResourceOwner"] == member.account
    assert member.allocations() == [mine["IpamPoolAllocationId"]]
    assert len(member.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"]) == 2
    refused = member.call("ReleaseIpamPoolAllocation", **place(pool, theirs))
    assert refused["Code"] == "InvalidParameterCombination" and refused["Message"].startswith("No allocation found")
    locked(hidden)
    assert organization.other.pools() == ([pool] if organization.id in to and "ou-" not in to else [])
    assert organization.outsider.pools() == []

    assert api.json("DeleteIpamPoolShare", {"IpamPoolId": pool, "Principal": to})[0] == 200
    locked(pool)
    assert (member.pools(), member.allocations()) == ([], [])


@pytest.mark.emulator
def test_an_unknown_unit(api, make_pool):
    unit = "ou-f6g7-nowhere0"
    status, _, answer = api.json("PutIpamPoolShare", {"IpamPoolId": make_pool(), "Principal": unit})
    assert (status, answer["Code"]) == (400, "InvalidParameterValue") and unit in answer["Message"]


@pytest.mark.emulator
@pytest.mark.parametrize("to", ["outer", "organization"])
def test_a_request_on_the_bus(api, make_pool, organization, to):
    """The event has its account only. The deployment's account manages the
    organisation, so no administrator has to be declared."""
    pool = make_pool("10.0.0.0/24")
    assert api.json("PutIpamPoolShare", {"IpamPoolId": pool, "Principal": organization.outer["Id"] if to == "outer" else organization.id})[0] == 200

    def ask(account):
        """Delivers an account's request to the rule's target, and waits."""
        event = {"version": "0", "id": str(uuid.uuid4()), "detail-type": "CIDR Requested", "source": "e2e.platform", "account": account,
                 "time": "2026-11-25T00:00:00Z", "region": network.HOME, "resources": [],
                 "detail": {"requestId": uuid.uuid4().hex, "IpamPoolId": pool, "NetmaskLength": 28}}
        answer = network.client("lambda").invoke(FunctionName=network.function("requests"), Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        return [a["ResourceOwner"] for a in api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"]]

    # The grants are valid within a minute at this function too.
    until(lambda: ask(organization.member.account) == [organization.member.account], "a member's request to be met")
    assert ask(organization.outsider.account) == [organization.member.account]
    assert ask(organization.other.account) == [organization.member.account] + ([organization.other.account] if to == "organization" else [])


@pytest.mark.emulator
def test_the_administrator(api, organization):
    """On the emulator every account manages an organisation of its own, and a
    managing account is its administrator anyway."""
    owner = api.principal.account
    for id, word in ((owner, "It is the management account"), (organization.member.account, f"which is {owner} here"), ("12", "12 digits")):
        assert word in api.refused("InvalidParameterValue", "EnableIpamOrganizationAdminAccount", DelegatedAdminAccountId=id)
    api.refused("IpamOrganizationAccountNotRegistered", "DisableIpamOrganizationAdminAccount", DelegatedAdminAccountId=owner)
    for operation in ("EnableIpamOrganizationAdminAccount", "DisableIpamOrganizationAdminAccount"):
        refused = organization.member.call(operation, DelegatedAdminAccountId=owner)
        assert refused["Code"] == "UnauthorizedOperation" and organization.member.account in refused["Message"]

"""The classes of callers, through both protocols."""

import pytest

READ = {
    "DescribeIpams": {}, "DescribeIpamScopes": {}, "DescribeIpamPools": {}, "DescribeIpamPoolAllocations": {}, "DescribeTags": {},
    "GetIpamPoolCidrs": {"IpamPoolId": "POOL"}, "GetIpamPoolAllocations": {"IpamPoolId": "POOL"}, "DescribeIpamPoolShares": {},
    "DescribeIpamResourceDiscoveries": {}, "DescribeIpamResourceDiscoveryAssociations": {},
    "GetIpamDiscoveredAccounts": {"IpamResourceDiscoveryId": "DISCOVERY", "DiscoveryRegion": "us-east-1"},
    "GetIpamDiscoveredResourceCidrs": {"IpamResourceDiscoveryId": "DISCOVERY", "ResourceRegion": "us-east-1"},
    "GetIpamDiscoveredPublicAddresses": {"IpamResourceDiscoveryId": "DISCOVERY", "AddressRegion": "us-east-1"},
    "DescribeIpamPrefixListResolvers": {}, "GetIpamPrefixListResolverRules": {"IpamPrefixListResolverId": "RESOLVER"},
    "GetIpamPrefixListResolverVersions": {"IpamPrefixListResolverId": "RESOLVER"},
    "GetIpamResourceCidrs": {"IpamScopeId": "SCOPE"}, "GetIpamAddressHistory": {"IpamScopeId": "SCOPE", "Cidr": "10.0.0.0/28"},
}
# Their answers name the caller or a time, so those of two calls differ.
CONSOLE = {"GetCallerAccess": {}, "GetIpamSpaceMap": {"IpamScopeId": "SCOPE"}, "SearchIpam": {"Text": "10.0.0.1"}, "GetIpamPoolUtilization": {"IpamPoolIds": ["POOL"]},
           "GetIpamSummary": {}}
# The front has no functions that make a version.
VERSIONS = {"GetIpamPrefixListResolverVersionEntries": {"IpamPrefixListResolverId": "RESOLVER", "IpamPrefixListResolverVersion": 1}}
# These act in the caller's account, with a role that does not exist here.
VPCS = {
    "CreateVpc": {"Ipv4IpamPoolId": "POOL", "Ipv4NetmaskLength": 28}, "CreateSubnet": {"VpcId": "vpc-0123456789abcdef0", "Ipv4IpamPoolId": "POOL", "Ipv4NetmaskLength": 28},
    "AssociateVpcCidrBlock": {"VpcId": "vpc-0123456789abcdef0", "Ipv4IpamPoolId": "POOL", "Ipv4NetmaskLength": 28},
    "DisassociateVpcCidrBlock": {"AssociationId": "vpc-cidr-assoc-0123456789abcdef0"},
}
UNTRIED = ("AssociateVpcCidrBlock", "DisassociateVpcCidrBlock")  # have no DryRun
ALLOCATE = {
    **VPCS,
    "AllocateIpamPoolCidr": {"IpamPoolId": "POOL", "NetmaskLength": 28},
    "ReleaseIpamPoolAllocation": {"IpamPoolId": "POOL", "Cidr": "10.0.0.0/28", "IpamPoolAllocationId": "ALLOCATION"},
    "ModifyIpamPoolAllocation": {"IpamPoolAllocationId": "ALLOCATION", "Description": "x"},
    "ReportIpamResourceDeletion": {"ResourceId": "vpc-0123456789abcdef0", "ResourceRegion": "us-east-1"},
}
ADMINISTER = {
    "CreateIpam": {}, "ModifyIpam": {"IpamId": "IPAM", "Description": "x"}, "DeleteIpam": {"IpamId": "IPAM", "Cascade": True},
    "CreateIpamScope": {"IpamId": "IPAM"}, "ModifyIpamScope": {"IpamScopeId": "SCOPE", "Description": "x"}, "DeleteIpamScope": {"IpamScopeId": "SCOPE"},
    "CreateIpamPool": {"IpamScopeId": "SCOPE", "AddressFamily": "ipv4"}, "ModifyIpamPool": {"IpamPoolId": "POOL", "Description": "x"},
    "DeleteIpamPool": {"IpamPoolId": "POOL", "Cascade": True}, "ProvisionIpamPoolCidr": {"IpamPoolId": "POOL", "Cidr": "10.9.0.0/24"},
    "DeprovisionIpamPoolCidr": {"IpamPoolId": "POOL", "Cidr": "10.0.0.0/24"},
    "CreateIpamPrefixListResolver": {"IpamId": "IPAM", "AddressFamily": "ipv4"},
    "ModifyIpamPrefixListResolver": {"IpamPrefixListResolverId": "RESOLVER", "Description": "x"},
    "DeleteIpamPrefixListResolver": {"IpamPrefixListResolverId": "RESOLVER"},
    "CreateTags": {"Resources": ["POOL"], "Tags": [{"Key": "a", "Value": "b"}]}, "DeleteTags": {"Resources": ["POOL"]},
    "PutIpamPoolShare": {"IpamPoolId": "POOL", "Principal": "777788889999"}, "DeleteIpamPoolShare": {"IpamPoolId": "POOL", "Principal": "777788889999"},
    "CreateIpamResourceDiscovery": {}, "ModifyIpamResourceDiscovery": {"IpamResourceDiscoveryId": "DISCOVERY", "Description": "x"},
    "DeleteIpamResourceDiscovery": {"IpamResourceDiscoveryId": "DISCOVERY"},
    "DeleteIpamDiscoveredAccount": {"IpamResourceDiscoveryId": "DISCOVERY", "AccountId": "777788889999"},
    "AssociateIpamResourceDiscovery": {"IpamId": "IPAM", "IpamResourceDiscoveryId": "DISCOVERY"},
    "DisassociateIpamResourceDiscovery": {"IpamResourceDiscoveryAssociationId": "ASSOCIATION"},
    "ModifyIpamResourceCidr": {"ResourceId": "vpc-0123456789abcdef0", "ResourceCidr": "10.0.0.0/28", "ResourceRegion": "us-east-1",
                               "CurrentIpamScopeId": "SCOPE", "Monitored": False},
    "ModifyIpamResourceCidrs": {"IpamScopeId": "SCOPE", "ResourceId": "vpc-0123456789abcdef0", "Monitored": False},
    "GetAccessGrants": {}, "PutAccessGrants": {"Readers": ["*"]},
    "EnableIpamOrganizationAdminAccount": {"DelegatedAdminAccountId": "111122223333"}, "DisableIpamOrganizationAdminAccount": {"DelegatedAdminAccountId": "111122223333"},
}

pytestmark = pytest.mark.front


@pytest.fixture(scope="module")
def ids(api, ipam):
    pool = api.call("CreateIpamPool", IpamScopeId=ipam["PrivateDefaultScopeId"], AddressFamily="ipv4")["IpamPool"]["IpamPoolId"]
    api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.0.0.0/24")
    a = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=28)["IpamPoolAllocation"]
    resolver = api.call("CreateIpamPrefixListResolver", IpamId=ipam["IpamId"], AddressFamily="ipv4")["IpamPrefixListResolver"]["IpamPrefixListResolverId"]
    return {"RESOLVER": resolver, "IPAM": ipam["IpamId"], "SCOPE": ipam["PrivateDefaultScopeId"], "POOL": pool, "ALLOCATION": a["IpamPoolAllocationId"],
            "DISCOVERY": ipam["DefaultResourceDiscoveryId"], "ASSOCIATION": ipam["DefaultResourceDiscoveryAssociationId"]}


def filled(parameters, ids):
    def fill(v):
        return [fill(x) for x in v] if isinstance(v, list) else ids.get(v, v) if isinstance(v, str) else v
    return {k: fill(v) for k, v in parameters.items()}


def everything(api, ids):
    return [api.call(o, **filled(p, ids)) for o, p in READ.items()]


def test_the_lists_above_are_complete(api):
    _, _, document = api.json("openapi.json", method="GET")
    have = {p.removeprefix("/v1/") for p in document["paths"] if p.startswith("/v1/") and p != "/v1/openapi.json"}
    assert have == {*READ, *CONSOLE, *VERSIONS, *ALLOCATE, *ADMINISTER}


@pytest.mark.parametrize("who, operations", [("reader", {**ALLOCATE, **ADMINISTER}), ("allocator", ADMINISTER), ("nobody", {**READ, **CONSOLE, **VERSIONS, **ALLOCATE, **ADMINISTER})],
                         ids=["reader", "allocator", "nobody"])
def test_refused_by_both_protocols_with_and_without_dry_run(api, as_principal, ids, who, operations):
    before = everything(api, ids)
    caller = as_principal(who)
    for operation, parameters in operations.items():
        for extra in ({},) if operation in UNTRIED else ({}, {"DryRun": True}):
            message = caller.refused("UnauthorizedOperation", operation, **filled(parameters, ids), **extra)
            assert message.startswith("You are not authorized to perform this operation.") and operation in message
            status, _, answer = caller.json(operation, {**filled(parameters, ids), **extra})
            assert (status, answer["Code"]) == (403, "UnauthorizedOperation"), (operation, extra, answer)
    assert everything(api, ids) == before


def test_reader_reads(api, as_principal, ids):
    reader = as_principal("reader")
    assert everything(reader, ids) == everything(api, ids)
    for operation, parameters in CONSOLE.items():
        reader.call(operation, **filled(parameters, ids))


def test_allocator_allocates(as_principal, ids):
    allocator = as_principal("allocator")
    a = allocator.call("AllocateIpamPoolCidr", IpamPoolId=ids["POOL"], NetmaskLength=28)["IpamPoolAllocation"]
    allocator.call("ReleaseIpamPoolAllocation", IpamPoolId=ids["POOL"], Cidr=a["Cidr"], IpamPoolAllocationId=a["IpamPoolAllocationId"])


def test_another_account_sees_and_gets_nothing(api, as_principal, ids):
    """An administrator of another account: none of these objects exist for it."""
    before = everything(api, ids)
    stranger = as_principal("stranger")
    for operation, parameters in {**READ, **VERSIONS, **ALLOCATE, **ADMINISTER}.items():
        if operation in ("CreateIpam", "CreateIpamResourceDiscovery"):
            continue
        parameters = filled(parameters, ids)
        status, _, answer = stranger.json(operation, parameters)
        if status == 200:
            assert not [v for v in answer.values() if v not in ([], None)], (operation, answer)
        elif operation.endswith(("AccessGrants", "OrganizationAdminAccount")):  # objects of the deployment, not of its accounts
            assert (status, answer["Code"]) == (403, "UnauthorizedOperation"), (operation, answer)
        elif operation in VPCS:
            assert (status, answer["Code"]) == (400, "UnsupportedOperation"), (operation, answer)
        else:
            assert status == 400 and "NotFound" in answer["Code"], (operation, answer)
    assert everything(api, ids) == before


@pytest.mark.parametrize("forged", [
    {"OwnerId": "111122223333"}, {"AccountId": "111122223333"}, {"accountId": "111122223333"}, {"Account": "111122223333"},
    {"requestContext": {"identity": {"accountId": "111122223333", "userArn": "arn:aws:iam::111122223333:user/admin"}}},
    {"ResourceOwner": "111122223333"}, {"Caller": {"Account": "111122223333"}},
])
def test_forged_account_in_a_payload_gains_nothing(api, as_principal, ids, forged):
    before = everything(api, ids)
    for who in ("stranger", "reader", "nobody"):
        status, _, answer = as_principal(who).json("AllocateIpamPoolCidr", {"IpamPoolId": ids["POOL"], "NetmaskLength": 28, **forged})
        assert status in (400, 403) and "Cidr" not in answer, (who, answer)
    assert everything(api, ids) == before


def test_forged_headers_and_query_gain_nothing(api, as_principal, ids):
    before = everything(api, ids)
    headers = {"X-Account-Id": "111122223333", "X-Forwarded-User": "arn:aws:iam::111122223333:user/admin", "X-Amzn-Iot-Principal": "admin"}
    for who in ("stranger", "nobody"):
        caller = as_principal(who)
        body = {"IpamPoolId": ids["POOL"], "NetmaskLength": 28}
        status, _, answer = caller.json("AllocateIpamPoolCidr?accountId=111122223333", body, headers=headers)
        assert status in (400, 403), answer
        form = f"Action=AllocateIpamPoolCidr&Version=2016-11-15&IpamPoolId={ids['POOL']}&NetmaskLength=28&OwnerId=111122223333"
        status, _, answer = caller.http("POST", "", form, "application/x-www-form-urlencoded", headers=headers)
        assert status in (400, 403), answer
    assert everything(api, ids) == before


def test_wrong_scopes_are_refused(api):
    """API Gateway refuses them, and does not invoke the function."""
    for scope in ({"service": "ec2"}, {"region": "ap-northeast-3"}):
        status, headers, answer = api.http("POST", "v1/DescribeIpams", "{}", "application/json", **scope)
        assert (status, headers["X-Cadastre-Error-Code"], headers["X-Amzn-Errortype"]) == (401, "AuthFailure", "InvalidSignatureException"), (scope, answer)

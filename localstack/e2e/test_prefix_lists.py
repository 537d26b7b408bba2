"""Prefix list resolvers: rules, and versions that follow the network."""

import pytest

from conftest import until


@pytest.fixture
def resolver(api, ipam):
    """Makes resolvers of rules, and deletes them at the end."""
    made = []

    def make(*rules, **more):
        r = api.call("CreateIpamPrefixListResolver", IpamId=ipam["IpamId"], AddressFamily="ipv4", Rules=list(rules), **more)["IpamPrefixListResolver"]
        made.append(r["IpamPrefixListResolverId"])
        return r
    yield make
    for id in made:
        api.call("DeleteIpamPrefixListResolver", IpamPrefixListResolverId=id)


def static(cidr):
    return {"RuleType": "static-cidr", "StaticCidr": cidr}


def paginated(api, operation, result, **parameters):
    entries, more = [], {}
    while True:
        page = api.call(operation, MaxResults=5, **parameters, **more)
        entries += page[result]
        if not page.get("NextToken"):
            return entries
        more = {"NextToken": page["NextToken"]}


def test_rules(api, ipam, resolver):
    scope = ipam["PrivateDefaultScopeId"]
    rules = [
        static("192.0.2.0/24"),
        {"RuleType": "ipam-pool-cidr", "IpamScopeId": scope, "Conditions": [{"Operation": "subnet-of", "Cidr": "10.0.0.0/8"}]},
        {"RuleType": "ipam-resource-cidr", "IpamScopeId": scope, "ResourceType": "vpc", "Conditions": [
            {"Operation": "equals", "ResourceTag": {"Key": "env", "Value": "prod"}}, {"Operation": "not-equals", "ResourceOwner": "111122223333"},
            {"Operation": "equals", "ResourceRegion": "ap-northeast-1"}, {"Operation": "equals", "ResourceId": "vpc-0123456789abcdef0"}]},
    ]
    made = resolver(*rules, Description="d", TagSpecifications=[{"ResourceType": "ipam-prefix-list-resolver", "Tags": [{"Key": "k", "Value": "v"}]}])
    id = made["IpamPrefixListResolverId"]
    assert (made["State"], made["AddressFamily"], made["LastVersionCreationStatus"], made["Tags"]) == ("create-complete", "ipv4", "pending", [{"Key": "k", "Value": "v"}])
    shown = paginated(api, "GetIpamPrefixListResolverRules", "Rules", IpamPrefixListResolverId=id)
    assert [{k: v for k, v in r.items() if v != []} for r in shown] == rules
    [listed] = paginated(api, "DescribeIpamPrefixListResolvers", "IpamPrefixListResolvers")
    assert listed["IpamPrefixListResolverArn"].endswith("ipam-prefix-list-resolver/" + id)
    changed = api.call("ModifyIpamPrefixListResolver", IpamPrefixListResolverId=id, Description="e", Rules=rules[:1])["IpamPrefixListResolver"]
    assert (changed["Description"], changed["State"]) == ("e", "modify-complete")
    assert len(api.call("GetIpamPrefixListResolverRules", IpamPrefixListResolverId=id)["Rules"]) == 1
    assert "ipv4" in api.refused("InvalidParameterValue", "ModifyIpamPrefixListResolver", IpamPrefixListResolverId=id, Rules=[static("2001:db8::/32")])
    api.refused("InvalidIpamPrefixListResolverId.NotFound", "GetIpamPrefixListResolverVersions", IpamPrefixListResolverId="ipam-prefix-list-resolver-0123456789abcdef0")
    assert api.refused("DependencyViolation", "DeleteIpam", IpamId=ipam["IpamId"])


@pytest.mark.emulator
def test_versions_follow_a_pool(api, ipam, make_pool, resolver):
    pool = make_pool("10.20.0.0/16")
    id = resolver({"RuleType": "ipam-pool-cidr", "IpamScopeId": ipam["PrivateDefaultScopeId"], "Conditions": [{"Operation": "equals", "IpamPoolId": pool}]},
                  static("192.0.2.0/24"))["IpamPrefixListResolverId"]

    def entries():
        versions = paginated(api, "GetIpamPrefixListResolverVersions", "IpamPrefixListResolverVersions", IpamPrefixListResolverId=id)
        return versions and [e["Cidr"] for e in paginated(api, "GetIpamPrefixListResolverVersionEntries", "Entries", IpamPrefixListResolverId=id,
                                                          IpamPrefixListResolverVersion=versions[-1]["Version"])]
    until(lambda: entries() == ["10.20.0.0/16", "192.0.2.0/24"], "the first version")
    api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.21.0.0/16")
    until(lambda: entries() == ["10.20.0.0/16", "10.21.0.0/16", "192.0.2.0/24"], "a version with the new CIDR")
    api.call("DeprovisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.20.0.0/16")
    until(lambda: entries() == ["10.21.0.0/16", "192.0.2.0/24"], "a version without the old CIDR")
    [r] = api.call("DescribeIpamPrefixListResolvers", IpamPrefixListResolverIds=[id])["IpamPrefixListResolvers"]
    assert r["LastVersionCreationStatus"] == "success"

"""CreateTags, DeleteTags and DescribeTags."""


def test_tags_of_every_kind(api, ipam, make_pool):
    pool = make_pool("10.0.0.0/24")
    allocation = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=28)["IpamPoolAllocation"]["IpamPoolAllocationId"]
    resources = {"ipam": ipam["IpamId"], "ipam-scope": ipam["PrivateDefaultScopeId"], "ipam-pool": pool, "ipam-pool-allocation": allocation}
    api.call("CreateTags", Resources=list(resources.values()), Tags=[{"Key": "env", "Value": "prod"}, {"Key": "team", "Value": "net"}])
    tags = api.pages("DescribeTags", "Tags", MaxResults=5)[0]
    assert {(t["ResourceType"], t["ResourceId"], t["Key"], t["Value"]) for t in tags} == {
        (kind, id, k, v) for kind, id in resources.items() for k, v in (("env", "prod"), ("team", "net"))}
    for filters, want in [
        ([{"Name": "key", "Values": ["env"]}], 4),
        ([{"Name": "value", "Values": ["n*"]}], 4),
        ([{"Name": "resource-id", "Values": [pool]}], 2),
        ([{"Name": "resource-type", "Values": ["ipam-pool", "ipam"]}], 4),
        ([{"Name": "resource-type", "Values": ["ipam"]}, {"Name": "key", "Values": ["team"]}], 1),
        ([{"Name": "tag:env", "Values": ["prod"]}], 4),
    ]:
        assert len(api.call("DescribeTags", Filters=filters)["Tags"]) == want, filters
    api.call("CreateTags", Resources=[pool], Tags=[{"Key": "env", "Value": "test"}])
    api.call("DeleteTags", Resources=[ipam["IpamId"], pool], Tags=[{"Key": "env", "Value": "prod"}])  # by value: the pool has another value
    api.call("DeleteTags", Resources=list(resources.values()), Tags=[{"Key": "team"}])
    tags = {t["ResourceId"]: (t["Key"], t["Value"]) for t in api.call("DescribeTags")["Tags"]}
    assert tags == {resources["ipam-scope"]: ("env", "prod"), pool: ("env", "test"), allocation: ("env", "prod")}
    (got,) = api.call("DescribeIpamPools", IpamPoolIds=[pool])["IpamPools"]
    assert got["Tags"] == [{"Key": "env", "Value": "test"}]
    api.call("DeleteTags", Resources=list(resources.values()))
    assert api.call("DescribeTags")["Tags"] == []


def test_tags_refused(api, ipam):
    def refused(code, resources, tags):
        return api.refused(code, "CreateTags", Resources=resources, Tags=tags)
    id, one = ipam["IpamId"], [{"Key": "a", "Value": "b"}]
    refused("InvalidID", ["vpc-0123456789abcdef0"], one)
    refused("InvalidIpamPoolId.NotFound", [id, "ipam-pool-00000000000000000"], one)
    refused("InvalidParameterValue", [id], [{"Key": "aws:x", "Value": "b"}])
    refused("InvalidParameterValue", [id], [{"Key": "k" * 129, "Value": "b"}])
    refused("InvalidParameterValue", [id], [{"Key": "k", "Value": "v" * 257}])
    refused("TagLimitExceeded", [id], [{"Key": f"k{i}", "Value": ""} for i in range(51)])
    assert api.call("DescribeTags")["Tags"] == []  # the refused call whose first id is the IPAM's has tagged nothing

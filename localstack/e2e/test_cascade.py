"""Deletes that the provisioning function finishes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import until

pytestmark = pytest.mark.emulator


def test_cascading_delete_of_a_pool(api, make_pool):
    top = make_pool("10.0.0.0/16")
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda _: api.call("AllocateIpamPoolCidr", IpamPoolId=top, NetmaskLength=28), range(60)))
    api.refused("DependencyViolation", "DeleteIpamPool", IpamPoolId=top)
    state = api.call("DeleteIpamPool", IpamPoolId=top, Cascade=True)["IpamPool"]["State"]
    assert state in ("delete-in-progress", "delete-complete")
    until(lambda: api.call("DescribeIpamPools")["IpamPools"] == [], "the pool to be gone")
    api.refused("InvalidIpamPoolId.NotFound", "AllocateIpamPoolCidr", IpamPoolId=top, NetmaskLength=28)
    make_pool("10.0.0.0/16")  # the space is free again


def test_cascading_delete_of_an_ipam(api, ipam):
    scope = ipam["PrivateDefaultScopeId"]
    pool = lambda **p: api.call("CreateIpamPool", IpamScopeId=scope, AddressFamily="ipv4", **p)["IpamPool"]["IpamPoolId"]
    top = pool()
    api.call("ProvisionIpamPoolCidr", IpamPoolId=top, Cidr="10.0.0.0/12")
    for locale in ("ap-northeast-1", "ap-northeast-3"):
        child = pool(SourceIpamPoolId=top, Locale=locale)
        api.call("ProvisionIpamPoolCidr", IpamPoolId=child, NetmaskLength=16)
        for _ in range(5):
            api.call("AllocateIpamPoolCidr", IpamPoolId=child, NetmaskLength=24)
    api.refused("DependencyViolation", "DeleteIpam", IpamId=ipam["IpamId"])
    assert api.call("DeleteIpam", IpamId=ipam["IpamId"], Cascade=True)["Ipam"]["State"] in ("delete-in-progress", "delete-complete")
    until(lambda: api.call("DescribeIpams")["Ipams"] == [], "the IPAM to be gone")
    assert api.call("DescribeIpamPools")["IpamPools"] == [] and api.call("DescribeIpamScopes")["IpamScopes"] == []

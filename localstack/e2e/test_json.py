"""The JSON API and its description."""

import json

import pytest


def test_same_operation_same_members(api, ipam, make_pool):
    pool = make_pool("10.0.0.0/24")
    status, headers, by_json = api.json("AllocateIpamPoolCidr", {"IpamPoolId": pool, "NetmaskLength": 28, "Description": "é\"<&>"})
    assert status == 200, by_json
    (by_query,) = api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"]
    assert by_json["IpamPoolAllocation"] == by_query
    status, _, listed = api.json("GetIpamPoolAllocations", {"IpamPoolId": pool, "MaxResults": 1000})
    assert (status, listed["IpamPoolAllocations"]) == (200, [by_query])
    status, _, described = api.json("DescribeIpams", {"IpamIds": [ipam["IpamId"]]})
    assert (status, described["Ipams"]) == (200, api.call("DescribeIpams")["Ipams"])
    status, _, released = api.json("ReleaseIpamPoolAllocation", {"IpamPoolId": pool, "Cidr": by_query["Cidr"], "IpamPoolAllocationId": by_query["IpamPoolAllocationId"]})
    assert (status, released["Success"]) == (200, True)


@pytest.mark.parametrize("operation, body, status, code", [
    ("AllocateIpamPoolCidr", {"NetmaskLength": 24}, 400, "MissingParameter"),
    ("AllocateIpamPoolCidr", {"IpamPoolId": "ipam-pool-00000000000000000", "NetmaskLength": 24}, 400, "InvalidIpamPoolId.NotFound"),
    ("AllocateIpamPoolCidr", {"IpamPoolId": "ipam-pool-00000000000000000", "NetmaskLength": "24"}, 400, "InvalidParameterValue"),
    ("AllocateIpamPoolCidr", {"IpamPoolId": ["x"]}, 400, "InvalidParameterValue"),
    ("AllocateIpamPoolCidr", {"PoolId": "x"}, 400, "UnknownParameter"),
    ("DescribeIpams", {"DryRun": True}, 412, "DryRunOperation"),
    ("DescribeIpams", {"MaxResults": 4}, 400, None),
    ("DescribeIpams", '{"MaxResults": ', 400, None),
    ("DescribeIpams", "[]", 400, None),
    ("DescribeIpams", b"\xff\xfe", 400, None),
    ("DescribeIpamPolicies", {}, 400, "UnsupportedOperation"),
    ("LaunchRockets", {}, 400, "InvalidAction"),
])
def test_refusals(api, operation, body, status, code):
    got, headers, answer = api.json(operation, body)
    assert got == status, answer
    assert code is None or answer["Code"] == code, answer
    assert answer["Message"] and answer["RequestId"]


def test_query_refusals(api):
    """Requests that no client of AWS sends."""
    for body, code in [
        ("Version=2016-11-15", "Action"), ("Action=LaunchRockets&Version=2016-11-15", "InvalidAction"),
        ("Action=DescribeIpamPolicies&Version=2016-11-15", "UnsupportedOperation"), ("Action=DescribeIpams&Version=2016-11-15&Bogus=1", "UnknownParameter"),
        ("Action=DescribeIpams&Version=2016-11-15&MaxResults=many", "InvalidParameterValue"),
    ]:
        status, headers, answer = api.http("POST", "", body, "application/x-www-form-urlencoded")
        assert status == 400 and headers["Content-Type"].startswith("text/xml"), (body, status, answer)
        assert b"<Response><Errors><Error><Code>" in answer.replace(b"\n", b"") and code.encode() in answer and b"<RequestID>" in answer, answer


def test_openapi(api):
    status, _, document = api.json("openapi.json", method="GET")
    assert status == 200 and document["openapi"].startswith("3.")
    paths = document["paths"]
    for operation in ("CreateIpam", "AllocateIpamPoolCidr", "DescribeTags"):
        assert "post" in paths[f"/v1/{operation}"]
    assert "IpamPoolId" in json.dumps(document)

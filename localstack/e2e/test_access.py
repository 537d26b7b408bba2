"""GetAccessGrants and PutAccessGrants, which the EC2 API does not have."""

import pytest


def get(api):
    status, _, answer = api.json("GetAccessGrants")
    assert status == 200, answer
    return answer["AccessGrants"]


def test_grants_through_json(api):
    none = {"Administrators": [], "Allocators": [], "Readers": []}
    assert get(api) == none
    wanted = {"Administrators": [], "Allocators": ["arn:aws:iam::*:role/pipeline-*"], "Readers": ["arn:aws:iam::111122223333:root"]}
    status, _, answer = api.json("PutAccessGrants", wanted)
    assert (status, answer["AccessGrants"]) == (200, wanted)
    assert get(api) == wanted
    status, _, answer = api.json("PutAccessGrants", {"Readers": [""]})
    assert (status, answer["Code"]) == (400, "InvalidParameterValue")
    assert get(api) == wanted
    assert api.json("PutAccessGrants")[0] == 200
    assert get(api) == none


@pytest.mark.front
def test_grants_by_the_generated_model(api, as_principal):
    """boto3 and the CLI know the extensions through the generated model."""
    caller = "arn:aws:iam::111122223333:user/nobody"
    assert as_principal("nobody").json("DescribeIpams")[0] == 403
    assert api.call("PutAccessGrants", Readers=[caller])["AccessGrants"]["Readers"] == [caller]
    assert api.cli("get-access-grants")["AccessGrants"]["Readers"] == [caller]

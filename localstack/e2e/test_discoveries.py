"""Resource discoveries and their associations as objects, and the lists of their
resources, which are empty on these tables. test_network.py has the full lists."""

import pytest

UNIT = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/"


def default(api, ipam):
    [d] = api.call("DescribeIpamResourceDiscoveries", IpamResourceDiscoveryIds=[ipam["DefaultResourceDiscoveryId"]])["IpamResourceDiscoveries"]
    return d


def test_default_discovery(api, ipam):
    d = default(api, ipam)
    assert (d["IsDefault"], d["State"], d["OwnerId"]) == (True, "create-complete", ipam["OwnerId"])
    assert d["OperatingRegions"] == ipam["OperatingRegions"]
    [a] = api.call("DescribeIpamResourceDiscoveryAssociations")["IpamResourceDiscoveryAssociations"]
    assert a["IpamResourceDiscoveryAssociationId"] == ipam["DefaultResourceDiscoveryAssociationId"]
    assert (a["IpamId"], a["IpamResourceDiscoveryId"], a["IsDefault"]) == (ipam["IpamId"], d["IpamResourceDiscoveryId"], True)
    assert (a["State"], a["ResourceDiscoveryStatus"]) == ("associate-complete", "active")
    id = d["IpamResourceDiscoveryId"]
    api.refused("OperationNotPermitted", "DeleteIpamResourceDiscovery", IpamResourceDiscoveryId=id)
    api.refused("OperationNotPermitted", "DisassociateIpamResourceDiscovery", IpamResourceDiscoveryAssociationId=a["IpamResourceDiscoveryAssociationId"])
    api.refused("OperationNotPermitted", "ModifyIpamResourceDiscovery", IpamResourceDiscoveryId=id, Description="mine")


def test_excluded_units(api, ipam):
    id, excluded = ipam["DefaultResourceDiscoveryId"], [{"OrganizationsEntityPath": UNIT + "*"}]
    changed = api.call("ModifyIpamResourceDiscovery", IpamResourceDiscoveryId=id, AddOrganizationalUnitExclusions=excluded)["IpamResourceDiscovery"]
    assert changed["OrganizationalUnitExclusions"] == excluded
    below = [{"OrganizationsEntityPath": UNIT + "ou-f6g7-22222222/"}]
    assert UNIT in api.refused("InvalidParameterValue", "ModifyIpamResourceDiscovery", IpamResourceDiscoveryId=id, AddOrganizationalUnitExclusions=below)
    api.call("ModifyIpamResourceDiscovery", IpamResourceDiscoveryId=id, RemoveOrganizationalUnitExclusions=excluded)
    assert "OrganizationalUnitExclusions" not in default(api, ipam) or default(api, ipam)["OrganizationalUnitExclusions"] == []


def test_discovery_of_its_own(api, ipam, backend):
    """Create, tag, associate and delete, through the real CLI."""
    cli = api.cli
    made = cli("create-ipam-resource-discovery", "--description", "d", "--operating-regions", "RegionName=ap-northeast-1",
               "--tag-specifications", "ResourceType=ipam-resource-discovery,Tags=[{Key=env,Value=test}]")["IpamResourceDiscovery"]
    id = made["IpamResourceDiscoveryId"]
    assert (made["IsDefault"], made["Tags"]) == (False, [{"Key": "env", "Value": "test"}])
    assert [r["RegionName"] for r in made["OperatingRegions"]] == ["ap-northeast-1"]
    changed = cli("modify-ipam-resource-discovery", "--ipam-resource-discovery-id", id, "--add-operating-regions", "RegionName=ap-northeast-3")["IpamResourceDiscovery"]
    assert [r["RegionName"] for r in changed["OperatingRegions"]] == ["ap-northeast-1", "ap-northeast-3"]
    assert {d["IpamResourceDiscoveryId"] for d in cli("describe-ipam-resource-discoveries")["IpamResourceDiscoveries"]} == {id, ipam["DefaultResourceDiscoveryId"]}

    associated = cli("associate-ipam-resource-discovery", "--ipam-id", ipam["IpamId"], "--ipam-resource-discovery-id", id)["IpamResourceDiscoveryAssociation"]
    association = associated["IpamResourceDiscoveryAssociationId"]
    assert (associated["State"], associated["IsDefault"]) == ("associate-complete", False)
    [found] = cli("describe-ipam-resource-discovery-associations", "--filters", "Name=is-default,Values=false")["IpamResourceDiscoveryAssociations"]
    assert found["IpamResourceDiscoveryAssociationId"] == association
    assert cli("describe-ipams")["Ipams"][0]["ResourceDiscoveryAssociationCount"] == 2
    assert cli("disassociate-ipam-resource-discovery", "--ipam-resource-discovery-association-id", association)["IpamResourceDiscoveryAssociation"]["IpamId"] == ipam["IpamId"]
    assert cli("delete-ipam-resource-discovery", "--ipam-resource-discovery-id", id)["IpamResourceDiscovery"]["IpamResourceDiscoveryId"] == id
    assert cli("describe-ipam-resource-discoveries", "--ipam-resource-discovery-ids", id)[0] == "InvalidIpamResourceDiscoveryId.NotFound"


def test_lists_of_resources(api, ipam):
    of = {"IpamResourceDiscoveryId": ipam["DefaultResourceDiscoveryId"]}
    for operation, region, member in (("GetIpamDiscoveredAccounts", "DiscoveryRegion", "IpamDiscoveredAccounts"),
                                      ("GetIpamDiscoveredResourceCidrs", "ResourceRegion", "IpamDiscoveredResourceCidrs"),
                                      ("GetIpamDiscoveredPublicAddresses", "AddressRegion", "IpamDiscoveredPublicAddresses")):
        assert api.call(operation, **of, **{region: "eu-west-1"})[member] == []
        assert "nowhere" in api.refused("InvalidParameterValue", operation, **of, **{region: "nowhere"})
    for scope in (ipam["PrivateDefaultScopeId"], ipam["PublicDefaultScopeId"]):
        assert api.call("GetIpamResourceCidrs", IpamScopeId=scope)["IpamResourceCidrs"] == []
        assert api.call("GetIpamAddressHistory", IpamScopeId=scope, Cidr="10.0.0.0/24")["HistoryRecords"] == []
    api.refused("InvalidParameterValue", "GetIpamResourceCidrs", IpamScopeId=scope, Filters=[{"Name": "colour", "Values": ["red"]}])


def test_modify_none(api, ipam, backend):
    of = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "Monitored": True}
    default = [{"Name": "is-default", "Values": ["true"]}]
    status, _, answer = api.json("ModifyIpamResourceCidrs", {"Filters": default, **of})
    assert status == 200 and not answer.get("IpamResourceCidrs") and "NextToken" not in answer, answer
    status, _, answer = api.json("ModifyIpamResourceCidrs", of)
    assert (status, answer["Code"]) == (400, "MissingParameter") and "resource-type" in answer["Message"], answer
    status, _, answer = api.json("ModifyIpamResourceCidrs", {"Filters": default, **of, "IpamScopeId": ipam["PublicDefaultScopeId"]})
    assert (status, answer["Code"]) == (400, "OperationNotPermitted"), answer
    if backend.kind == "front":  # its CLI has the generated model
        assert not api.cli("modify-ipam-resource-cidrs", "--ipam-scope-id", of["IpamScopeId"], "--filters", "Name=is-default,Values=true",
                           "--monitored", "--preview-only")["IpamResourceCidrs"]


def test_unknown_account(api, ipam):
    for account, words in (("777788889999", "knows nothing of the account 777788889999"), ("dev", "12 digits")):
        status, _, answer = api.json("DeleteIpamDiscoveredAccount", {"IpamResourceDiscoveryId": ipam["DefaultResourceDiscoveryId"], "AccountId": account})
        assert (status, answer["Code"]) == (400, "InvalidParameterValue") and words in answer["Message"], answer


def test_history_as_csv(api, ipam):
    status, headers, text = api.json("GetIpamAddressHistory", {"IpamScopeId": ipam["PrivateDefaultScopeId"], "Cidr": "10.0.0.0/24"}, headers={"Accept": "text/csv"})
    assert (status, headers.get_content_type()) == (200, "text/csv")
    assert text.decode().splitlines()[0].split(",")[:2] == ["ResourceOwnerId", "ResourceRegion"]


def test_report_of_an_unknown_resource(api):
    """Cadastre knows no such VPC, so it asks nobody and frees nothing."""
    status, _, answer = api.json("ReportIpamResourceDeletion", {"ResourceId": "vpc-0123456789abcdef0", "ResourceRegion": "ap-northeast-1"})
    assert (status, answer["ResourceCidrs"]) == (200, []), answer
    status, _, answer = api.json("ReportIpamResourceDeletion", {"ResourceId": "eni-0123456789abcdef0", "ResourceRegion": "ap-northeast-1"})
    assert (status, answer["Code"]) == (400, "InvalidParameterValue") and "ResourceId" in answer["Message"], answer


def test_unknown_resource(api, ipam):
    named = {"ResourceId": "vpc-0123456789abcdef0", "ResourceCidr": "10.0.0.0/24", "ResourceRegion": "ap-northeast-1"}
    message = api.refused("InvalidParameterValue", "ModifyIpamResourceCidr", CurrentIpamScopeId=ipam["PrivateDefaultScopeId"], Monitored=False, **named)
    assert named["ResourceId"] in message

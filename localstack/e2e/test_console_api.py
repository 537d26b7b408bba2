"""The operations that the console has of its own, through both protocols."""

import pytest


@pytest.mark.front
def test_caller_access(api, as_principal):
    _, _, document = api.json("openapi.json", method="GET")
    needs = {path.removeprefix("/v1/"): described["post"]["x-cadastre-class"] for path, described in document["paths"].items() if "post" in described}
    order = ["read", "allocate", "administer"]
    for name, held in {"reader": "read", "allocator": "allocate", "admin": "administer"}.items():
        who = as_principal(name)
        access = who.call("GetCallerAccess")["CallerAccess"]
        assert (access["AccountId"], access["PrincipalArn"], access["Class"]) == (who.principal.account, who.principal.arn, held)
        assert access["IsOwner"] is True and access["OwnerAccountId"] == who.principal.account and access["Quotas"]["PoolDepth"] == 10
        management = {"EnableIpamOrganizationAdminAccount", "DisableIpamOrganizationAdminAccount"}
        assert set(access["Operations"]) == {o for o, c in needs.items() if order.index(c) <= order.index(held)} - management
        status, _, answer = who.json("GetCallerAccess")
        assert status == 200 and answer["CallerAccess"] == access
    stranger = as_principal("stranger").call("GetCallerAccess")["CallerAccess"]
    assert stranger["IsOwner"] is False and "PutAccessGrants" not in stranger["Operations"]


@pytest.mark.front
def test_space_map(api, as_principal, ipam, make_pool):
    scope = ipam["PrivateDefaultScopeId"]
    top = make_pool("10.0.0.0/22")
    child = make_pool("10.0.0.0/24", SourceIpamPoolId=top)
    taken = api.call("AllocateIpamPoolCidr", IpamPoolId=child, NetmaskLength=26, Description="lab")["IpamPoolAllocation"]
    space = api.call("GetIpamSpaceMap", IpamScopeId=scope)["IpamSpaceMap"]
    assert (space["Detail"], space["Source"], space["AddressFamily"], space["IpamScopeId"]) == ("exact", "live", "ipv4", scope)
    blocks = [(b["Cidr"], b["State"], b.get("IpamPoolId"), b.get("ChildIpamPoolId")) for b in space["Blocks"]]
    assert blocks == [
        ("10.0.0.0/22", "pool", None, top), ("10.0.0.0/24", "pool", top, child), ("10.0.0.0/26", "allocated", child, None),
        ("10.0.0.64/26", "free", child, None), ("10.0.0.128/25", "free", child, None), ("10.0.1.0/24", "free", top, None), ("10.0.2.0/23", "free", top, None)]
    assert (space["Blocks"][2]["IpamPoolAllocationId"], space["Blocks"][2]["Description"]) == (taken["IpamPoolAllocationId"], "lab")
    assert (space["Totals"]["ProvisionedAddresses"], space["Totals"]["FreeAddresses"], space["Totals"]["Allocations"]) == (1024, 960, 1)
    part = api.call("GetIpamSpaceMap", IpamPoolId=top, Cidr="10.0.3.0/24")["IpamSpaceMap"]
    assert [b["Cidr"] for b in part["Blocks"]] == ["10.0.0.0/22", "10.0.2.0/23"]
    tiles = api.call("GetIpamSpaceMap", IpamScopeId=scope, MaxBlocks=1)["IpamSpaceMap"]
    assert tiles["Detail"] == "tiles" and not tiles.get("Blocks") and tiles["Totals"] == space["Totals"]
    assert sum(t.get("FreeAddresses", 0) for t in tiles["Tiles"]) == 960
    status, _, answer = api.json("GetIpamSpaceMap", {"IpamPoolId": child})
    assert status == 200 and [b["Cidr"] for b in answer["IpamSpaceMap"]["Blocks"]] == ["10.0.0.0/24", "10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/25"]
    as_principal("stranger").refused("InvalidIpamPoolId.NotFound", "GetIpamSpaceMap", IpamPoolId=top)
    api.refused("InvalidParameterValue", "GetIpamSpaceMap", IpamPoolId=top, AtTime="2999-01-01T00:00:00Z")
    api.refused("MissingParameter", "GetIpamSpaceMap")


@pytest.mark.front
def test_search(api, as_principal, ipam, make_pool):
    pool = make_pool("10.8.0.0/22", Description="Osaka lab")
    taken = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=26, Description="printers")["IpamPoolAllocation"]

    def search(text, caller=api):
        answer = caller.call("SearchIpam", Text=text)
        return answer["SearchedAs"], [(m["MatchKind"], m["MatchedBy"], m.get("Id")) for m in answer["IpamSearchMatches"]]

    place = [("ipam-pool-cidr", "address", pool), ("ipam-pool-allocation", "address", taken["IpamPoolAllocationId"])]
    assert search("10.8.0.5") == ("address", place)
    assert search("10.8.0.0/26") == ("cidr", [(kind, "cidr", id) for kind, _, id in place])
    assert search(pool) == ("id", [("ipam-pool", "id", pool)])
    assert search("osaka") == ("text", [("ipam-pool", "description", pool)])
    assert search("prin") == ("text", [("ipam-pool-allocation", "description", taken["IpamPoolAllocationId"])])
    assert search("a=b") == ("tag", [])
    assert search("10.8.0.5", as_principal("stranger")) == ("address", [])
    status, _, answer = api.json("SearchIpam", {"Text": "10.8.0.5"})
    assert status == 200 and [m["Id"] for m in answer["IpamSearchMatches"]] == [id for _, _, id in place] and answer["NotSearched"]
    api.refused("InvalidParameterValue", "SearchIpam", Text="10.8.0.5/24")


@pytest.mark.front
def test_pool_utilization(api, as_principal, make_pool):
    pools = [make_pool("10.12.0.0/24"), make_pool("10.13.0.0/24")]
    answer = api.call("GetIpamPoolUtilization", IpamPoolIds=pools)["IpamPoolUtilizations"]
    assert sorted(u["IpamPoolId"] for u in answer) == sorted(pools)
    assert {u["Forecast"]["Outcome"] for u in answer} == {"not-enough-data"}
    status, _, one = api.json("GetIpamPoolUtilization", {"IpamPoolIds": pools[:1], "Step": "hour", "StartTime": "2026-01-01T00:00:00Z"})
    assert status == 200 and one["IpamPoolUtilizations"][0]["IpamPoolId"] == pools[0]
    api.refused("InvalidParameterCombination", "GetIpamPoolUtilization", IpamPoolIds=pools, Step="hour")
    as_principal("stranger").refused("InvalidIpamPoolId.NotFound", "GetIpamPoolUtilization", IpamPoolIds=pools)


@pytest.mark.front
def test_summary(api, as_principal, ipam):
    summary = api.call("GetIpamSummary", IpamId=ipam["IpamId"])["IpamSummaries"][0]
    assert summary["IpamId"] == ipam["IpamId"]
    scopes = {ipam["PrivateDefaultScopeId"], ipam["PublicDefaultScopeId"]}
    assert {(s["IpamScopeId"], s["AddressFamily"]) for s in summary["Scopes"]} >= {(s, f) for s in scopes for f in ("ipv4", "ipv6")}
    assert summary["Changes"]["Complete"] is True
    status, _, answer = api.json("GetIpamSummary", {})
    assert status == 200 and ipam["IpamId"] in {s["IpamId"] for s in answer["IpamSummaries"]}
    stranger = as_principal("stranger")
    stranger.refused("InvalidIpamId.NotFound", "GetIpamSummary", IpamId=ipam["IpamId"])
    assert not stranger.call("GetIpamSummary").get("IpamSummaries")


def test_json(api, ipam, make_pool):
    pool = make_pool("10.14.0.0/24", Description="Kobe lab")

    def call(operation, **parameters):
        status, _, answer = api.json(operation, parameters)
        assert status == 200
        return answer

    access = call("GetCallerAccess")["CallerAccess"]
    assert (access["Class"], access["IsOwner"]) == ("administer", True)
    assert [(b["Cidr"], b["State"]) for b in call("GetIpamSpaceMap", IpamPoolId=pool)["IpamSpaceMap"]["Blocks"]] == [("10.14.0.0/24", "pool"), ("10.14.0.0/24", "free")]
    assert [m["Id"] for m in call("SearchIpam", Text="kobe")["IpamSearchMatches"]] == [pool]
    assert call("GetIpamPoolUtilization", IpamPoolIds=[pool])["IpamPoolUtilizations"][0]["IpamPoolId"] == pool
    assert ipam["IpamId"] in {s["IpamId"] for s in call("GetIpamSummary")["IpamSummaries"]}

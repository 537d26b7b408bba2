"""The pages of `cadastre console` in a browser, against the deployment. The tests are in
functions/console/web/test/real."""

import json
import sys

import pytest

import network
from conftest import ROOT, browser_tests, sweep
from test_console import console  # noqa: F401: a fixture
from test_network import members  # noqa: F401: a fixture


@pytest.mark.emulator
def test_the_story_of_a_network(backend, members, console):  # noqa: F811
    try:
        browser_tests("story.test.ts", CONSOLE_LINK=console("admin").link.geturl(), MEMBER=members[0], AWS_CLI=str(backend.aws), PYTHON=sys.executable,
                      NETWORK=str(ROOT / "localstack" / "network" / "network.py"), PYTHONDONTWRITEBYTECODE="1")
        backend.fsck()
    finally:
        for region in network.REGIONS:
            network.bare(members[0], region)
        sweep(backend)


@pytest.mark.front
def test_each_class_and_foreign_pages(api, ipam, make_pool, console):  # noqa: F811
    pool = make_pool("10.0.0.0/16")
    taken = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=24)["IpamPoolAllocation"]["Cidr"]
    links = {name: console(name).link.geturl() for name in ("reader", "allocator", "admin", "nobody")}
    try:
        browser_tests("classes.test.ts", CONSOLE_LINKS=json.dumps(links), POOL=pool, SCOPE=ipam["PrivateDefaultScopeId"], ALLOCATION=taken)
    finally:
        api.json("PutAccessGrants")
        api.call("DeleteIpam", IpamId=ipam["IpamId"], Cascade=True)

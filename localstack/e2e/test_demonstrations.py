"""The demonstrations of `make run`, unchanged."""

import os
import sys

import pytest

import network
from conftest import ROOT, until
from test_network import members  # noqa: F401: a fixture
from test_readme import run


@pytest.fixture
def bare(members):  # noqa: F811
    """Empties the networks of all accounts, before and after."""
    def empty():
        for account in (network.OWNER, *members):
            for region in (network.HOME, *network.REGIONS):
                network.bare(account, region)
    empty()
    yield
    empty()


@pytest.mark.emulator
def test_both_one_after_the_other(backend, api, bare):
    deployed = {k: v for k, v in os.environ.items() if k.startswith("CADASTRE_")}
    for script, last in (("demo.sh", "All answers were as expected"), ("demo_network.sh", "The network is watched: all answers were as expected.")):
        status, printed = run(backend, api.principal, [str(ROOT / "localstack" / script)],
                              **{**deployed, "CADASTRE_AWS": str(backend.aws), "CADASTRE_PYTHON": sys.executable})
        assert status == 0 and last in printed, printed
        backend.fsck()
    (ipam,) = api.call("DescribeIpams")["Ipams"]
    api.call("DeleteIpam", IpamId=ipam["IpamId"], Cascade=True)
    until(lambda: api.call("DescribeIpams")["Ipams"] == [], "the IPAM to be gone")

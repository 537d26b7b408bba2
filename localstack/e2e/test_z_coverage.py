"""The operations that the earlier modules called."""

import os
import pathlib

from conftest import CALLED


def called():
    """The operations of this session, and of those of the two halves."""
    if not (folder := os.environ.get("CADASTRE_E2E_CALLED")):
        return CALLED
    return CALLED.union(*(half.read_text().split() for half in pathlib.Path(folder).iterdir()))


def test_every_operation_was_called_with_success(api, backend):
    _, _, document = api.json("openapi.json", method="GET")
    have = {p.removeprefix("/v1/") for p in document["paths"] if p.startswith("/v1/") and p != "/v1/openapi.json"}
    assert len(have) >= 41
    # They need a discovered resource, an account, and a version that a function in the background makes.
    without_network = {"ModifyIpamResourceCidr", "DeleteIpamDiscoveredAccount", "GetIpamPrefixListResolverVersionEntries"} if backend.kind == "front" else set()
    # They need an organisation that another account manages; see test_sharing.
    unmanaged = {"EnableIpamOrganizationAdminAccount", "DisableIpamOrganizationAdminAccount"}
    # The emulator's EC2 lacks them; the front has no EC2 to make VPCs in.
    without_ec2 = {"AssociateVpcCidrBlock", "DisassociateVpcCidrBlock"}
    if backend.kind == "front":
        without_ec2 |= {"CreateSubnet", "CreateVpc"}
    assert have - called() == without_network | unmanaged | without_ec2

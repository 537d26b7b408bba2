"""CloudFormation stacks with IPAM resources: the examples to copy, and a stack
from create to delete."""

import io
import json
import platform
import uuid
import zipfile

import boto3
import pytest
from botocore.exceptions import ClientError

import network
from conftest import ROOT, until
from test_network import NEVER, bus, dispatch, now  # noqa: F401: bus is a fixture

pytestmark = pytest.mark.emulator

EXAMPLES = ROOT / "infra" / "examples"
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_COMPLETE",
           "CREATE_FAILED", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED")


class Stacks:
    """A test's stacks. fsck checks the table after every change of a stack."""

    def __init__(self, backend):
        self.backend = backend
        key = backend.principals["admin"]
        self.of = lambda service: boto3.client(service, endpoint_url=backend.emulator, region_name=backend.region,
                                               aws_access_key_id=key.key, aws_secret_access_key=key.secret)
        self.client = self.of("cloudformation")
        self.names = []
        self.token = self.output("cadastre-service", "CustomResourceFunctionArn")

    def stack(self, name):
        return self.client.describe_stacks(StackName=name)["Stacks"][0]

    def output(self, name, key):
        return {o["OutputKey"]: o["OutputValue"] for o in self.stack(name)["Outputs"]}[key]

    def deploy(self, name, template, wanted=None, **parameters):
        """Creates or updates a stack from a template, with the deployment's service
        token, and returns the stack's outputs."""
        return self.deploy_with(name, json.dumps(template) if isinstance(template, dict) else template, wanted, ServiceToken=self.token, **parameters)

    def deploy_with(self, name, body, wanted=None, **parameters):
        act, verb = (self.client.update_stack, "UPDATE") if name in self.names else (self.client.create_stack, "CREATE")
        act(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        if name not in self.names:
            self.names.append(name)
        self.wait_until(name, wanted or f"{verb}_COMPLETE")
        self.backend.fsck()
        return {o["OutputKey"]: o["OutputValue"] for o in self.stack(name).get("Outputs", [])}

    def wait_until(self, name, wanted):
        until(lambda: self.stack(name)["StackStatus"] in SETTLED, f"{name} to be {wanted}", 180)
        assert self.stack(name)["StackStatus"] == wanted, self.reasons(name)

    def reasons(self, name):
        events = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return [e["ResourceStatusReason"] for e in events if e["ResourceStatus"].endswith("_FAILED") and e.get("ResourceStatusReason")]

    def physical(self, name, logical):
        return self.client.describe_stack_resource(StackName=name, LogicalResourceId=logical)["StackResourceDetail"]["PhysicalResourceId"]

    def delete(self, name):
        stack = self.stack(name)["StackId"]
        self.client.delete_stack(StackName=name)
        self.names.remove(name)

        def status():
            try:
                return self.stack(stack)["StackStatus"]
            except ClientError:
                return "DELETE_COMPLETE"

        until(lambda: status() in ("DELETE_COMPLETE", "DELETE_FAILED"), f"{name} to be deleted", 180)
        assert status() == "DELETE_COMPLETE", self.reasons(stack)
        self.backend.fsck()


@pytest.fixture
def stacks(backend):
    made = Stacks(backend)
    yield made
    for name in reversed(made.names[:]):
        made.delete(name)


def taken(api, pool):
    return sorted(a["Cidr"] for a in api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"])


def test_examples(api, stacks):
    pools = stacks.deploy("pools", (EXAMPLES / "pools.yaml").read_text())
    assert pools["DevelopmentCidr"] == "10.0.0.0/12"
    pool = pools["DevelopmentPoolId"]
    vpc = stacks.deploy("vpc", (EXAMPLES / "vpc.yaml").read_text())
    assert (vpc["IpamPoolId"], vpc["Cidr"]) == (pool, "10.0.0.0/24")
    assert taken(api, pool) == ["10.0.0.0/24"]
    assert stacks.of("ec2").describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]["CidrBlock"] == "10.0.0.0/24"
    stacks.delete("vpc")
    assert taken(api, pool) == []
    stacks.delete("pools")
    assert api.call("DescribeIpams")["Ipams"] == []


def test_a_stacks_vpc_is_compliant(api, stacks, bus):
    """A stack's VPC has the CIDR of the stack's allocation, and does not overlap
    with it."""
    pools = stacks.deploy("pools", (EXAMPLES / "pools.yaml").read_text())
    ipam = api.call("DescribeIpams")["Ipams"][0]
    vpc = stacks.deploy("vpc", (EXAMPLES / "vpc.yaml").read_text())
    where = (network.OWNER, network.HOME)
    discover(api, ipam["DefaultResourceDiscoveryId"], *where)
    resources = lambda: api.call("GetIpamResourceCidrs", IpamScopeId=ipam["PrivateDefaultScopeId"])["IpamResourceCidrs"]
    [shown] = resources()
    assert {k: shown[k] for k in ("ResourceId", "ResourceCidr", "IpamPoolId", "ManagementState", "ComplianceStatus", "OverlapStatus")} == {
        "ResourceId": vpc["VpcId"], "ResourceCidr": vpc["Cidr"], "IpamPoolId": pools["DevelopmentPoolId"],
        "ManagementState": "managed", "ComplianceStatus": "compliant", "OverlapStatus": "nonoverlapping"}
    # The bus reports another VPC on the CIDR, so it would have reported this
    # one.
    other = network.client("ec2", *where).create_vpc(CidrBlock=vpc["Cidr"])["Vpc"]["VpcId"]
    bus.wait("Resource Discovered", vpc["VpcId"])
    assert bus.find("Overlap Detected") == []
    discover(api, ipam["DefaultResourceDiscoveryId"], *where)
    bus.wait("Overlap Detected", vpc["VpcId"], other)
    assert all(other in json.dumps(e["detail"]) for e in bus.find("Overlap Detected"))
    network.change(*where, "DeleteVpc", VpcId=other)

    stacks.delete("vpc")
    network.tell(*where, "DeleteVpc", {"VpcId": vpc["VpcId"]}, {})
    until(lambda: resources() == [], "the VPCs to be gone")
    assert taken(api, pools["DevelopmentPoolId"]) == []
    stacks.backend.fsck()
    # All of the VPC's space is free.
    whole = api.call("AllocateIpamPoolCidr", IpamPoolId=pools["DevelopmentPoolId"], Cidr="10.0.0.0/20", PreviewNextCidr=True)
    assert whole["IpamPoolAllocation"]["Cidr"] == "10.0.0.0/20"
    stacks.delete("pools")
    assert api.call("DescribeIpams")["Ipams"] == []


def discover(api, discovery, account, region):
    """Starts the discovery of an account, and waits until it has succeeded."""
    start = now()
    dispatch()

    def seen():
        found = api.call("GetIpamDiscoveredAccounts", IpamResourceDiscoveryId=discovery, DiscoveryRegion=region)["IpamDiscoveredAccounts"]
        return any(a["AccountId"] == account and a.get("LastSuccessfulDiscoveryTime", NEVER) > start for a in found)

    until(seen, f"the discovery of {account} in {region}")


def template(**resources):
    kinds = {"Pool": "Custom::IpamPool", "Cidr": "Custom::IpamPoolCidr", "Vpc": "AWS::EC2::VPC"}
    token = lambda name: {} if name == "Vpc" else {"ServiceToken": {"Ref": "ServiceToken"}}
    return {
        "Parameters": {"ServiceToken": {"Type": "String"}},
        "Resources": {
            name: {"Type": kinds.get(name, "Custom::IpamAllocation"), "Properties": {**token(name), **properties}}
            for name, properties in resources.items()
        },
        "Outputs": {
            **{name: {"Value": {"Fn::GetAtt": [name, "Cidr"]}} for name in resources if name not in kinds},
            **{name + "Id": {"Value": {"Ref": name}} for name in ("Pool", "Vpc") if name in resources},
        },
    }


USES_A = {"CidrBlock": {"Fn::GetAtt": ["A", "Cidr"]}}  # a VPC


def vpcs(stacks):
    return {v["VpcId"]: v["CidrBlock"] for v in stacks.of("ec2").describe_vpcs()["Vpcs"]}


def test_life_of_a_stack(api, ipam, stacks):
    """Create, change in place, replace, roll back, delete. The outputs name all
    taken space, and fsck checks the rest."""
    pool = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4", "Description": "life", "Tags": [{"Key": "a", "Value": "1"}]}
    cidr = {"IpamPoolId": {"Ref": "Pool"}, "Cidr": "10.8.0.0/20"}
    # An allocation needs its pool first.
    allocation = lambda length, **p: {"IpamPoolId": {"Fn::GetAtt": ["Cidr", "IpamPoolId"]}, "NetmaskLength": length, **p}
    life = lambda a, b=allocation(25, Description="b"), **more: template(Pool=pool, Cidr=cidr, A=a, B=b, Vpc=USES_A, **more)

    def stands(outputs):
        """Checks that the allocations equal the deployment's outputs."""
        assert taken(api, outputs["PoolId"]) == sorted([outputs["A"], outputs["B"]])
        assert vpcs(stacks) == {outputs["VpcId"]: outputs["A"]}

    before = vpcs(stacks)
    assert before == {}
    made = stacks.deploy("life", life(allocation(24)))
    a = stacks.physical("life", "A")
    assert a.split("|")[::2] == [made["PoolId"], made["A"]]
    stands(made)

    pool = {**pool, "Description": "changed", "AutoImport": False, "AllocationDefaultNetmaskLength": 26, "Tags": [{"Key": "b", "Value": "2"}]}
    assert stacks.deploy("life", life(allocation(24))) == made
    shown = api.call("DescribeIpamPools", IpamPoolIds=[made["PoolId"]])["IpamPools"][0]
    assert (shown["Description"], shown["AllocationDefaultNetmaskLength"]) == ("changed", 26)
    tags = {t["Key"]: t["Value"] for t in shown["Tags"]}
    assert tags.pop("cadastre:stack-id").startswith("arn:aws:cloudformation:")
    assert tags == {"b": "2", "cadastre:logical-id": "Pool"}
    assert stacks.physical("life", "A") == a
    stands(made)

    # A is replaced, and so is the VPC on it.
    replaced = stacks.deploy("life", life(allocation(23)))
    assert replaced["A"].endswith("/23") and replaced["B"] == made["B"] and replaced["VpcId"] != made["VpcId"]
    stands(replaced)
    a = stacks.physical("life", "A")

    # B is replaced, then C fails: B stays as it was, and nothing is lost.
    changed, pool = pool, {**pool, "Description": "no"}
    stacks.deploy("life", life(allocation(23), allocation(24), C=allocation(16)), "UPDATE_ROLLBACK_COMPLETE")
    assert any("InsufficientFreeAddresses" in r or "/16" in r for r in stacks.reasons("life")), stacks.reasons("life")
    stands(replaced)
    assert stacks.physical("life", "A") == a
    assert api.call("DescribeIpamPools", IpamPoolIds=[made["PoolId"]])["IpamPools"][0]["Description"] == "changed"
    pool = changed

    # A itself cannot be replaced.
    stacks.deploy("life", life(allocation(16)), "UPDATE_ROLLBACK_COMPLETE")
    stands(replaced)

    # A and the VPC are replaced, then another resource of the stack fails.
    stacks.deploy("life", failing(life(allocation(22)), "Vpc"), "UPDATE_ROLLBACK_COMPLETE")
    assert taken(api, made["PoolId"]) == sorted([replaced["A"], made["B"]])
    assert list(vpcs(stacks).values()) == [replaced["A"]]

    assert stacks.deploy("life", template(Pool=pool, Cidr=cidr, B=allocation(25, Description="b")))["B"] == made["B"]
    assert taken(api, made["PoolId"]) == [made["B"]]
    assert vpcs(stacks) == {}
    stacks.delete("life")
    assert api.call("DescribeIpamPools")["IpamPools"] == []


def failing(body, behind):
    """Returns the template with a resource that fails, after another one."""
    return {**body, "Resources": {**body["Resources"], "Fails": {
        "Type": "Custom::IpamScope", "DependsOn": [behind], "Properties": {"ServiceToken": {"Ref": "ServiceToken"}, "IpamId": "ipam-0123456789abcdef0"}}}}


def test_failed_stack_leaves_nothing(api, ipam, stacks):
    """All resources, the VPC too, are made before the last one fails."""
    pool = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4"}
    allocation = {"IpamPoolId": {"Fn::GetAtt": ["Cidr", "IpamPoolId"]}, "NetmaskLength": 24, "StableKey": "a"}
    body = template(Pool=pool, Cidr={"IpamPoolId": {"Ref": "Pool"}, "Cidr": "10.8.0.0/20"}, A=allocation, B={**allocation, "StableKey": "b"}, Vpc=USES_A)
    stacks.deploy("failing", failing(body, "Vpc"), "ROLLBACK_COMPLETE")
    assert any("InvalidIpamId.NotFound" in r for r in stacks.reasons("failing")), stacks.reasons("failing")
    assert api.call("DescribeIpamPools")["IpamPools"] == []
    assert vpcs(stacks) == {}


def test_failed_create_leaves_nothing(api, ipam, stacks):
    pool = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4", "ProvisionedCidrs": [{"Cidr": "10.8.0.0/20"}, {"Cidr": "10.8.1.0/24"}]}
    stacks.deploy("failing", template(Pool=pool), "ROLLBACK_COMPLETE")
    assert any("10.8.1.0/24" in r for r in stacks.reasons("failing")), stacks.reasons("failing")
    assert api.call("DescribeIpamPools")["IpamPools"] == []


def test_selector(api, make_pool, stacks):
    """A selector selects exactly one pool, or gives the reason. Existing resources
    keep their pool."""
    tagged = lambda value: [{"Key": "environment", "Value": value}]
    pool = lambda cidr, value: make_pool(cidr, TagSpecifications=[{"ResourceType": "ipam-pool", "Tags": tagged(value)}])
    first, second = pool("10.0.0.0/16", "blue"), pool("10.1.0.0/16", "green")
    selecting = lambda value, length=24: template(A={"IpamPoolSelector": {"Tags": tagged(value)}, "NetmaskLength": length})

    made = stacks.deploy("chosen", selecting("blue"))
    assert (made["A"], taken(api, first)) == ("10.0.0.0/24", ["10.0.0.0/24"])
    stacks.deploy("empty", selecting("red"), "ROLLBACK_COMPLETE")
    assert any('No pool meets the IpamPoolSelector tag:environment="red"' in r for r in stacks.reasons("empty")), stacks.reasons("empty")

    # Both pools are blue: a new resource is refused with the reason, and an
    # existing one keeps its pool, with another length too.
    api.call("CreateTags", Resources=[second], Tags=tagged("blue"))
    stacks.deploy("ambiguous", selecting("blue"), "ROLLBACK_COMPLETE")
    assert any("More than one pool meets the IpamPoolSelector" in r and first in r and second in r for r in stacks.reasons("ambiguous")), stacks.reasons("ambiguous")
    a = stacks.deploy("chosen", selecting("blue", 25))["A"]
    assert taken(api, first) == [a] and taken(api, second) == []

    # The selector does not select the first pool any more: nothing moves until
    # the selector itself changes.
    api.call("CreateTags", Resources=[first], Tags=tagged("green"))
    a = stacks.deploy("chosen", selecting("blue", 26))["A"]
    assert taken(api, first) == [a] and taken(api, second) == []
    assert stacks.deploy("chosen", selecting("green", 26))["A"] == a
    a = stacks.deploy("chosen", selecting("blue", 26))["A"]
    assert taken(api, first) == [] and taken(api, second) == [a]


def test_stable_key(api, make_pool, stacks):
    """A stack that is deleted and created again gets the same CIDR."""
    pool = make_pool("10.0.0.0/16")
    body = template(A={"IpamPoolId": pool, "NetmaskLength": 24, "StableKey": "stack/a"})
    before = api.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=24)["IpamPoolAllocation"]
    assert stacks.deploy("anew", body)["A"] == "10.0.1.0/24"
    api.call("ReleaseIpamPoolAllocation", IpamPoolId=pool, Cidr=before["Cidr"], IpamPoolAllocationId=before["IpamPoolAllocationId"])
    stacks.delete("anew")
    assert taken(api, pool) == []
    assert stacks.deploy("anew", body)["A"] == "10.0.1.0/24"


def test_forwarder(api, make_pool, stacks):
    """The unchanged template of the forwarder, in the API's account: the emulator
    finds an API from that account only."""
    pool = make_pool("10.0.0.0/16", Description="forwarded")
    bucket = f"code-{uuid.uuid4().hex[:8]}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        z.writestr(entry, (ROOT / "build" / "functions" / "customresource" / "bootstrap").read_bytes())
    s3 = stacks.of("s3")
    deployed = stacks.deploy_with("code", (ROOT / "infra" / "templates" / "code-bucket.yaml").read_text(), CodeBucketPrefix=bucket, OrganizationId="o-a1b2c3d4e5")
    assert deployed == {"Bucket": f"{bucket}-{stacks.backend.region}"}
    s3.put_object(Bucket=f"{bucket}-{stacks.backend.region}", Key="customresource.zip", Body=archive.getvalue())
    region, account = stacks.backend.region, stacks.backend.principals["admin"].account
    stage = lambda api_id: f"arn:aws:execute-api:{region}:{account}:{api_id}/prod"
    forward = lambda api_id: stacks.deploy_with(
        "forwarder", (ROOT / "infra" / "templates" / "forwarder.yaml").read_text(), ApiEndpoint=stacks.backend.endpoint, ApiArn=stage(api_id),
        CodeBucketPrefix=bucket, Architecture="arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64")
    body = {"Parameters": {"ServiceToken": {"Type": "String"}},
            "Resources": {"A": {"Type": "Custom::IpamAllocation", "Properties": {
                "ServiceToken": {"Ref": "ServiceToken"}, "IpamPoolSelector": {"Description": "forwarded"}, "NetmaskLength": 24}}},
            "Outputs": {"Cidr": {"Value": {"Fn::GetAtt": ["A", "Cidr"]}}}}
    token = forward("anotherapi")["ServiceToken"]
    stacks.deploy_with("refused", json.dumps(body), "ROLLBACK_COMPLETE", ServiceToken=token)
    assert any(r.startswith("UnauthorizedOperation: ") and "execute-api:Invoke" in r for r in stacks.reasons("refused")), stacks.reasons("refused")
    assert forward(stacks.output("cadastre-service", "ApiId"))["ServiceToken"] == token
    assert stacks.deploy_with("member", json.dumps(body), ServiceToken=token) == {"Cidr": "10.0.0.0/24"}
    assert taken(api, pool) == ["10.0.0.0/24"]
    stacks.delete("member")
    assert taken(api, pool) == []

"""Stacks of CloudFormation with IPAM resources: the examples that people copy,
and a stack's whole life."""

import io
import json
import platform
import uuid
import zipfile

import boto3
import pytest
from botocore.exceptions import ClientError

from conftest import ROOT, until

pytestmark = pytest.mark.emulator

EXAMPLES = ROOT / "infra" / "examples"
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_COMPLETE",
           "CREATE_FAILED", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED")


class Stacks:
    """Stacks of a test, in which every change of the table is checked."""

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
        """Creates or updates a stack of a template with the service token of the
        deployment, and returns its outputs."""
        return self.deploy_with(name, json.dumps(template) if isinstance(template, dict) else template, wanted, ServiceToken=self.token, **parameters)

    def deploy_with(self, name, body, wanted=None, **parameters):
        act, verb = (self.client.update_stack, "UPDATE") if name in self.names else (self.client.create_stack, "CREATE")
        act(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        if name not in self.names:
            self.names.append(name)
        self.settle(name, wanted or f"{verb}_COMPLETE")
        self.backend.fsck()
        return {o["OutputKey"]: o["OutputValue"] for o in self.stack(name).get("Outputs", [])}

    def settle(self, name, wanted):
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


def template(**resources):
    kinds = {"Pool": "Custom::IpamPool", "Cidr": "Custom::IpamPoolCidr"}
    return {
        "Parameters": {"ServiceToken": {"Type": "String"}},
        "Resources": {
            name: {"Type": kinds.get(name, "Custom::IpamAllocation"), "Properties": {"ServiceToken": {"Ref": "ServiceToken"}, **properties}}
            for name, properties in resources.items()
        },
        "Outputs": {
            **{name: {"Value": {"Fn::GetAtt": [name, "Cidr"]}} for name in resources if name not in kinds},
            "PoolId": {"Value": {"Ref": "Pool"}},
        },
    }


def test_life_of_a_stack(api, ipam, stacks):
    """Made, changed in place and by replacement, rolled back, deleted."""
    pool = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4", "Description": "life", "Tags": [{"Key": "a", "Value": "1"}]}
    cidr = {"IpamPoolId": {"Ref": "Pool"}, "Cidr": "10.8.0.0/20"}
    # What an allocation takes has to be there first.
    allocation = lambda length, **p: {"IpamPoolId": {"Fn::GetAtt": ["Cidr", "IpamPoolId"]}, "NetmaskLength": length, **p}

    made = stacks.deploy("life", template(Pool=pool, Cidr=cidr, A=allocation(24), B=allocation(25, Description="b")))
    a = stacks.physical("life", "A")
    assert a.split("|")[::2] == [made["PoolId"], made["A"]]
    assert taken(api, made["PoolId"]) == sorted([made["A"], made["B"]])

    pool = {**pool, "Description": "changed", "AutoImport": False, "AllocationDefaultNetmaskLength": 26, "Tags": [{"Key": "b", "Value": "2"}]}
    assert stacks.deploy("life", template(Pool=pool, Cidr=cidr, A=allocation(24), B=allocation(25, Description="b"))) == made
    shown = api.call("DescribeIpamPools", IpamPoolIds=[made["PoolId"]])["IpamPools"][0]
    assert (shown["Description"], shown["AllocationDefaultNetmaskLength"], shown["Tags"]) == ("changed", 26, [{"Key": "b", "Value": "2"}])
    assert stacks.physical("life", "A") == a

    replaced = stacks.deploy("life", template(Pool=pool, Cidr=cidr, A=allocation(23), B=allocation(25, Description="b")))
    assert replaced["A"].endswith("/23") and replaced["B"] == made["B"]
    assert taken(api, made["PoolId"]) == sorted([replaced["A"], made["B"]])
    a = stacks.physical("life", "A")

    # B is replaced, then C cannot be: B is what it was, and nothing is lost.
    stacks.deploy("life", template(Pool={**pool, "Description": "no"}, Cidr=cidr, A=allocation(23), B=allocation(24), C=allocation(16)), "UPDATE_ROLLBACK_COMPLETE")
    assert any("InsufficientFreeAddresses" in r or "/16" in r for r in stacks.reasons("life")), stacks.reasons("life")
    assert taken(api, made["PoolId"]) == sorted([replaced["A"], made["B"]])
    assert stacks.physical("life", "A") == a
    assert api.call("DescribeIpamPools", IpamPoolIds=[made["PoolId"]])["IpamPools"][0]["Description"] == "changed"

    # A itself cannot be replaced.
    stacks.deploy("life", template(Pool=pool, Cidr=cidr, A=allocation(16), B=allocation(25, Description="b")), "UPDATE_ROLLBACK_COMPLETE")
    assert taken(api, made["PoolId"]) == sorted([replaced["A"], made["B"]])

    assert stacks.deploy("life", template(Pool=pool, Cidr=cidr, B=allocation(25, Description="b")))["B"] == made["B"]
    assert taken(api, made["PoolId"]) == [made["B"]]
    stacks.delete("life")
    assert api.call("DescribeIpamPools")["IpamPools"] == []


def test_failed_create_leaves_nothing(api, ipam, stacks):
    pool = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4", "ProvisionedCidrs": [{"Cidr": "10.8.0.0/20"}, {"Cidr": "10.8.1.0/24"}]}
    stacks.deploy("failing", template(Pool=pool), "ROLLBACK_COMPLETE")
    assert any("10.8.1.0/24" in r for r in stacks.reasons("failing")), stacks.reasons("failing")
    assert api.call("DescribeIpamPools")["IpamPools"] == []


def test_forwarder(api, make_pool, stacks):
    """The forwarder's template as it is, in the account of the API: the emulator
    finds an API from no other."""
    pool = make_pool("10.0.0.0/16", Description="forwarded")
    bucket = f"code-{uuid.uuid4().hex[:8]}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        z.writestr(entry, (ROOT / "build" / "functions" / "customresource" / "bootstrap").read_bytes())
    s3 = stacks.of("s3")
    s3.create_bucket(Bucket=f"{bucket}-{stacks.backend.region}")
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

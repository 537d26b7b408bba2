"""VPCs with CIDRs out of pools. Cadastre makes them in the callers' accounts with
the vending role of each, with IAM enforced.

The emulator finds the API from the owner account only, so the tests deliver
members' calls to the function as API Gateway does. The emulator has no calls that
change a VPC's CIDRs, so these serve as calls that EC2 refuses."""

import json
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import botocore.parsers
import botocore.serialize
import botocore.session
import pytest

import network
from conftest import CALLED, until
from test_network import OSAKA, TOKYO, World, members  # noqa: F401: a fixture

pytestmark = pytest.mark.emulator

PROD = [{"Key": "environment", "Value": "prod"}]
VENDING = "CadastreVending"
MODEL = botocore.session.get_session().get_service_model("ec2")  # a client would look for credentials


FINE = ("managed", "compliant", "nonoverlapping")


def tagged(tags):
    return [{"ResourceType": "vpc", "Tags": tags}]


class Refused(Exception):
    """A refusal of the API."""

    def __init__(self, code, message):
        super().__init__(code, message)
        self.code = code


class Member:
    """The API as a role of a member account calls it; the role may allocate."""

    def __init__(self, account, role="vpc-maker"):
        self.account, self.arn = account, f"arn:aws:sts::{account}:assumed-role/{role}/alice"

    def event(self, operation, region, parameters):
        """Returns the event of a call, in the form of API Gateway's REST proxy
        integration."""
        form = botocore.serialize.create_serializer("ec2").serialize_to_request(parameters, MODEL.operation_model(operation))["body"]
        headers = {"Content-Type": "application/x-www-form-urlencoded",
                   "Authorization": f"AWS4-HMAC-SHA256 Credential={self.account}/20260102/{network.HOME}/execute-api/aws4_request, SignedHeaders=host, Signature=0",
                   "X-Cadastre-Region": region}
        return {
            "resource": "/", "path": "/", "httpMethod": "POST", "headers": headers, "multiValueHeaders": {k: [v] for k, v in headers.items()},
            "requestContext": {"apiId": "api", "requestId": str(uuid.uuid4()), "identity": {"accountId": self.account, "userArn": self.arn}},
            "body": urllib.parse.urlencode(form), "isBase64Encoded": False,
        }

    def call(self, operation, region, **parameters):
        answered = network.client("lambda").invoke(FunctionName=network.function("api"), Payload=json.dumps(self.event(operation, region, parameters)))
        answer = json.load(answered["Payload"])
        assert "FunctionError" not in answered, answer
        parsed = botocore.parsers.create_parser("ec2").parse(
            {"body": answer["body"].encode(), "headers": answer["headers"], "status_code": answer["statusCode"]}, MODEL.operation_model(operation).output_shape)
        if answer["statusCode"] != 200:
            raise Refused(parsed["Error"]["Code"], parsed["Error"]["Message"])
        CALLED.add(operation)
        parsed.pop("ResponseMetadata")
        return parsed

    def refused(self, code, operation, region, **parameters):
        with pytest.raises(Refused) as e:
            self.call(operation, region, **parameters)
        assert e.value.code == code, e.value
        return e.value.args[1]


@pytest.fixture
def world(backend, api, members):  # noqa: F811
    w = World(api, *members)
    w.member = Member(w.dev)
    yield w
    backend.fsck()
    for account in (network.OWNER, *members):
        for region in (network.HOME, *network.REGIONS):
            network.bare(account, region)
    api.call("DeleteIpam", IpamId=w.ipam["IpamId"], Cascade=True)
    until(lambda: api.call("DescribeIpams")["Ipams"] == [], "the IPAM to be gone")


def vpcs(account, region):
    """Returns the VPCs of an account in a Region, by id."""
    return {v["VpcId"]: v for v in network.client("ec2", account, region).describe_vpcs()["Vpcs"]}


def shared(world, cidr, region, **parameters):
    """Makes a pool for a Region, shared with the member dev."""
    pool = world.pool(cidr, Locale=region, **parameters)
    share(world, pool, world.dev)
    return pool


def share(world, pool, account):
    status, _, answer = world.api.json("PutIpamPoolShare", {"IpamPoolId": pool, "Principal": account})
    assert status == 200, answer


def facts(allocation):
    return {k: allocation.get(k) for k in ("ResourceType", "ResourceId", "ResourceRegion", "ResourceOwner")}


def gone(world, account, region, vpc, pool):
    """Deletes a VPC, and waits until its space is free."""
    network.change(account, region, "DeleteVpc", VpcId=vpc)
    until(lambda: world.allocations(pool) == {}, f"the space of {vpc} to be free")


def test_the_owner_makes_a_vpc(world):
    """Through the plain CLI, until the VPC's space is free again."""
    pool = world.pool("10.0.0.0/16", Locale=OSAKA, AllocationResourceTags=PROD, AllocationMinNetmaskLength=20)
    made = world.api.cli("create-vpc", "--ipv4-ipam-pool-id", pool, "--ipv4-netmask-length", "24", region=OSAKA,
                         *("--tag-specifications", "ResourceType=vpc,Tags=[{Key=environment,Value=prod},{Key=Name,Value=web}]"))
    vpc, cidr = made["Vpc"]["VpcId"], made["Vpc"]["CidrBlock"]
    assert cidr == "10.0.0.0/24"
    there = vpcs(network.OWNER, OSAKA)
    assert list(there) == [vpc] and there[vpc]["CidrBlock"] == cidr
    assert {t["Key"]: t["Value"] for t in there[vpc]["Tags"]} == {"environment": "prod", "Name": "web"}
    bound = {"ResourceType": "vpc", "ResourceId": vpc, "ResourceRegion": OSAKA, "ResourceOwner": network.OWNER}
    before = world.allocations(pool)
    assert {c: facts(a) for c, a in before.items()} == {cidr: bound}
    # The space belongs to the VPC until discovery sees that the VPC is gone.
    world.api.refused("InvalidParameterValue", "AllocateIpamPoolCidr", OSAKA, IpamPoolId=pool, Cidr=cidr)

    world.discover()
    assert world.status(vpc) == FINE
    assert world.allocations(pool) == before
    world.discover()
    assert world.allocations(pool) == before
    gone(world, network.OWNER, OSAKA, vpc, pool)
    assert world.allocate(pool, cidr)["Cidr"] == cidr


def test_a_member_makes_a_vpc(world):
    """In its own account, in another Region, out of a shared pool."""
    pool, hidden = shared(world, "10.1.0.0/16", TOKYO, AllocationDefaultNetmaskLength=26), world.pool("10.2.0.0/16", Locale=TOKYO)
    for parameters, cidr in (({}, "10.1.0.0/26"), ({"Ipv4NetmaskLength": 24}, "10.1.1.0/24"), ({"CidrBlock": "10.1.7.0/24"}, "10.1.7.0/24")):
        vpc = world.member.call("CreateVpc", TOKYO, Ipv4IpamPoolId=pool, **parameters)["Vpc"]
        assert vpc["CidrBlock"] == cidr == vpcs(world.dev, TOKYO)[vpc["VpcId"]]["CidrBlock"]
        assert facts(world.allocations(pool)[cidr]) == {"ResourceType": "vpc", "ResourceId": vpc["VpcId"], "ResourceRegion": TOKYO, "ResourceOwner": world.dev}
    for account in (network.OWNER, world.prod):
        assert vpcs(account, TOKYO) == {}

    # A pool that is not shared does not exist for it, and an account without
    # the role gets no VPC.
    world.member.refused("InvalidIpamPoolId.NotFound", "CreateVpc", TOKYO, Ipv4IpamPoolId=hidden, Ipv4NetmaskLength=24)
    Member(world.prod).refused("InvalidIpamPoolId.NotFound", "CreateVpc", TOKYO, Ipv4IpamPoolId=pool)
    stranger = Member("999988887777")
    share(world, pool, stranger.account)
    message = stranger.refused("UnauthorizedOperation", "CreateVpc", TOKYO, Ipv4IpamPoolId=pool)
    assert stranger.account in message and "template" in message
    Member(world.dev, "reader").refused("UnauthorizedOperation", "CreateVpc", TOKYO, Ipv4IpamPoolId=pool)
    assert len(vpcs(world.dev, TOKYO)) == len(world.allocations(pool)) == 3
    world.discover()
    assert {world.status(v) for v in vpcs(world.dev, TOKYO)} == {FINE}
    assert len(world.allocations(pool)) == 3


def test_a_workflow_makes_a_vpc(world):
    """In the owner account, through direct invocation."""
    pool = world.pool("10.12.0.0/16", Locale=OSAKA)
    answer = network.client("lambda").invoke(FunctionName=network.function("direct"), Payload=json.dumps(
        {"operation": "CreateVpc", "region": OSAKA, "input": {"Ipv4IpamPoolId": pool, "Ipv4NetmaskLength": 24}}))
    vpc = json.load(answer["Payload"])["Vpc"]["VpcId"]
    assert vpcs(network.OWNER, OSAKA)[vpc]["CidrBlock"] == "10.12.0.0/24"
    assert {c: a["ResourceId"] for c, a in world.allocations(pool).items()} == {"10.12.0.0/24": vpc}


def test_rules_refuse_before_anything_is_made(world):
    pool = shared(world, "10.3.0.0/16", OSAKA, AllocationResourceTags=PROD, AllocationMinNetmaskLength=20, AllocationMaxNetmaskLength=28)
    taken = world.vpc("10.3.8.0/24")
    world.discover()
    for why, code, region, parameters in (
        ("no tags", "InvalidParameterValue", OSAKA, {"Ipv4NetmaskLength": 24}),
        ("another tag", "InvalidParameterValue", OSAKA, {"Ipv4NetmaskLength": 24, "TagSpecifications": tagged([{"Key": "environment", "Value": "dev"}])}),
        ("another Region", "InvalidParameterValue", TOKYO, {"Ipv4NetmaskLength": 24, "TagSpecifications": tagged(PROD)}),
        ("too large", "InvalidParameterValue", OSAKA, {"Ipv4NetmaskLength": 19, "TagSpecifications": tagged(PROD)}),
        ("too small", "InvalidParameterValue", OSAKA, {"CidrBlock": "10.3.0.0/29", "TagSpecifications": tagged(PROD)}),
        ("lived in", "InvalidParameterValue", OSAKA, {"CidrBlock": "10.3.8.0/24", "TagSpecifications": tagged(PROD)}),
        ("two sizes", "InvalidParameterCombination", OSAKA, {"CidrBlock": "10.3.0.0/24", "Ipv4NetmaskLength": 24, "TagSpecifications": tagged(PROD)}),
        ("only tried", "DryRunOperation", OSAKA, {"Ipv4NetmaskLength": 24, "TagSpecifications": tagged(PROD), "DryRun": True}),
    ):
        world.member.refused(code, "CreateVpc", region, Ipv4IpamPoolId=pool, **parameters)
        assert list(vpcs(world.dev, OSAKA)) == [taken] and vpcs(world.dev, TOKYO) == {}, why
        assert [a for a in world.allocations(pool).values() if a["ResourceId"] != taken] == [], why


@pytest.fixture
def forbidden(members):  # noqa: F811
    """Removes the permissions of the first member's vending role."""
    iam = network.client("iam", members[0])
    document = iam.get_role_policy(RoleName=VENDING, PolicyName="Vend")["PolicyDocument"]
    iam.delete_role_policy(RoleName=VENDING, PolicyName="Vend")
    yield
    iam.put_role_policy(RoleName=VENDING, PolicyName="Vend", PolicyDocument=json.dumps(document))


def test_space_returns_if_iam_refuses(world, forbidden):
    pool = shared(world, "10.4.0.0/24", OSAKA)
    world.member.refused("UnauthorizedOperation", "CreateVpc", OSAKA, Ipv4IpamPoolId=pool, CidrBlock="10.4.0.0/24")
    assert vpcs(world.dev, OSAKA) == {} == world.allocations(pool)
    assert world.allocate(pool, "10.4.0.0/24")


def test_space_returns_if_ec2_refuses(world):
    pool = shared(world, "10.5.0.0/24", OSAKA)
    vpc = world.vpc("192.168.0.0/24")
    world.member.refused("InvalidAction", "AssociateVpcCidrBlock", OSAKA, VpcId=vpc, Ipv4IpamPoolId=pool, Ipv4NetmaskLength=24)
    assert world.allocations(pool) == {}
    world.member.refused("InvalidVpcID.NotFound", "AssociateVpcCidrBlock", OSAKA, VpcId="vpc-0123456789abcdef0", Ipv4IpamPoolId=pool, Ipv4NetmaskLength=24)
    assert world.allocations(pool) == {}


def test_calls_without_a_pool_go_to_ec2(world):
    vpc = world.member.call("CreateVpc", OSAKA, CidrBlock="172.16.0.0/24", InstanceTenancy="dedicated", TagSpecifications=tagged(PROD))["Vpc"]
    assert vpcs(world.dev, OSAKA)[vpc["VpcId"]] == vpc
    assert vpc["InstanceTenancy"] == "dedicated"
    subnet = world.member.call("CreateSubnet", OSAKA, VpcId=vpc["VpcId"], CidrBlock="172.16.0.0/28")["Subnet"]
    assert network.client("ec2", world.dev, OSAKA).describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"] == [subnet]
    world.member.refused("InvalidAction", "DisassociateVpcCidrBlock", OSAKA, AssociationId="vpc-cidr-assoc-0123456789abcdef0")
    world.api.call("CreateVpc", TOKYO, CidrBlock="172.16.1.0/24")
    assert [v["CidrBlock"] for v in vpcs(network.OWNER, TOKYO).values()] == ["172.16.1.0/24"]


def test_subnets_of_a_vpc(world):
    """Out of a resource planning pool of the VPC, until both are gone."""
    source = shared(world, "10.7.0.0/16", OSAKA)
    vpc = world.member.call("CreateVpc", OSAKA, Ipv4IpamPoolId=source, Ipv4NetmaskLength=20)["Vpc"]
    world.discover()
    over = {"ResourceId": vpc["VpcId"], "ResourceType": "vpc", "ResourceRegion": OSAKA, "ResourceOwner": world.dev}
    plan = world.pool(vpc["CidrBlock"], source, SourceResource=over)
    ask = {"VpcId": vpc["VpcId"], "Ipv4IpamPoolId": plan, "Ipv4NetmaskLength": 24}
    world.member.refused("InvalidIpamPoolId.NotFound", "CreateSubnet", OSAKA, **ask)
    share(world, plan, world.dev)
    made = [world.member.call("CreateSubnet", OSAKA, **ask)["Subnet"] for _ in range(2)]
    ec2 = network.client("ec2", world.dev, OSAKA)
    there = {s["SubnetId"]: (s["VpcId"], s["CidrBlock"]) for s in ec2.describe_subnets()["Subnets"]}
    assert there == {s["SubnetId"]: (vpc["VpcId"], cidr) for s, cidr in zip(made, ("10.7.0.0/24", "10.7.1.0/24"))}
    assert {c: (a["ResourceType"], a["ResourceId"]) for c, a in world.allocations(plan).items()} == {s["CidrBlock"]: ("subnet", s["SubnetId"]) for s in made}
    other = world.vpc("192.168.0.0/24")
    world.member.refused("InvalidParameterValue", "CreateSubnet", OSAKA, **{**ask, "VpcId": other})
    assert len(world.allocations(plan)) == 2

    before = world.allocations(plan)
    world.discover()
    assert world.allocations(plan) == before
    assert {world.status(id) for id in (vpc["VpcId"], *there)} == {FINE}
    for id in there:
        network.change(world.dev, OSAKA, "DeleteSubnet", SubnetId=id)
    until(lambda: world.allocations(plan) == {}, "the space of the subnets to be free")
    world.api.call("DeprovisionIpamPoolCidr", IpamPoolId=plan, Cidr=vpc["CidrBlock"])
    gone(world, world.dev, OSAKA, vpc["VpcId"], source)


def test_a_deletion_without_an_event(world):
    """A report frees the space, once EC2 does not show the VPC."""
    pool = world.pool("10.15.0.0/16", Locale=OSAKA)
    vpc = world.api.cli("create-vpc", "--ipv4-ipam-pool-id", pool, "--ipv4-netmask-length", "24", region=OSAKA)["Vpc"]["VpcId"]
    report = {"ResourceId": vpc, "ResourceRegion": OSAKA}
    status, _, answer = world.api.json("ReportIpamResourceDeletion", report)
    assert (status, answer["Code"]) == (400, "IncorrectState") and vpc in answer["Message"], answer
    assert list(world.allocations(pool)) == ["10.15.0.0/24"]
    network.client("ec2", network.OWNER, OSAKA).delete_vpc(VpcId=vpc)
    for freed in (["10.15.0.0/24"], []):
        status, _, answer = world.api.json("ReportIpamResourceDeletion", report)
        assert (status, answer["ResourceCidrs"]) == (200, freed), answer
    assert world.allocations(pool) == {}


def test_many_at_once(world):
    """Callers of one pool never get the same CIDR."""
    pool = shared(world, "10.6.0.0/24", OSAKA)
    with ThreadPoolExecutor(4) as callers:
        made = list(callers.map(lambda _: world.member.call("CreateVpc", OSAKA, Ipv4IpamPoolId=pool, Ipv4NetmaskLength=28)["Vpc"], range(16)))
    assert len({v["CidrBlock"] for v in made}) == 16
    world.member.refused("InvalidParameterValue", "CreateVpc", OSAKA, Ipv4IpamPoolId=pool, Ipv4NetmaskLength=28)
    assert {a["ResourceId"]: c for c, a in world.allocations(pool).items()} == {v["VpcId"]: v["CidrBlock"] for v in made}

"""Requests for CIDRs as events, direct invocation, and the state machine that
vends VPCs, with IAM enforced.

EventBridge invokes a failed function again; the emulator's rules do not. So the
tests put a request without an answer on the bus again."""

import json
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

import network
from conftest import ROOT, until
from test_cloudformation import Stacks
from test_network import Bus
from test_readme import snippets

pytestmark = pytest.mark.emulator

MEMBER = "444455556666"
ANSWERS = ("CIDR Allocated", "CIDR Request Failed")


@pytest.fixture(scope="module")
def bus(backend):
    """A queue that receives Cadastre's answers through a rule."""
    sqs, events, name = network.client("sqs"), network.client("events"), "e2e-requests"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    where = {"EventBusName": network.bus()}
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["cadastre.ipam"], "detail-type": ANSWERS}), **where)
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}], **where)
    yield Bus(url)
    events.remove_targets(Rule=name, Ids=["queue"], **where)
    events.delete_rule(Name=name, **where)
    sqs.delete_queue(QueueUrl=url)


def ask(*details, source="e2e.platform"):
    """Puts requests on the bus as the owner account, ten in a call."""
    for at in range(0, len(details), 10):
        answer = network.client("events").put_events(Entries=[
            {"Source": source, "DetailType": "CIDR Requested", "Detail": json.dumps(d), "EventBusName": network.bus()} for d in details[at:at + 10]])
        assert answer["FailedEntryCount"] == 0, answer


def deliver(detail, id, account=network.OWNER):
    """Delivers a request to the rule's target, as EventBridge delivers events of
    any account."""
    event = {"version": "0", "id": id, "detail-type": "CIDR Requested", "source": "e2e.platform", "account": account,
             "time": "2026-11-25T00:00:00Z", "region": network.HOME, "resources": [], "detail": detail}
    answer = network.client("lambda").invoke(FunctionName=network.function("requests"), InvocationType="Event", Payload=json.dumps(event))
    assert answer["StatusCode"] == 202, answer


def answers(bus, ids):
    """Returns the answers by request, and for each by event."""
    found = {id: {} for id in ids}
    for e in bus.seen:
        if (id := e["detail"].get("requestId")) in found:
            found[id][e["detail"]["id"]] = e
    return found


def wait(bus, ids, again=lambda ids: None):
    """Waits until all requests have an answer."""
    for n in range(180):  # each waits a second at most, and an empty queue always does
        bus.read(1)
        left = [id for id, found in answers(bus, ids).items() if not found]
        if not left:
            return
        if n % 10 == 9:
            again(left)
    raise AssertionError(f"no answer to {left}")


def wait_for_answers(bus, ids, again=lambda ids: None):
    """Waits for the answers, and then for further ones. Returns the answer of each
    request."""
    wait(bus, ids, again)
    before = None
    while before != len(bus.seen):
        before = len(bus.seen)
        bus.read(2)
    found = answers(bus, ids)
    assert {id: len(f) for id, f in found.items()} == dict.fromkeys(ids, 1)
    return {id: next(iter(f.values())) for id, f in found.items()}


def taken(api, pool):
    return sorted(a["Cidr"] for a in api.pages("GetIpamPoolAllocations", "IpamPoolAllocations", IpamPoolId=pool)[0])


def test_every_request_twice(backend, api, ipam, bus):
    """200 requests, each delivered twice at once: 200 answers, 200 CIDRs. Some
    requests are identified by the ids of their events."""
    pool, run = api.call("CreateIpamPool", IpamScopeId=ipam["PrivateDefaultScopeId"], AddressFamily="ipv4")["IpamPool"]["IpamPoolId"], uuid.uuid4().hex[:8]
    api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, Cidr="10.0.0.0/16")
    put = {f"{run}/{n}": {"requestId": f"{run}/{n}", "IpamPoolId": pool, "NetmaskLength": 24} for n in range(180)}
    handed = {str(uuid.uuid4()): {"IpamPoolId": pool, "NetmaskLength": 24} for _ in range(20)}

    def again(ids):
        ask(*[put[id] for id in ids if id in put])
        for id in ids:
            if id in handed:
                deliver(handed[id], id)

    ids = list(put)
    for at in range(0, len(ids), 15):
        ask(*[put[id] for id in ids[at:at + 15] for _ in range(2)])
        wait(bus, ids[at:at + 15], again)
    for id, detail in handed.items():
        deliver(detail, id)
        deliver(detail, id)
    found = wait_for_answers(bus, [*put, *handed], again)
    assert {e["detail-type"] for e in found.values()} == {"CIDR Allocated"}
    assert {e["detail"]["resourceOwner"] for e in found.values()} == {network.OWNER}
    cidrs = sorted(e["detail"]["cidr"] for e in found.values())
    assert len(set(cidrs)) == 200
    assert taken(api, pool) == cidrs
    backend.fsck()
    api.call("DeleteIpamPool", IpamPoolId=pool, Cascade=True)
    until(lambda: api.call("DescribeIpamPools")["IpamPools"] == [], "the pool to be gone")


def test_refused(api, make_pool, bus):
    """A refused request has one answer, with the reason."""
    pool, id = make_pool("10.0.0.0/24"), uuid.uuid4().hex
    detail = {"requestId": id, "IpamPoolId": pool, "NetmaskLength": 20}
    ask(detail, detail)
    wait_for_answers(bus, [id])
    ask(detail)
    deliver(detail, "e-1")
    found = wait_for_answers(bus, [id])[id]
    assert found["detail-type"] == "CIDR Request Failed"
    assert {k: found["detail"][k] for k in ("code", "account", "region", "request")} == {
        "code": "InvalidParameterValue", "account": network.OWNER, "region": network.HOME, "request": detail}
    assert f"{pool} has no free /20; its largest free block is /24" in found["detail"]["message"]
    assert taken(api, pool) == []


def test_forged(api, make_pool, bus):
    """The caller is the event's account. An account without a class gets a short refusal.
    Cadastre ignores its own events."""
    pool, run = make_pool("10.0.0.0/24"), uuid.uuid4().hex
    detail = {"IpamPoolId": pool, "NetmaskLength": 28}
    forged = {f"{run}-{name}": {**detail, "requestId": f"{run}-{name}", name: value} for name, value in
              {"account": network.OWNER, "Account": network.OWNER, "requestContext": {"identity": {"accountId": network.OWNER}}}.items()}
    for id, d in forged.items():
        deliver(d, f"{id}-event")
    found = wait_for_answers(bus, forged)
    assert {e["detail"]["account"] for e in found.values()} == {network.OWNER}
    assert {e["detail"]["code"] for e in found.values()} == {"UnknownParameter"}

    deliver({**detail, "requestId": f"{run}-member", "account": network.OWNER}, f"{run}-event", MEMBER)
    ask({**detail, "requestId": f"{run}-own"}, source="cadastre.ipam")
    found = wait_for_answers(bus, [f"{run}-member"])[f"{run}-member"]
    assert (found["detail"]["account"], found["detail"]["code"]) == (MEMBER, "UnauthorizedOperation")
    assert answers(bus, [f"{run}-own"]) == {f"{run}-own": {}}
    assert taken(api, pool) == []


def invoke(payload, client=None):
    """Returns the answer of a direct invocation, or (type, message) of its error."""
    answer = (client or network.client("lambda")).invoke(FunctionName=network.function("direct"), Payload=json.dumps(payload))
    document = json.loads(answer["Payload"].read())
    return (document["errorType"], document["errorMessage"]) if "FunctionError" in answer else document


def test_direct(api, ipam, make_pool):
    pool = make_pool("10.0.0.0/24")
    assert [i["IpamId"] for i in invoke({"operation": "DescribeIpams"})["Ipams"]] == [ipam["IpamId"]]
    request = {"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": pool, "NetmaskLength": 28, "ClientToken": "workflow-1"}}
    made = invoke(request)
    assert invoke(request) == made and made["IpamPoolAllocation"]["Cidr"] == "10.0.0.0/28"
    assert taken(api, pool) == ["10.0.0.0/28"]
    code, message = invoke({"operation": "DescribeIpamPools", "input": {"IpamPoolIds": ["ipam-pool-0123456789abcdef0"]}})
    assert code == "InvalidIpamPoolId.NotFound" and "ipam-pool-0123456789abcdef0" in message
    assert invoke({**request, "account": MEMBER})[0] == "MalformedRequest"

    # IAM decides on each caller's right to invoke it.
    iam, name = network.client("iam"), f"e2e-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stranger = network.boto3.client("lambda", endpoint_url=api.backend.emulator, region_name=network.HOME,
                                    aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    for function in ("direct", "requests"):
        with pytest.raises(ClientError) as e:
            stranger.invoke(FunctionName=network.function(function), Payload=json.dumps({"operation": "DescribeIpams"}))
        assert e.value.response["Error"]["Code"] == "AccessDeniedException"
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


class Machine:
    """The example's state machine, and changed copies of it."""

    def __init__(self, arn):
        self.client, self.arn = network.client("stepfunctions"), arn
        self.made = self.client.describe_state_machine(stateMachineArn=arn)

    def copy(self, change):
        """Makes a copy with a changed state CreateVpc."""
        definition = json.loads(self.made["definition"])
        definition["States"]["CreateVpc"].update(change)
        return self.client.create_state_machine(name=f"e2e-{uuid.uuid4().hex[:8]}", definition=json.dumps(definition), roleArn=self.made["roleArn"])["stateMachineArn"]

    def start(self, arn, **parameters):
        return self.client.start_execution(stateMachineArn=arn, name=uuid.uuid4().hex, input=json.dumps(parameters))["executionArn"]

    def end(self, execution):
        def state():
            return self.client.describe_execution(executionArn=execution)

        until(lambda: state()["status"] != "RUNNING", "the execution to end")
        return state()


@pytest.fixture
def machine(backend):
    """The example's stack, deployed with the commands of infra/README.md."""
    stacks, bucket = Stacks(backend), f"e2e-{uuid.uuid4().hex}"
    network.client("s3").create_bucket(Bucket=bucket)
    [script] = snippets("Direct invocation and state machines", "sh", readme="infra/README.md")
    env = {**backend.base_env(backend.principals["admin"], backend.region), "AWS_ENDPOINT_URL": backend.emulator, "BUCKET": bucket,
           "PATH": backend.path, "DIRECT_FUNCTION_ARN": stacks.output("cadastre-service", "DirectFunctionArn")}
    done = subprocess.run(["bash", "-euc", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    stacks.names.append("vend-vpc")
    yield Machine(stacks.output("vend-vpc", "StateMachineArn"))
    stacks.delete("vend-vpc")
    network.bare(network.OWNER, network.HOME)


def test_vend_vpc(backend, api, make_pool, machine):
    """A VPC gets a CIDR from the pool. No CIDR is lost if EC2 makes no VPC, or if
    EC2's answer is lost."""
    pool = make_pool("10.0.0.0/20")
    ec2, wanted = network.client("ec2"), {"IpamPoolId": pool, "NetmaskLength": 24}
    refused = machine.copy({"Parameters": {"CidrBlock": "none"}})
    running = [machine.start(arn, **wanted, Name=name) for arn, name in ((machine.arn, "vended"), (refused, "refused"), (refused, "lost"))]
    large = machine.end(machine.start(machine.arn, IpamPoolId=pool, NetmaskLength=16, Name="large"))
    assert (large["status"], large["error"]) == ("FAILED", "InvalidParameterValue"), large

    def allocations():
        return {a["Description"]: a for a in api.call("GetIpamPoolAllocations", IpamPoolId=pool)["IpamPoolAllocations"]}

    # EC2 has made it, and the answer is lost.
    until(lambda: "lost" in allocations(), "the allocation")
    lost = allocations()["lost"]
    tags = {"Name": "lost", "cadastre:allocation": lost["IpamPoolAllocationId"]}
    late = ec2.create_vpc(CidrBlock=lost["Cidr"], TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}])
    vended, failed, found = [machine.end(e) for e in running]
    assert (failed["status"], failed["error"]) == ("FAILED", "Ec2.InvalidParameterValue"), failed  # on AWS this is Ec2.Ec2Exception for every error
    for name, end in (("vended", vended), ("lost", found)):
        assert end["status"] == "SUCCEEDED", end
        output, a = json.loads(end["output"]), allocations()[name]
        assert output == {"VpcId": output["VpcId"], "IpamPoolId": pool, "Cidr": a["Cidr"], "IpamPoolAllocationId": a["IpamPoolAllocationId"]}
        [vpc] = ec2.describe_vpcs(VpcIds=[output["VpcId"]])["Vpcs"]
        assert vpc["CidrBlock"] == a["Cidr"]
        assert {t["Key"]: t["Value"] for t in vpc["Tags"]} == {"Name": name, "cadastre:allocation": a["IpamPoolAllocationId"]}
    assert json.loads(found["output"])["VpcId"] == late["Vpc"]["VpcId"]
    assert set(allocations()) == {"vended", "lost"}
    backend.fsck()

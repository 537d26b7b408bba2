"""Member accounts and their networks on the emulator, for the end-to-end suite
and the demonstration:

    network.py bare                          empties the owner account's networks
    network.py enrol NAME…                   makes members; prints NAME=ID of each
    network.py event NAME ACCOUNT REGION ID  sends the event of a change of one resource

The environment comes from a deployment (localstack/deploy/deploy.sh):
AWS_ENDPOINT_URL, and the outputs.

The emulator sends no CloudTrail events, and its PutEvents refuses the source
aws.ec2. So this program delivers an event of EC2 to the target of the rule on the
home bus as EventBridge does: an asynchronous invocation with the whole event.
"""

import datetime
import functools
import json
import os
import pathlib
import sys
import time
import uuid

import boto3
from botocore import xform_name
from botocore.config import Config

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "infra" / "templates" / "member.yaml"
OWNER, HOME = "000000000000", "us-east-1"
REGIONS = ("ap-northeast-1", "ap-northeast-3")  # the members' networks are here
STACK = "cadastre-member"


def function(name):
    """Returns the name of a deployed function, such as discovery."""
    return os.environ[f"CADASTRE_{name.upper()}_FUNCTION"]


def bus():
    """Returns the name of the bus with Cadastre's events."""
    return os.environ["CADASTRE_BUS"]


@functools.cache
def client(service, account=OWNER, region=HOME):
    """Returns a client for the root of an account. The account's id is an access
    key."""
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=region,
                        aws_access_key_id=account, aws_secret_access_key="test",
                        config=Config(retries={"total_max_attempts": 1}, read_timeout=120))


def bare(account, region):
    """Deletes the default network of a new account, and any later network.

    The emulator gives the default VPC and its subnets the same ids in every account
    and Region. On AWS an id belongs to one resource.
    """
    ec2 = client("ec2", account, region)
    for i in ec2.describe_network_interfaces()["NetworkInterfaces"]:
        ec2.delete_network_interface(NetworkInterfaceId=i["NetworkInterfaceId"])
    for a in ec2.describe_addresses()["Addresses"]:
        ec2.release_address(AllocationId=a["AllocationId"])
    for s in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=s["SubnetId"])
    for g in ec2.describe_internet_gateways()["InternetGateways"]:
        for a in g["Attachments"]:
            ec2.detach_internet_gateway(InternetGatewayId=g["InternetGatewayId"], VpcId=a["VpcId"])
    for v in ec2.describe_vpcs()["Vpcs"]:
        ec2.delete_vpc(VpcId=v["VpcId"])


def account(name):
    """Returns the id of the organisation's active account with a name, and makes
    the account if there is none."""
    organizations = client("organizations")
    for a in organizations.list_accounts()["Accounts"]:
        if a["Name"] == name and a["Status"] == "ACTIVE":
            return a["Id"]
    return organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]["AccountId"]


def enrol(id):
    """Deploys the members' template to an account, as a StackSet does: to the home
    Region, for the roles, and to the members' Regions."""
    for region in (HOME, *REGIONS):
        # The emulator does not know the Region in conditions.
        deploy(id, region, {"DiscoveryRoleArn": os.environ["CADASTRE_DISCOVERY_ROLE"], "BusArn": os.environ["CADASTRE_BUS_ARN"],
                            "ApiRoleArn": os.environ["CADASTRE_API_ROLE"], "HomeRegion": HOME, "ReaderRole": "yes" if region == HOME else "no"})
        bare(id, region)


def deploy(id, region, parameters):
    """Makes the member's stack in one Region, unless it exists."""
    cloudformation = client("cloudformation", id, region)
    stacks = cloudformation.describe_stacks()["Stacks"]
    if not any(s["StackName"] == STACK and s["StackStatus"] == "CREATE_COMPLETE" for s in stacks):
        cloudformation.create_stack(StackName=STACK, TemplateBody=TEMPLATE.read_text(), Capabilities=["CAPABILITY_NAMED_IAM"],
                                    Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
    end = time.monotonic() + 180
    while (status := cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]) == "CREATE_IN_PROGRESS":
        assert time.monotonic() < end, f"{STACK} in {id}, {region} is {status}"
        time.sleep(0.2)
    assert status == "CREATE_COMPLETE", (status, cloudformation.describe_stack_events(StackName=STACK)["StackEvents"])


def change(account, region, operation, **parameters):
    """Calls an operation of EC2 and delivers its event. Returns the answer."""
    answer = getattr(client("ec2", account, region), xform_name(operation))(**parameters)
    tell(account, region, operation, parameters, answer)
    return answer


def tell(account, region, operation, parameters, answer):
    """Delivers the event of a call, in boto3's shapes, to the discovery function."""
    answered = client("lambda").invoke(FunctionName=function("discovery"), InvocationType="Event",
                                       Payload=json.dumps(event(account, region, operation, parameters, answer)))
    assert answered["StatusCode"] == 202, answered


def event(account, region, operation, parameters, answer):
    """Returns the event that EventBridge makes of CloudTrail's record of a call. It
    has the members that "CloudTrail record contents" (AWS CloudTrail User Guide)
    and "AWS service events delivered via CloudTrail" (Amazon EventBridge User
    Guide) list. EC2's members and lists have their XML names there."""
    model = client("ec2").meta.service_model.operation_model(operation)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = {k: v for k, v in answer.items() if k != "ResponseMetadata"}
    if operation in ("CreateTags", "DeleteTags"):
        request = {"resourcesSet": {"items": [{"resourceId": r} for r in parameters["Resources"]]},
                   "tagSet": {"items": [{k.lower(): v for k, v in t.items()} for t in parameters["Tags"]]}}
    else:
        request = recorded({k: v for k, v in parameters.items() if k != "TagSpecifications"}, model.input_shape)
        if tagged := parameters.get("TagSpecifications"):
            request["tagSpecificationSet"] = {"items": [
                {"resourceType": s["ResourceType"], "tags": [{"key": t["Key"], "value": t["Value"]} for t in s["Tags"]]} for s in tagged]}
    request_id = str(uuid.uuid4())
    response = {"requestId": request_id, **(recorded(answer, model.output_shape) if answer else {"_return": True})}
    role = {"type": "Role", "principalId": "AROAEXAMPLE", "arn": f"arn:aws:iam::{account}:role/engineer", "accountId": account, "userName": "engineer"}
    return {
        "version": "0", "id": str(uuid.uuid4()), "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": account, "time": now, "region": region, "resources": [],
        "detail": {
            "eventVersion": "1.10",
            "userIdentity": {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:engineer", "arn": f"arn:aws:sts::{account}:assumed-role/engineer/engineer",
                "accountId": account, "accessKeyId": "ASIAEXAMPLE",
                "sessionContext": {"sessionIssuer": role, "attributes": {"creationDate": now, "mfaAuthenticated": "false"}},
            },
            "eventTime": now, "eventSource": "ec2.amazonaws.com", "eventName": operation, "awsRegion": region,
            "sourceIPAddress": "203.0.113.12", "userAgent": "aws-cli/2.31.0", "requestParameters": request, "responseElements": response,
            "requestID": request_id, "eventID": str(uuid.uuid4()), "readOnly": False, "eventType": "AwsApiCall",
            "managementEvent": True, "recipientAccountId": account, "eventCategory": "Management",
        },
    }


def recorded(value, shape):
    """Returns a value in boto3's shape as CloudTrail records it."""
    if shape.type_name == "structure":
        return {name(m, k): recorded(value[k], m) for k, m in shape.members.items() if k in value}
    if shape.type_name == "list":
        return {"items": [recorded(v, shape.member) for v in value]}
    return value


def name(shape, member):
    given = shape.serialization.get("name", member)
    return given[0].lower() + given[1:]


def main(command, *arguments):
    match command:
        case "bare":
            for region in (HOME, *REGIONS):
                bare(OWNER, region)
        case "enrol":
            for member in arguments:
                id = account(member)
                enrol(id)
                print(f"{member}={id}")
        case "event":
            operation, id, region, resource = arguments
            if operation == "CreateVpc":
                parameters, answer = {}, {"Vpc": client("ec2", id, region).describe_vpcs(VpcIds=[resource])["Vpcs"][0]}
            else:
                parameters, answer = {"VpcId": resource}, {}
            tell(id, region, operation, parameters, answer)


if __name__ == "__main__":
    main(*sys.argv[1:])

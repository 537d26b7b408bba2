"""The hosted console on the emulator: its deployed function with its roles and IAM
enforced, behind a front that does an HTTP API's work, and a provider of OpenID Connect. The tests
in a browser are in functions/console/web/test/real/hosted.test.ts."""

import json
import socket
import subprocess

import pytest

import network
from conftest import GO_FLAGS, browser_tests, build, until

pytestmark = pytest.mark.emulator

HOST, CLIENT, SECRET, MINUTES = "console.example.com", "cadastre-console", "s3cret & +%", 30
SECRET_PARAMETER = "/cadastre/console-client-secret"


def resources(stack):
    """Returns the physical ids of a stack's resources by their types."""
    found = {}
    for page in network.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack):
        for r in page["StackResourceSummaries"]:
            found.setdefault(r["ResourceType"], []).append(r["PhysicalResourceId"])
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Hosted:
    """The deployed console, with the addresses of this test."""

    def __init__(self, backend, log):
        made = resources("cadastre-console")
        (self.function,), (api,) = made["AWS::Lambda::Function"], made["AWS::ApiGatewayV2::Api"]
        self.api = f"{backend.emulator}/_aws/execute-api/{api}/$default/"
        self.oidc_port = free_port()
        self.configure(backend)
        self.log = open(log, "w")
        self.front = subprocess.Popen(
            [str(build("httpapi", "./localstack/httpapi/cmd/httpapi", *GO_FLAGS)), "-host", HOST, "-function", self.function],
            env={**backend.base_env(backend.principals["admin"], backend.region), "AWS_ENDPOINT_URL": backend.emulator},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.address = self.front.stdout.readline().strip()
        assert self.address, f"the front did not start; see {log}"

    def configure(self, backend):
        """Gives the function the addresses on this machine, which the template cannot
        know: the console's, the provider's and the API's."""
        functions = network.client("lambda")
        variables = functions.get_function_configuration(FunctionName=self.function)["Environment"]["Variables"]
        settings = json.loads(variables["CADASTRE_CONSOLE"])
        assert settings["clientId"] == CLIENT and settings["clientSecretParameter"] == SECRET_PARAMETER, settings
        settings |= {"issuer": f"http://127.0.0.1:{self.oidc_port}", "sessionMinutes": MINUTES}
        variables |= {"CADASTRE_CONSOLE": json.dumps(settings), "CADASTRE_CONSOLE_ORIGIN": f"https://{HOST}", "CADASTRE_ENDPOINT": backend.endpoint}
        functions.update_function_configuration(FunctionName=self.function, Environment={"Variables": variables})
        until(lambda: functions.get_function_configuration(FunctionName=self.function).get("LastUpdateStatus") in (None, "Successful"), "the function's configuration")
        self.key_parameter = variables["CADASTRE_CONSOLE_KEY"]
        network.client("ssm").put_parameter(Name=SECRET_PARAMETER, Value=SECRET, Type="SecureString", Overwrite=True)

    def key(self):
        """Returns the key of the cookies, which the function made when it started."""
        return network.client("ssm").get_parameter(Name=self.key_parameter, WithDecryption=True)["Parameter"]["Value"]

    def stop(self):
        self.front.stdin.close()
        self.front.wait(40)
        self.log.close()


@pytest.fixture
def hosted(backend, tmp_path):
    h = Hosted(backend, tmp_path / "front.log")
    yield h
    h.stop()


def test_people_sign_in(backend, api, hosted, ipam, make_pool):
    started = network.client("lambda").invoke(FunctionName=hosted.function, Payload=json.dumps({
        "version": "2.0", "rawPath": "/", "requestContext": {"domainName": HOST, "http": {"method": "GET", "path": "/"}}}))
    page = json.loads(started["Payload"].read())
    assert page.get("statusCode") == 200, page
    try:
        browser_tests(
            "hosted.test.ts", CONSOLE_ORIGIN=f"https://{HOST}", CONSOLE_ADDRESS=hosted.address, CONSOLE_API=hosted.api, CONSOLE_SESSION_MINUTES=str(MINUTES),
            OIDC_PORT=str(hosted.oidc_port), OIDC_CLIENT=CLIENT, OIDC_SECRET=SECRET, COOKIE_KEY=hosted.key(),
            IPAM=ipam["IpamId"], POOL=make_pool("10.0.0.0/16"))
    finally:
        api.json("PutAccessGrants")

"""Makes calls with the AWS CLI and boto3 for TestClients, all in one process.

Standard input is a list of jobs in JSON: client ("cli" or "boto3"), retry mode,
service, endpoint, operation and parameters. Standard output is the list of their
outcomes: the code and message of the error, or two empty strings. The clients do
not wait between two tries.
"""

import contextlib
import io
import json
import os
import re
import sys
import time

import boto3
import botocore.exceptions
from awscli.clidriver import create_clidriver
from botocore.config import Config

time.sleep = lambda seconds: None


def by_boto3(job):
    client = boto3.client(job["Service"], endpoint_url=job["Endpoint"], config=Config(retries={"mode": job["Mode"]}))
    method = re.sub("(?<!^)(?=[A-Z])", "_", job["Operation"]).lower()
    try:
        getattr(client, method)(**job["Parameters"])
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"], e.response["Error"]["Message"]
    return "", ""


def by_cli(job):
    os.environ["AWS_RETRY_MODE"] = job["Mode"]
    arguments = [job["Service"], re.sub("(?<!^)(?=[A-Z])", "-", job["Operation"]).lower(), "--endpoint-url", job["Endpoint"]]
    for name, value in job["Parameters"].items():
        option = re.sub("(?<!^)(?=[A-Z])", "-", name).lower()
        arguments += [f"--{option}", str(value)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = create_clidriver().main(arguments)
    if status == 0:
        return "", ""
    refusal = re.search(r"An error occurred \((.+?)\) when calling .*? operation(?: \(.*?\))?: (.*)", err.getvalue(), re.DOTALL)
    return refusal.groups() if refusal else (f"exit status {status}", err.getvalue())


def outcome(job):
    try:
        return (by_cli if job["Client"] == "cli" else by_boto3)(job)
    except Exception as e:  # such as ResponseParserError
        return type(e).__name__, str(e)


json.dump([outcome(job) for job in json.load(sys.stdin)], sys.stdout)

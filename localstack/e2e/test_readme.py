"""What the README tells to copy and run."""

import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

pytestmark = pytest.mark.front


def snippets(section, language):
    """The blocks of a language in a section of the README."""
    text = (ROOT / "README.md").read_text()
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```", body, re.DOTALL | re.MULTILINE)


def run_python(backend, principal, script):
    env = {k: v for k, v in backend.base_env(principal, "eu-west-1").items() if k != "AWS_DEFAULT_REGION"}
    return subprocess.run([sys.executable, "-c", script], env={**env, "ENDPOINT": backend.endpoint, "PYTHONDONTWRITEBYTECODE": "1"},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)


def test_boto3(backend, api, make_pool):
    pool = make_pool("10.0.0.0/16", Locale="ap-northeast-1")
    (script,) = snippets("Calling it on AWS", "python")
    done = run_python(backend, api.principal, script)
    assert (done.returncode, done.stdout) == (0, f"{pool} 10.0.0.0/24\n"), done.stderr

    # It is the header that makes the caller one of that Region.
    elsewhere = script.replace('"X-Cadastre-Region", "ap-northeast-1"', '"X-Cadastre-Region", "ap-northeast-3"')
    assert elsewhere != script
    done = run_python(backend, api.principal, elsewhere)
    assert done.returncode != 0 and "ap-northeast-3" in done.stderr, done.stdout + done.stderr

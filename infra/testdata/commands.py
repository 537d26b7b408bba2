"""Reads Markdown files and prints, as JSON, the commands of their sh blocks. For those
of the AWS CLI it adds the faults: an unknown command or option, a missing option.

    python3 commands.py FILE…

It makes no calls. It needs the package awscli.
"""

import json
import re
import shlex
import sys

from awscli.clidriver import create_clidriver

GLOBAL = {"--query", "--output", "--region", "--endpoint-url", "--profile", "--no-cli-pager", "--debug"}
driver = create_clidriver()
services = driver._get_command_table()


def commands(text):
    """The commands of a block, those inside $(…) too, as lists of words."""
    found = []

    def take(match):
        found.extend(commands(match.group(1)))
        return "SUBSTITUTED"

    text = re.sub(r"\\\n\s*", " ", text)
    while True:
        text, n = re.subn(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", take, text)
        if not n:
            break
    for line in text.splitlines():
        line = re.sub(r"^\w+\(\) \{ (.*); \}$", r"\1", line.strip())
        words = shlex.split(line, comments=True)
        while words and (words[0] == "export" or re.fullmatch(r"\w+=.*", words[0])):
            words = words[1:]
        if words:
            found.append(words)
    return found


def subcommands(command):
    if hasattr(command, "_get_command_table"):
        return command._get_command_table()
    return getattr(command, "subcommand_table", {})


def faults(words):
    """The faults of a command of the AWS CLI."""
    service = "ec2" if words[1] == "cadastre" else words[1]  # the service model has EC2's names
    if service not in services:
        return [f"there is no service {service}"]
    command, rest = services[service], words[2:]
    while rest and rest[0] in subcommands(command):
        command, rest = subcommands(command)[rest[0]], rest[1:]
    if command is services[service]:
        return [f"there is no command {' '.join(words[1:3])}"]
    arguments = command.arg_table
    given = {w.split("=")[0] for w in rest if w.startswith("--")}
    wrong = [f"there is no option {o}" for o in sorted(given - GLOBAL) if o[2:] not in arguments]
    for name, argument in arguments.items():
        if getattr(argument, "required", False) and not getattr(argument, "positional_arg", False) and "--" + name not in given:
            wrong.append(f"the option --{name} is missing")
    return wrong


out = []
for path in sys.argv[1:]:
    with open(path) as f:
        for block in re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S):
            for words in commands(block):
                out.append({"file": path, "words": words, "faults": faults(words) if words[0] == "aws" else []})
json.dump(out, sys.stdout)

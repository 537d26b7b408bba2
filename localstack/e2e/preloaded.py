"""The AWS CLI with its modules loaded once.

A call of the plain program spends most of its time on imports and on EC2's model, and
the suite has hundreds of calls. This program loads them and then forks for each call:
the call is a process of its own, with the arguments, environment, folder and files of
its caller, and runs the CLI's own main function.

    preloaded.py FOLDER     serves until its standard input ends

FOLDER/aws is the command. The CLI reads HOME when it is loaded, so HOME has to have
the callers' value."""

import functools
import gc
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys

# It starts without the site module, which takes longer than the rest.
COMMAND = """#!{python} -IS
import json, os, socket, sys
call = json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}}).encode()
with socket.socket(socket.AF_UNIX) as s:
    s.connect({address!r})
    socket.send_fds(s, [len(call).to_bytes(4, "big")], [0, 1, 2])
    s.sendall(call)
    status = s.recv(4)
sys.exit(int(status) if status else "the AWS CLI ended without a status")
"""


class Cli:
    """The server as a child process. Its command is the path of `aws`."""

    def __init__(self, folder, home):
        self.process = subprocess.Popen([sys.executable, __file__, str(folder)], env={**os.environ, "HOME": str(home)},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.command = self.process.stdout.readline().strip()
        assert self.command, "the AWS CLI was not loaded"

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def load():
    """Imports the CLI and reads the models, which all forks then share."""
    import awscli.clidriver
    import botocore.loaders

    botocore.loaders.JSONFileLoader.load_file = functools.cache(botocore.loaders.JSONFileLoader.load_file)
    botocore.loaders.JSONFileLoader.__hash__ = lambda self: 0  # each has the same files
    botocore.loaders.JSONFileLoader.__eq__ = lambda self, other: type(self) is type(other)
    driver = awscli.clidriver.create_clidriver()
    driver.session.get_service_model("ec2")
    driver.session.create_client("ec2", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    gc.collect()
    gc.freeze()
    return awscli.clidriver.main


def read(connection, size):
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data))
    return data


def serve(main, connection):
    """Runs one call in this process, a fork, and ends it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    call = json.loads(read(connection, int.from_bytes(size, "big")))
    for at, file in enumerate(files):
        os.dup2(file, at)
        os.close(file)
    paths = os.environ["AWS_DATA_PATH"]  # the import has set it
    os.environ.clear()
    os.environ.update({"AWS_DATA_PATH": paths, **call["environment"]})
    os.chdir(call["folder"])
    sys.argv = ["aws", *call["arguments"]]
    try:
        status = main()
    except SystemExit as e:
        status = e.code
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(status or 0).encode())
    os._exit(0)


def run(folder):
    address = str(pathlib.Path(folder) / "aws.socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    main = load()
    command = pathlib.Path(folder) / "aws"
    command.write_text(COMMAND.format(python=sys.executable, address=address))
    command.chmod(0o755)
    print(command, flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(main, connection)
        connection.close()


if __name__ == "__main__":
    run(sys.argv[1])

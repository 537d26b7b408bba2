#!/usr/bin/env bash
# Runs an emulator in the foreground on a copy of another one's state:
#
#   localstack/services/twin.sh PORT STATE FROM FROM_PORT
#
# FROM is the other state, of an emulator that had the port FROM_PORT and has stopped.
# The copy's queues have the new port in their addresses. IAM policies are enforced.
set -euo pipefail
port=${1:?"which port"} state=${2:?"which folder for the state"} from=${3:?"which state"} from_port=${4:?"which port"}
rm -rf "$state"
cp -r "$from" "$state"
sed -i "s/\(localhost\|127\.0\.0\.1\):$from_port\b/\1:$port/g" "$state"/services/*.json
exec "$(dirname "$0")/emulator.sh" "$port" "$state" enforce

#!/usr/bin/env bash
# Restores a table to a moment of the last 35 days, into a new table, and prepares that
# for a deployment: stream, protection, time to live, backups.
#
#   infra/runbook/restore.sh TABLE RESTORED WHEN
#
# TABLE is the old table and stays as it is. RESTORED is the name of the new one. WHEN is
# a time such as 2026-11-30T08:00:00Z. It waits for as long as the restore takes, which
# may be an hour or more, and prints the new table's stream. If it is interrupted during
# the restore, run it again with the same arguments: it goes on.
#
# It needs the AWS CLI, and the deployer's credentials and Region in the environment.
set -euo pipefail
if [ $# -ne 3 ]; then
    echo "usage: $0 TABLE RESTORED WHEN" >&2
    exit 2
fi
table=$1 restored=$2 when=$3
say() { echo "$*" >&2; }

# status prints the state of the new table, NONE if there is no such table.
status() {
    local out
    if out=$(aws dynamodb describe-table --table-name "$restored" --query Table.TableStatus --output text 2>&1); then
        echo "$out"
    elif [[ $out == *ResourceNotFoundException* ]]; then
        echo NONE
    else
        say "$out"
        return 1
    fi
}

# active waits until the new table is ACTIVE. The waiter of the AWS CLI gives up after
# 500 seconds.
active() {
    local now
    while :; do
        now=$(status)
        case $now in
            ACTIVE) return ;;
            CREATING | UPDATING) sleep 20 ;;
            *) say "the table $restored is in the state $now"; return 1 ;;
        esac
    done
}

if [ "$(status)" = NONE ]; then
    say "restoring $table to $when as $restored"
    aws dynamodb restore-table-to-point-in-time --source-table-name "$table" --target-table-name "$restored" --restore-date-time "$when" \
        --query TableDescription.TableStatus --output text >&2
    # The new table takes a moment to appear.
    while [ "$(status)" = NONE ]; do sleep 20; done
fi
active
stream() { aws dynamodb describe-table --table-name "$restored" --query Table.LatestStreamArn --output text; }
if [ "$(stream)" = None ]; then
    say "switching the stream on"
    aws dynamodb update-table --table-name "$restored" --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES \
        --query TableDescription.TableStatus --output text >&2
    active
fi
say "switching protection, time to live and backups on"
aws dynamodb update-table --table-name "$restored" --deletion-protection-enabled --query TableDescription.TableStatus --output text >&2
active
if [ "$(aws dynamodb describe-time-to-live --table-name "$restored" --query TimeToLiveDescription.TimeToLiveStatus --output text)" = DISABLED ]; then
    aws dynamodb update-time-to-live --table-name "$restored" --time-to-live-specification Enabled=true,AttributeName=Expires --output text >&2
fi
# DynamoDB takes some minutes before a new table can have backups.
until out=$(aws dynamodb update-continuous-backups --table-name "$restored" --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true --output text 2>&1); do
    [[ $out == *ContinuousBackupsUnavailableException* ]] || { say "$out"; exit 1; }
    sleep 20
done
stream

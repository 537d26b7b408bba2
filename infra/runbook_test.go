package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// fakeAWS replaces the AWS CLI. It has a table: a restore takes an hour, and a change takes
// a minute, of a clock that only sleep advances. It refuses the calls that DynamoDB refuses,
// and its waiter gives up after 500 seconds.
const fakeAWS = `#!/usr/bin/env bash
cd "$FAKE"
now=$(cat now)
echo "$*" >>log
ready() { [ "$now" -ge "$(cat ready)" ]; }
busy() { ready || { echo "ResourceInUseException: the table is being changed" >&2; exit 254; }; }
takes() { echo $((now + $1)) >ready; }
case "$1 $2" in
    "dynamodb restore-table-to-point-in-time") [ ! -e table ] || { echo TableAlreadyExistsException >&2; exit 254; }; touch table; takes 3600; echo CREATING ;;
    "dynamodb describe-table")
        [ -e table ] || { echo "ResourceNotFoundException: no table" >&2; exit 254; }
        case "$*" in
            *LatestStreamArn*) if [ -e stream ]; then echo arn:aws:dynamodb:eu-west-1:111122223333:table/new/stream/x; else echo None; fi ;;
            *) if ready; then echo ACTIVE; elif [ -e stream ]; then echo UPDATING; else echo CREATING; fi ;;
        esac ;;
    "dynamodb update-table") busy; case "$*" in *--stream-specification*) touch stream ;; esac; takes 60; echo UPDATING ;;
    "dynamodb describe-time-to-live") echo DISABLED ;;
    "dynamodb update-time-to-live") busy ;;
    "dynamodb update-continuous-backups")
        [ "$now" -ge 4000 ] || { echo "ContinuousBackupsUnavailableException: backups are being enabled" >&2; exit 254; } ;;
    "dynamodb wait") [ $((now + 500)) -ge "$(cat ready)" ] || exit 255 ;;
    "cloudformation describe-stacks") echo "$*" | sed "s/.*OutputKey=='\([A-Za-z]*\)'.*/the\1/" ;;
    "lambda list-event-source-mappings") echo the-mapping ;;
    *) ;;
esac
`

const fakeSleep = `#!/usr/bin/env bash
cd "$FAKE"
echo $(($(cat now) + $1)) >now
`

// play runs a script of the runbook with the fake AWS CLI, and returns its output and the
// calls that change something.
func play(t *testing.T, before func(folder string), script string, args ...string) (out string, calls []string, err error) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"aws": fakeAWS, "sleep": fakeSleep, "now": "0", "ready": "0", "log": ""} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if before != nil {
		before(folder)
	}
	cmd := exec.Command("runbook/"+script, args...)
	cmd.Env = append(os.Environ(), "FAKE="+folder, "PATH="+folder+":"+os.Getenv("PATH"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	log, readErr := os.ReadFile(filepath.Join(folder, "log"))
	if readErr != nil {
		t.Fatal(readErr)
	}
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, " describe-") && !strings.Contains(line, " list-") {
			calls = append(calls, strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Logf("%s: %v\n%s", script, err, stderr.String())
	}
	return string(b), calls, err
}

var restoring = []string{
	"dynamodb restore-table-to-point-in-time --source-table-name old --target-table-name new --restore-date-time 2026-11-30T08:00:00Z --query TableDescription.TableStatus --output text",
	"dynamodb update-table --table-name new --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES --query TableDescription.TableStatus --output text",
	"dynamodb update-table --table-name new --deletion-protection-enabled --query TableDescription.TableStatus --output text",
	"dynamodb update-time-to-live --table-name new --time-to-live-specification Enabled=true,AttributeName=" + table.AttrExpires + " --output text",
	"dynamodb update-continuous-backups --table-name new --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true --output text",
}

// A restore of an hour ends with a table that has a stream, protection, time to live and
// backups. An interrupted one goes on.
func TestRestore(t *testing.T) {
	unique := func(calls []string) (all []string) {
		for _, c := range calls {
			if len(all) == 0 || all[len(all)-1] != c {
				all = append(all, c)
			}
		}
		return all
	}
	const stream = "arn:aws:dynamodb:eu-west-1:111122223333:table/new/stream/x\n"
	out, calls, err := play(t, nil, "restore.sh", "old", "new", "2026-11-30T08:00:00Z")
	if diff := cmp.Diff(restoring, unique(calls)); err != nil || out != stream || diff != "" {
		t.Errorf("%q, %v, -want +got:\n%s", out, err, diff)
	}
	out, calls, err = play(t, func(folder string) {
		for name, text := range map[string]string{"table": "", "ready": "1800"} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}, "restore.sh", "old", "new", "2026-11-30T08:00:00Z")
	if diff := cmp.Diff(restoring[1:], unique(calls)); err != nil || out != stream || diff != "" {
		t.Errorf("goes on: %q, %v, -want +got:\n%s", out, err, diff)
	}
	if _, calls, err := play(t, nil, "restore.sh", "old", "new"); err == nil || len(calls) > 0 {
		t.Errorf("without a time: %q, %v", calls, err)
	}
}

// Callers are kept out at every door, and let in again with the limits of the template.
func TestCallersStopAndStart(t *testing.T) {
	for act, want := range map[string][]string{
		"stop": {
			"apigateway update-stage --rest-api-id theApiId --stage-name prod --query stageName --output text --patch-operations op=replace,path=/*/*/throttling/rateLimit,value=0 op=replace,path=/*/*/throttling/burstLimit,value=0",
			"lambda put-function-concurrency --function-name theDirectFunctionName --reserved-concurrent-executions 0 --output text",
			"lambda put-function-concurrency --function-name theCustomResourceFunctionArn --reserved-concurrent-executions 0 --output text",
			"lambda update-event-source-mapping --uuid the-mapping --no-enabled --query State --output text",
		},
		"start": {
			"apigateway update-stage --rest-api-id theApiId --stage-name prod --query stageName --output text --patch-operations op=replace,path=/*/*/throttling/rateLimit,value=500 op=replace,path=/*/*/throttling/burstLimit,value=1000",
			"lambda delete-function-concurrency --function-name theDirectFunctionName",
			"lambda delete-function-concurrency --function-name theCustomResourceFunctionArn",
			"lambda update-event-source-mapping --uuid the-mapping --enabled --query State --output text",
		},
	} {
		_, calls, err := play(t, nil, "callers.sh", act)
		if diff := cmp.Diff(want, calls); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", act, err, diff)
		}
	}
	if _, calls, err := play(t, nil, "callers.sh"); err == nil || len(calls) > 0 {
		t.Errorf("without an act: %q, %v", calls, err)
	}
}

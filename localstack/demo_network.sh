#!/usr/bin/env bash
# Continues demo.sh with live networks. The plain AWS CLI makes VPCs in two member
# accounts and two Regions. Cadastre finds and imports them, reports an overlap,
# answers for the history, and uses a deleted VPC's space again.
#
#   localstack/demo_network.sh       in the environment of a deployment's outputs
#
# CADASTRE_AWS names the AWS CLI and CADASTRE_PYTHON a Python with boto3
# (defaults: aws and python3).
set -euo pipefail

endpoint=${CADASTRE_ENDPOINT:?"the address of the API"}
here=$(dirname "$0")
# shellcheck source=localstack/play.sh
. "$here/play.sh"

network() { "${CADASTRE_PYTHON:-python3}" -B "$here/network/network.py" "$@"; }

# on SERVICE ARGS… is `run` against the emulator's own endpoint. The variable
# member names the account whose root it runs as.
on() {
    local service=$1 AWS_ENDPOINT_URL_EC2=$AWS_ENDPOINT_URL
    local AWS_ACCESS_KEY_ID=${accounts[${member:-owner}]}
    shift
    if [ "$service" = sqs ]; then
        set -- "$@" --endpoint-url "$AWS_ENDPOINT_URL" # the CLI does not take it from the environment there
    fi
    run "$@"
}

# eventually NAME WANT ARGS… repeats `run ARGS…` until the output equals WANT.
eventually() {
    local name=$1 want=$2
    shift 2
    show "$@"
    local end=$((SECONDS + patience))
    while :; do
        out=$("$cli" ec2 "$@" 2>&1) || fail "$out"
        out=$(tr '\t' ' ' <<<"$out")
        if [ "$out" = "$want" ]; then
            printf '%s\n' "$out"
            return
        fi
        [ "$SECONDS" -lt "$end" ] || fail "$name is '$out' after $patience s, expected '$want'"
        sleep 0.25
    done
}

read -r scope discovery <<<"$("$cli" ec2 describe-ipams --filters Name=tag:Name,Values=cadastre-demo \
    --query 'Ipams[0].[PrivateDefaultScopeId,DefaultResourceDiscoveryId]' --output text)"
for region in ap-northeast-1:tokyo ap-northeast-3:osaka; do
    printf -v "${region#*:}" %s "$("$cli" ec2 describe-ipam-pools --filters "Name=description,Values=${region#*:}" \
        --query 'IpamPools[0].IpamPoolId' --output text)"
done

title "Two member accounts of the organisation, with the members' template"
declare -A accounts=([owner]=$AWS_ACCESS_KEY_ID)
for enrolled in $(network enrol dev prod); do
    accounts[${enrolled%=*}]=${enrolled#*=}
    echo "account ${enrolled#*=} is called ${enrolled%=*}"
done

# create_vpc VARIABLE MEMBER REGION CIDR NAME
create_vpc() {
    member=$2 on ec2 create-vpc --region "$3" --cidr-block "$4" --tag-specifications "ResourceType=vpc,Tags=[{Key=Name,Value=$5}]" \
        --query Vpc.VpcId --output text
    printf -v "$1" %s "$out"
}

title "VPCs by the plain AWS CLI, in both accounts and two Regions"
create_vpc shop dev ap-northeast-3 10.2.0.0/20 shop
create_vpc stock prod ap-northeast-1 10.6.0.0/20 stock
create_vpc lab dev ap-northeast-1 192.168.0.0/24 lab
create_vpc old prod ap-northeast-3 172.16.0.0/16 old

title "Discovery finds them, with the reader role of each account"
on lambda invoke --function-name "$CADASTRE_DISCOVERY_FUNCTION" --payload '{"dispatch": true}' --query StatusCode --output text /dev/null
eventually "the VPCs that discovery found" "$shop 10.2.0.0/20 unmanaged
$stock 10.6.0.0/20 unmanaged
$old 172.16.0.0/16 unmanaged
$lab 192.168.0.0/24 unmanaged" get-ipam-resource-cidrs --ipam-scope-id "$scope" --resource-type vpc \
    --query 'IpamResourceCidrs[].[ResourceId,ResourceCidr,ManagementState]' --output text
for region in ap-northeast-1 ap-northeast-3; do
    run get-ipam-discovered-accounts --ipam-resource-discovery-id "$discovery" --discovery-region "$region" --output table \
        --query 'IpamDiscoveredAccounts[].{account: AccountId, region: DiscoveryRegion, succeeded: LastSuccessfulDiscoveryTime, failure: FailureReason.Code}'
done

title "Pools over them import them, and allocate free space only"
create_pool osaka_live 'osaka live' --source-ipam-pool-id "$osaka" --locale ap-northeast-3 --auto-import
provision "$osaka_live" 10.2.0.0/16
create_pool tokyo_live 'tokyo live' --source-ipam-pool-id "$tokyo" --locale ap-northeast-1 --auto-import
provision "$tokyo_live" 10.6.0.0/16
for pool in "$osaka_live $shop 10.2.0.0/20" "$tokyo_live $stock 10.6.0.0/20"; do
    eventually "the allocations of the pool" "vpc ${pool#* }" get-ipam-pool-allocations --ipam-pool-id "${pool%% *}" \
        --query 'IpamPoolAllocations[].[ResourceType,ResourceId,Cidr]' --output text
done
eventually "their status" "$shop managed compliant nonoverlapping
$stock managed compliant nonoverlapping" get-ipam-resource-cidrs --ipam-scope-id "$scope" \
    --filters Name=management-state,Values=managed \
    --query 'IpamResourceCidrs[].[ResourceId,ManagementState,ComplianceStatus,OverlapStatus]' --output text
allocate 10.2.16.0/20 ap-northeast-3 "$osaka_live" --netmask-length 20
refuse InvalidParameterValue 10.6.0.0/20 allocate-ipam-pool-cidr --region ap-northeast-1 --ipam-pool-id "$tokyo_live" --cidr 10.6.0.0/24

title "An event reports two overlapping VPCs within seconds"
on sqs create-queue --queue-name cadastre-demo --query QueueUrl --output text
queue=$out
on sqs purge-queue --queue-url "$queue"
on events put-rule --name cadastre-demo --event-bus-name "$CADASTRE_BUS" --event-pattern '{"detail-type": ["Overlap Detected"]}' \
    --query RuleArn --output text
on events put-targets --rule cadastre-demo --event-bus-name "$CADASTRE_BUS" --query FailedEntryCount --output text \
    --targets "Id=queue,Arn=arn:aws:sqs:$AWS_DEFAULT_REGION:$AWS_ACCESS_KEY_ID:cadastre-demo"
create_vpc copy dev ap-northeast-1 10.6.8.0/24 copy
echo "(the emulator sends no CloudTrail events: the next line hands this one to the rule's target)"
network event CreateVpc "${accounts[dev]}" ap-northeast-1 "$copy"
event=
end=$((SECONDS + patience))
until [[ $event == *"Overlap Detected"*"$copy"* ]]; do
    [ "$SECONDS" -lt "$end" ] || fail "no event of the overlap came in $patience s"
    on sqs receive-message --queue-url "$queue" --wait-time-seconds 2 --query 'Messages[0].Body' --output text
    event=$out
done
eventually "the overlapping pair" "$copy unmanaged
$stock compliant" get-ipam-resource-cidrs --ipam-scope-id "$scope" --filters Name=overlap-status,Values=overlapping \
    --query 'sort_by(IpamResourceCidrs, &ComplianceStatus)[::-1].[ResourceId,ComplianceStatus]' --output text

title "An ignored resource overlaps with nothing"
run modify-ipam-resource-cidr --resource-id "$copy" --resource-cidr 10.6.8.0/24 --resource-region ap-northeast-1 \
    --current-ipam-scope-id "$scope" --no-monitored --query 'IpamResourceCidr.[ComplianceStatus,OverlapStatus]' --output text
expect "the status of the ignored VPC" "$out" "ignored"$'\t'"ignored"
eventually "the overlapping resources" '' get-ipam-resource-cidrs --ipam-scope-id "$scope" --filters Name=overlap-status,Values=overlapping \
    --query 'IpamResourceCidrs[].ResourceId' --output text

title "The present and the past resources of a CIDR"
eventually "the history of 10.2.0.0/20" "$shop shop compliant nonoverlapping None" get-ipam-address-history --cidr 10.2.0.0/20 --ipam-scope-id "$scope" \
    --query 'HistoryRecords[].[ResourceId,ResourceName,ResourceComplianceStatus,ResourceOverlapStatus,SampledEndTime]' --output text

title "The space of a deleted VPC is allocated again"
start=$(date -u +%Y-%m-%dT%H:%M:%SZ)
member=dev on ec2 delete-vpc --region ap-northeast-3 --vpc-id "$shop"
network event DeleteVpc "${accounts[dev]}" ap-northeast-3 "$shop"
eventually "the allocations of the pool" custom get-ipam-pool-allocations --ipam-pool-id "$osaka_live" \
    --query 'IpamPoolAllocations[].ResourceType' --output text
allocate 10.2.0.0/20 ap-northeast-3 "$osaka_live" --cidr 10.2.0.0/20 --description 'used again'
eventually "the history of 10.2.0.0/20" "$shop shop vpc" get-ipam-address-history --cidr 10.2.0.0/20 --ipam-scope-id "$scope" \
    --start-time "$start" --query 'HistoryRecords[?SampledEndTime].[ResourceId,ResourceName,ResourceType]' --output text
run get-ipam-address-history --cidr 10.2.0.0/20 --ipam-scope-id "$scope" --start-time "$start"

printf '\n%sThe network is watched: all answers were as expected.%s\n' "$bold" "$plain"

#!/usr/bin/env bash
# Demonstrates the main job with the real AWS CLI against a running Cadastre: an
# IPAM with two operating Regions, pools down to dev and prod, allocations, a
# refusal of each kind, a release and a reuse.
#
#   localstack/demo.sh ENDPOINT      (or CADASTRE_ENDPOINT=…)
#
# It checks every answer; the first unexpected one ends it with status 1. A second
# run first deletes the IPAM of the first. CADASTRE_AWS names the AWS CLI to use
# (default: aws).
set -euo pipefail

endpoint=${1:-${CADASTRE_ENDPOINT:-}}
if [ -z "$endpoint" ]; then
    echo "usage: $0 ENDPOINT   (the address of the API, as \`make run\` prints it)" >&2
    exit 2
fi
# shellcheck source=localstack/play.sh
. "$(dirname "$0")/play.sh"

name=cadastre-demo
title "An address manager with two operating Regions"
former=$("$cli" ec2 describe-ipams --filters "Name=tag:Name,Values=$name" --query 'Ipams[].IpamId' --output text)
for id in $former; do
    echo "(deleting the one that an earlier run left)"
    run delete-ipam --ipam-id "$id" --cascade --query 'Ipam.State' --output text
    end=$((SECONDS + patience))
    while :; do
        left=$("$cli" ec2 describe-ipams --filters "Name=ipam-id,Values=$id" --query 'Ipams[].State' --output text)
        [ -n "$left" ] || break
        [ "$SECONDS" -lt "$end" ] || fail "$id is still $left after $patience s; is the provisioning function running?"
        sleep 0.5
    done
done
run create-ipam --description 'The demonstration' \
    --operating-regions RegionName=ap-northeast-1 RegionName=ap-northeast-3 \
    --tag-specifications "ResourceType=ipam,Tags=[{Key=Name,Value=$name}]" \
    --query 'Ipam.[IpamId,PrivateDefaultScopeId,IpamRegion,State]' --output text
read -r ipam scope home state <<<"$out"
expect "the state of the IPAM" "$state" create-complete

title "A top-level pool, a pool for each Region, dev and prod under each"
create_pool top 'top level'
provision "$top" 10.0.0.0/12
create_pool osaka osaka --source-ipam-pool-id "$top" --locale ap-northeast-3
provision "$osaka" 10.0.0.0/14
create_pool tokyo tokyo --source-ipam-pool-id "$top" --locale ap-northeast-1
provision "$tokyo" 10.4.0.0/14

rules=(--allocation-min-netmask-length 20 --allocation-max-netmask-length 28 --allocation-default-netmask-length 24)
create_pool osaka_dev 'osaka dev' --source-ipam-pool-id "$osaka" --locale ap-northeast-3 "${rules[@]}"
provision "$osaka_dev" 10.0.0.0/16
create_pool osaka_prod 'osaka prod' --source-ipam-pool-id "$osaka" --locale ap-northeast-3 \
    --allocation-min-netmask-length 16 --allocation-max-netmask-length 24
provision "$osaka_prod" 10.1.0.0/16
create_pool tokyo_dev 'tokyo dev' --source-ipam-pool-id "$tokyo" --locale ap-northeast-1 "${rules[@]}"
provision "$tokyo_dev" 10.4.0.0/16
create_pool tokyo_prod 'tokyo prod' --source-ipam-pool-id "$tokyo" --locale ap-northeast-1 \
    --allocation-min-netmask-length 16 --allocation-max-netmask-length 24
provision "$tokyo_prod" 10.5.0.0/16

title "Allocations by length, by CIDR and by the pool's default"
allocate 10.4.0.0/24 ap-northeast-1 "$tokyo_dev" --netmask-length 24 --description 'by length'
first=$allocation
allocate 10.4.128.0/20 ap-northeast-1 "$tokyo_dev" --cidr 10.4.128.0/20 --description 'by CIDR'
allocate 10.4.1.0/24 ap-northeast-1 "$tokyo_dev" --description 'by default'
allocate 10.4.2.0/26 ap-northeast-1 "$tokyo_dev" --netmask-length 26 --description 'tightest fit'
allocate 10.4.2.64/26 ap-northeast-1 "$tokyo_dev" --netmask-length 26 \
    --tag-specifications 'ResourceType=ipam-pool-allocation,Tags=[{Key=team,Value=network}]'
allocate 10.4.16.0/24 ap-northeast-1 "$tokyo_dev" --netmask-length 24 --allowed-cidrs 10.4.16.0/20
allocate 10.4.17.0/24 ap-northeast-1 "$tokyo_dev" --netmask-length 24 --disallowed-cidrs 10.4.3.0/24
allocate 10.5.0.0/20 "$home" "$tokyo_prod" --netmask-length 20 --description 'from the home Region'
allocate 10.0.0.0/24 ap-northeast-3 "$osaka_dev"
allocate 10.1.0.0/16 ap-northeast-3 "$osaka_prod" --netmask-length 16 --description 'all of it'

title "A preview shows the next allocation and takes nothing"
for _ in 1 2; do
    run allocate-ipam-pool-cidr --region ap-northeast-3 --ipam-pool-id "$osaka_dev" --preview-next-cidr \
        --query IpamPoolAllocation.Cidr --output text
    expect "the previewed CIDR" "$out" 10.0.1.0/24
done

title "The same client token is the same request"
allocate 10.0.1.0/24 ap-northeast-3 "$osaka_dev" --netmask-length 24 --client-token "demo-$ipam"
once=$allocation
allocate 10.0.1.0/24 ap-northeast-3 "$osaka_dev" --netmask-length 24 --client-token "demo-$ipam"
expect "the id of the repeated request" "$allocation" "$once"

title "Refusals"
tokyo_dev_allocate=(allocate-ipam-pool-cidr --region ap-northeast-1 --ipam-pool-id "$tokyo_dev")
echo "no free block is large enough:"
refuse InvalidParameterValue 'largest free block is /15' allocate-ipam-pool-cidr --region ap-northeast-1 --ipam-pool-id "$tokyo" --netmask-length 14
echo; echo "the pool is full:"
refuse InvalidParameterValue 'no free address left' allocate-ipam-pool-cidr --region ap-northeast-3 --ipam-pool-id "$osaka_prod" --netmask-length 24
echo; echo "the pool has no CIDR yet:"
create_pool empty 'nothing provisioned'
refuse InvalidParameterValue 'no CIDR provisioned' allocate-ipam-pool-cidr --ipam-pool-id "$empty" --netmask-length 24
run delete-ipam-pool --ipam-pool-id "$empty" --query IpamPool.State --output text
echo; echo "the CIDR is taken:"
refuse InvalidParameterValue 'overlaps 10.4.0.0/24' "${tokyo_dev_allocate[@]}" --cidr 10.4.0.0/25
echo; echo "the CIDR is outside the pool:"
refuse InvalidParameterValue 'not contained' "${tokyo_dev_allocate[@]}" --cidr 192.168.0.0/24
echo; echo "the CIDR has host bits set:"
refuse InvalidParameterValue '10.4.7.0/24' "${tokyo_dev_allocate[@]}" --cidr 10.4.7.1/24
echo; echo "larger than the pool's rule admits:"
refuse InvalidParameterValue 'minimum netmask length /20' "${tokyo_dev_allocate[@]}" --netmask-length 19
echo; echo "smaller than the pool's rule admits:"
refuse InvalidParameterValue 'maximum netmask length /28' "${tokyo_dev_allocate[@]}" --netmask-length 29
echo; echo "another Region than the pool's:"
refuse InvalidParameterValue 'not in the current region ap-northeast-3' \
    allocate-ipam-pool-cidr --region ap-northeast-3 --ipam-pool-id "$tokyo_dev" --netmask-length 24
echo; echo "no length, and no default in the pool:"
refuse InvalidParameterCombination 'no default allocation netmask length' \
    allocate-ipam-pool-cidr --region ap-northeast-1 --ipam-pool-id "$tokyo_prod"
echo; echo "a CIDR and a length at once:"
refuse InvalidParameterCombination NetmaskLength "${tokyo_dev_allocate[@]}" --cidr 10.4.7.0/24 --netmask-length 24
echo; echo "a client token with other parameters:"
refuse IdempotentParameterMismatch 'used before with other parameters' \
    allocate-ipam-pool-cidr --region ap-northeast-3 --ipam-pool-id "$osaka_dev" --netmask-length 25 --client-token "demo-$ipam"
echo; echo "provisioning a CIDR that another pool has:"
refuse InvalidParameterValue 'overlaps 10.4.0.0/16' provision-ipam-pool-cidr --ipam-pool-id "$tokyo_prod" --cidr 10.4.0.0/16
echo; echo "a second top-level pool over the first:"
create_pool rival 'a second top level'
refuse InvalidParameterValue 'overlaps 10.0.0.0/12' provision-ipam-pool-cidr --ipam-pool-id "$rival" --cidr 10.0.0.0/8
run delete-ipam-pool --ipam-pool-id "$rival" --query IpamPool.State --output text
echo; echo "a locale that is no operating Region:"
refuse InvalidParameterValue eu-west-1 create-ipam-pool --ipam-scope-id "$scope" --address-family ipv4 --locale eu-west-1
echo; echo "another locale than the source pool's:"
refuse InvalidParameterValue ap-northeast-1 \
    create-ipam-pool --ipam-scope-id "$scope" --address-family ipv4 --source-ipam-pool-id "$tokyo" --locale ap-northeast-3
echo; echo "deleting a pool with CIDRs:"
refuse DependencyViolation "$tokyo_dev" delete-ipam-pool --ipam-pool-id "$tokyo_dev"
echo; echo "deleting an IPAM with pools:"
refuse DependencyViolation "$ipam" delete-ipam --ipam-id "$ipam"
echo; echo "deleting a default scope:"
refuse OperationNotPermitted "$scope" delete-ipam-scope --ipam-scope-id "$scope"
echo; echo "a second IPAM:"
refuse ResourceLimitExceeded 'limit for ipams' create-ipam
echo; echo "releasing an allocation that the pool does not have:"
refuse InvalidParameterCombination "No allocation found" release-ipam-pool-allocation --ipam-pool-id "$tokyo_dev" \
    --cidr 10.4.0.0/24 --ipam-pool-allocation-id ipam-pool-alloc-0123456789abcdef0123456789abcdef
echo; echo "a pool that does not exist:"
refuse InvalidIpamPoolId.NotFound ipam-pool-0123456789abcdef0 get-ipam-pool-cidrs --ipam-pool-id ipam-pool-0123456789abcdef0
echo; echo "a malformed id:"
refuse InvalidIpamPoolId.Malformed pool-1 get-ipam-pool-cidrs --ipam-pool-id pool-1
echo; echo "a modification of nothing:"
refuse InvalidParameterCombination 'must contain a modification' modify-ipam-pool --ipam-pool-id "$tokyo_dev"
echo; echo "a dry run:"
refuse DryRunOperation 'would have succeeded' "${tokyo_dev_allocate[@]}" --netmask-length 24 --dry-run
echo; echo "an operation that Cadastre does not have:"
refuse UnsupportedOperation DescribeIpamPolicies describe-ipam-policies

echo; echo "deprovisioning a CIDR with allocations is answered, with the reason:"
run deprovision-ipam-pool-cidr --ipam-pool-id "$osaka_prod" --cidr 10.1.0.0/16 \
    --query 'IpamPoolCidr.[State,FailureReason.Message]' --output text
case $out in failed-deprovision*) ;; *) fail "expected failed-deprovision" ;; esac

title "Released space is free at once"
run release-ipam-pool-allocation --region ap-northeast-1 --ipam-pool-id "$tokyo_dev" --cidr 10.4.0.0/24 \
    --ipam-pool-allocation-id "$first" --query Success --output text
expect "the success of the release" "$out" True
allocate 10.4.0.0/24 ap-northeast-1 "$tokyo_dev" --netmask-length 24 --description reused
[ "$allocation" != "$first" ] || fail "the reused CIDR has the released allocation's id"

title "The allocations of tokyo dev"
run get-ipam-pool-allocations --region ap-northeast-1 --ipam-pool-id "$tokyo_dev" \
    --query 'IpamPoolAllocations[].Cidr' --output text
expect "the pool's allocations" "$(tr '\t' ' ' <<<"$out")" \
    '10.4.0.0/24 10.4.1.0/24 10.4.2.0/26 10.4.2.64/26 10.4.16.0/24 10.4.17.0/24 10.4.128.0/20'
run get-ipam-pool-allocations --region ap-northeast-1 --ipam-pool-id "$tokyo_dev"

printf '\n%sAll answers were as expected, %d refusals among them.%s\n' "$bold" "$refusals" "$plain"

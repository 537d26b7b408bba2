# Functions of the demonstrations, which source this file with $endpoint set to the
# address of the API.

export AWS_ENDPOINT_URL_EC2=$endpoint
export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-000000000000}
export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-test}
export AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1}
export AWS_PAGER= AWS_MAX_ATTEMPTS=1
unset AWS_REGION AWS_PROFILE
cli=${CADASTRE_AWS:-aws}

bold='' plain=''
if [ -t 1 ]; then
    bold=$(tput bold 2>/dev/null || true)
    plain=$(tput sgr0 2>/dev/null || true)
fi
refusals=0
patience=180 # seconds to wait for asynchronous work, on a busy machine too

title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    exit 1
}

# show prints a command as a user types it, after the name of its caller.
show() {
    local word line="${member:-}\$ aws ${service:-ec2}"
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=,@-]*|'') line+=" '$word'" ;;
            *) line+=" $word" ;;
        esac
    done
    printf '\n%s\n' "$line"
}

# run ARGS… runs `aws ec2 ARGS…`, prints both, and leaves the output in $out.
run() {
    show "$@"
    out=$("$cli" "${service:-ec2}" "$@" 2>&1) || fail "$out"
    printf '%s\n' "$out"
}

# expect NAME GOT WANT
expect() {
    [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"
}

# refuse CODE TEXT ARGS… runs a command that must be refused with the code and
# a message that contains the text.
refuse() {
    local code=$1 text=$2
    shift 2
    show "$@"
    if out=$("$cli" ec2 "$@" 2>&1); then
        printf '%s\n' "$out"
        fail "the request was accepted; expected $code"
    fi
    out=${out#"${out%%[![:space:]]*}"}
    printf '%s\n' "$out"
    case $out in
        *"($code)"*"$text"*) refusals=$((refusals + 1)) ;;
        *) fail "expected a refusal with $code and '$text'" ;;
    esac
}

# create_pool VARIABLE DESCRIPTION ARGS… makes one in $scope.
create_pool() {
    local variable=$1 description=$2
    shift 2
    run create-ipam-pool --ipam-scope-id "$scope" --address-family ipv4 --description "$description" "$@" \
        --query 'IpamPool.[IpamPoolId,State]' --output text
    local id state
    read -r id state <<<"$out"
    expect "the state of the pool" "$state" create-complete
    printf -v "$variable" %s "$id"
}

# provision POOL CIDR
provision() {
    run provision-ipam-pool-cidr --ipam-pool-id "$1" --cidr "$2" --query 'IpamPoolCidr.[Cidr,State]' --output text
    expect "the provisioned CIDR" "$out" "$2"$'\t'provisioned
}

# allocate CIDR REGION POOL ARGS… allocates and expects the CIDR; $allocation
# is its id.
allocate() {
    local want=$1 region=$2 pool=$3
    shift 3
    run allocate-ipam-pool-cidr --region "$region" --ipam-pool-id "$pool" "$@" \
        --query 'IpamPoolAllocation.[Cidr,IpamPoolAllocationId]' --output text
    local cidr
    read -r cidr allocation <<<"$out"
    expect "the allocated CIDR" "$cidr" "$want"
}

# Functions to run commands side by side, for scripts that source this file. Each
# command has a process group of its own, and an end of the script interrupts them.

beside=$(mktemp -d)
declare -A running=()

# Interrupts the commands that are left, and waits until they have stopped all processes
# of theirs.
interrupt() {
    local pid
    for pid in "${running[@]}"; do
        kill -INT -- "-$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$beside"
}
trap interrupt EXIT
trap 'exit 130' INT TERM

# begin NAME COMMAND… starts a command.
begin() {
    local name=$1
    shift
    set -m
    "$@" >"$beside/$name" 2>&1 </dev/null &
    set +m
    running[$name]=$!
}

# end NAME… waits for commands and prints the whole output of each, in this order. It
# returns the status of the last one that failed.
end() {
    local name status failed=0
    for name in "$@"; do
        status=0
        wait "${running[$name]}" || status=$?
        unset "running[$name]"
        cat "$beside/$name"
        [ "$status" = 0 ] || failed=$status
    done
    return "$failed"
}

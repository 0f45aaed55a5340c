# What every scenario stands on: a directory, a block of ports, tine, SIPp and baresip processes that are known by id, and
# expectations that end the scenario with a reason. Sourced by `run`; each scenario runs in its own subshell.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pids=()

fail() { echo "$*" >"$dir/why"; exit 1; }

# Ends what the scenario started and nothing else.
strike() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do
        within 3 gone "$pid" || kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# within SECONDS COMMAND…: tries until it holds.
within() {
    local end=$((${EPOCHREALTIME/./} + $1 * 1000000)); shift
    until "$@"; do
        [ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
        sleep 0.05
    done
}

lines() { [ "$(cat "$2" 2>/dev/null | grep -c "$3")" -ge "$1" ]; }

# config [SHARDS] [LINES]: a listener of each transport on the first port of the block, the API on the second.
config() {
    cat >"$dir/tine.toml" <<EOF
[node]
shards = ${1:-1}
${2:-}
[[listen]]
transport = "udp"
address = "127.0.0.1:$port"
[[listen]]
transport = "tcp"
address = "127.0.0.1:$port"
[api]
address = "127.0.0.1:$api"
EOF
}

# start [ARGUMENTS]: tine, until its ready line. Its id is in $tine.
start() {
    local arguments=("$@")
    [ $# -gt 0 ] || arguments=(run -c "$dir/tine.toml")
    : >"$dir/tine.out"
    (cd "$dir" && exec "$TINE_BIN" "${arguments[@]}") >"$dir/tine.out" 2>>"$dir/tine.err" &
    tine=$!
    pids+=("$tine")
    within 10 started || fail "no ready line"
    gone "$tine" && fail "tine ended at start"
    [ "$(wc -l <"$dir/tine.out")" = 1 ] || fail "more than one line on standard output"
}

started() { grep -q '^tine ready ' "$dir/tine.out" || gone "$tine"; }

# stop: SIGTERM, and the exit code 0.
stop() {
    kill -TERM "$tine"
    within "${1:-15}" gone "$tine" || fail "tine does not end on SIGTERM"
    wait "$tine" || fail "tine ended with $?"
}

metrics() { curl -sf --max-time 3 "http://127.0.0.1:$api/metrics"; }

# play NAME TRANSPORT AOR STEPS…: one SIPp process that goes through the steps; `options` holds more of its options.
# AOR is the user; SIPp adds the number of the call, so that `-m 20` is twenty users. Its id is appended to `pids`, and
# its place there is kept under its name.
declare -A cast=()
options=()
play() {
    local name=$1 transport=$2 aor=$3 step; shift 3
    {
        echo "<?xml version=\"1.0\" encoding=\"UTF-8\"?><scenario name=\"$name\">"
        for step in "$@"; do cat "$here/steps/$step.xml"; done
        echo '</scenario>'
    } >"$dir/$name.xml"
    ports=$((ports + 1))
    (cd "$dir" && exec timeout -k 2 60 sipp "127.0.0.1:$port" -sf "$name.xml" -t "$transport" -i 127.0.0.1 -p "$ports" -s "$aor" \
        -cid_str "%u-${dir##*/}-$aor" -m 1 -nostdin -recv_timeout 15000 \
        -trace_err -error_file "$name.errors" -trace_msg -message_file "$name.messages" -trace_logs -log_file "$name.log" \
        "${options[@]}") >"$dir/$name.out" 2>&1 &
    cast[$name]=$!
    pids+=("$!")
}

# done_well NAME…: each of them ends, and well.
done_well() {
    local name
    for name in "$@"; do
        wait "${cast[$name]}" || fail "$name: SIPp ends with $?: $(tail -n +2 "$dir/$name.errors" 2>/dev/null | tr -d '\r' | head -c 400)"
    done
}

# registered COUNT NAME…: each has logged that many registrations.
registered() {
    local count=$1 name; shift
    for name in "$@"; do within 10 lines "$count" "$dir/$name.log" '^registered' || fail "$name does not register"; done
}

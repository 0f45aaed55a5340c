# The scenarios, one function each, in the order of SCENARIOS. Sourced by `run` after stage.sh.

SCENARIOS=(
    register-udp register-tcp options-udp options-tcp
    call-udp call-tcp call-udp-to-tcp call-tcp-to-udp callee-hangs-up-udp callee-hangs-up-tcp
    fork-udp fork-tcp fork-callee-hangs-up fork-caller-cancels fork-all-busy unregistered foreign-domain
    baresip-udp baresip-tcp
    shards-1 shards-4 forks-shards-1 forks-shards-4
    no-config kill-and-restart drain taken-port taken-by-tine wrong-config
)

register() {
    config; start
    play device "$1" carol register refresh query remove
    done_well device; stop
}
scenario_register_udp() { register u1; }
scenario_register_tcp() { register t1; }

options_of() {
    config; start
    play prober "$1" prober options
    done_well prober; stop
}
scenario_options_udp() { options_of u1; }
scenario_options_tcp() { options_of t1; }

# ends caller|callee: the last steps of both sides of a call that this one hangs up.
ends() {
    caller_end=(wait caller-hangs-up) device_end=(be-hung-up)
    [ "$1" = caller ] || caller_end=(be-hung-up) device_end=(wait device-hangs-up)
}

# call CALLER_TRANSPORT DEVICE_TRANSPORT caller|callee: who hangs up.
call() {
    config; start
    ends "$3"
    play device "$2" bob register invited ring answer "${device_end[@]}"
    registered 1 device
    play caller "$1" bob invite trying ringing answered "${caller_end[@]}"
    done_well caller device; stop
}
options=(-d 300)
scenario_call_udp() { call u1 u1 caller; }
scenario_call_tcp() { call t1 t1 caller; }
scenario_call_udp_to_tcp() { call u1 t1 caller; }
scenario_call_tcp_to_udp() { call t1 u1 callee; }
scenario_callee_hangs_up_udp() { call u1 u1 callee; }
scenario_callee_hangs_up_tcp() { call t1 t1 callee; }

# fork TRANSPORT caller|callee: three devices ring, the second answers, the others are cancelled with the reason.
fork() {
    config "${3:-1}"; start
    fork_on "$@"
    stop
}
fork_on() {
    local count=${4:-1}
    ends "$2"
    play desk "$1" alice register invited ring lose
    play phone "$1" alice register invited ring wait answer "${device_end[@]}"
    play tablet "$1" alice register invited ring lose
    registered "$count" desk phone tablet
    play caller "$1" alice invite trying ringing ringing ringing answered "${caller_end[@]}"
    done_well caller phone desk tablet
}
scenario_fork_udp() { fork u1 caller; }
scenario_fork_tcp() { fork t1 caller; }
scenario_fork_callee_hangs_up() { fork u1 callee; }

scenario_fork_caller_cancels() {
    config; start
    play desk u1 alice register invited ring be-cancelled
    play phone u1 alice register invited ring be-cancelled
    play tablet t1 alice register invited ring be-cancelled
    registered 1 desk phone tablet
    play caller u1 alice invite trying ringing ringing ringing wait cancel refused-487
    done_well caller desk phone tablet; stop
}

scenario_fork_all_busy() {
    config; start
    play desk u1 alice register invited refuse-busy
    play phone u1 alice register invited ring wait refuse-busy
    play tablet t1 alice register invited refuse-busy
    registered 1 desk phone tablet
    play caller u1 alice invite trying ringing refused-486
    done_well caller desk phone tablet; stop
}

scenario_unregistered() {
    config; start
    play caller u1 nobody invite maybe-trying refused-480
    play caller-tcp t1 nobody invite maybe-trying refused-480
    done_well caller caller-tcp; stop
}

scenario_foreign_domain() {
    config; start
    play caller u1 someone invite-foreign maybe-trying refused-403
    play caller-tcp t1 someone invite-foreign maybe-trying refused-403
    done_well caller caller-tcp; stop
}

# --- baresip ------------------------------------------------------------------

# phone NAME TRANSPORT: a user agent that registers, is told what to do over its control port, and says what happens.
phone() {
    local name=$1 transport=$2
    mkdir -p "$dir/$name"
    ports=$((ports + 4)) # baresip takes the port after the one it is given for TLS
    declare -g "control_$name=$ports"
    sed -e "s/@SIP@/$((ports - 3))/" -e "s/@CONTROL@/$ports/" -e "s|@MODULES@|$(baresip_modules)|" "$here/baresip/config" >"$dir/$name/config"
    echo "<sip:$name@127.0.0.1:$port;transport=$transport>;auth_pass=none;regint=120;answermode=auto" >"$dir/$name/accounts"
    : >"$dir/$name/contacts"
    (exec timeout -k 2 60 baresip -f "$dir/$name" </dev/null) >"$dir/$name.talk" 2>&1 &
    pids+=("$!")
    within 10 grep -aq '200 OK' "$dir/$name.talk" || fail "$name does not register"
}

baresip_modules() { dirname "$(dpkg -L baresip-core | grep '/menu\.so$')"; }

# tell NAME COMMAND PARAMETERS: a netstring with JSON, as baresip's ctrl_tcp reads it.
tell() {
    local control="control_$1" json="{\"command\":\"$2\",\"params\":\"$3\"}"
    exec 7<>"/dev/tcp/127.0.0.1/${!control}" || fail "$1 can not be controlled"
    printf '%d:%s,' "${#json}" "$json" >&7
    sleep 0.3
    exec 7>&-
}

baresip_call() {
    config; start
    phone bob "$1"
    phone ann "$1"
    tell ann dial "sip:bob@127.0.0.1:$port"
    within 10 grep -aq 'Call established' "$dir/ann.talk" || fail "the caller sees no established call"
    within 10 grep -aq 'Call established' "$dir/bob.talk" || fail "the callee sees no established call"
    sleep 0.5
    tell ann hangup ""
    within 10 grep -aqi 'session closed\|terminated' "$dir/bob.talk" || fail "the callee does not see the end of the call"
    stop
}
scenario_baresip_udp() { baresip_call udp; }
scenario_baresip_tcp() { baresip_call tcp; }

# --- shards -------------------------------------------------------------------

# Twenty users with a socket each, called from twenty sockets.
shards() {
    config "$1"; start
    options=(-d 300 -m 20 -l 20 -r 40 -max_socket 100)
    play device un bob register invited ring answer be-hung-up
    registered 20 device
    play caller un bob invite trying ringing answered wait caller-hangs-up
    done_well caller device
    every_shard "$1"
    stop
}
scenario_shards_1() { shards 1; }
scenario_shards_4() { shards 4; }

forks_shards() {
    config "$1"; start
    options=(-d 400 -m 10 -l 10 -r 20 -max_socket 100)
    fork_on un caller "$1" 10
    every_shard "$1"
    stop
}
scenario_forks_shards_1() { forks_shards 1; }
scenario_forks_shards_4() { forks_shards 4; }

# every_shard COUNT: as many shards as configured have received requests, by their own counters.
every_shard() {
    metrics >"$dir/metrics.talk" || fail "no /metrics"
    local busy
    busy=$(grep '^tine_messages_received_total{.*kind="request"' "$dir/metrics.talk" | grep -v ' 0$' | grep -o 'shard="[0-9]*"' | sort -u | wc -l)
    [ "$busy" = "$1" ] || fail "$busy of $1 shards have received requests"
}

# --- the process --------------------------------------------------------------

# With no file and no flag: UDP and TCP on 5060, the API on 8060.
scenario_no_config() {
    exec 9>/tmp/tine-interop-5060.lock
    flock -w 120 9 || fail "port 5060 is in use by another run"
    port=5060 api=8060
    start run
    [ "$(cat "$dir/tine.out")" = "tine ready udp 127.0.0.1:5060 tcp 127.0.0.1:5060 api 127.0.0.1:8060" ] || fail "ready line: $(cat "$dir/tine.out")"
    curl -sf --max-time 3 http://127.0.0.1:8060/health >/dev/null || fail "no /health"
    curl -sf --max-time 3 http://127.0.0.1:8060/ready >/dev/null || fail "no /ready"
    metrics | grep -q '^tine_' || fail "no /metrics"
    play device u1 carol register refresh query remove
    done_well device; stop
}

# Two calls stand while tine is killed and started again; one is ended by the caller, one by the device.
scenario_kill_and_restart() {
    head -c 32 /dev/urandom >"$dir/key"
    config 2 "key_file = \"$dir/key\""; start
    options=(-d 3500)
    play bob u1 bob register invited ring answer be-hung-up
    play dora u1 dora register invited ring answer wait device-hangs-up
    registered 1 bob dora
    play caller u1 bob invite trying ringing answered wait caller-hangs-up
    play other u1 dora invite trying ringing answered be-hung-up
    within 10 lines 1 "$dir/caller.log" '^established' || fail "no call to bob"
    within 10 lines 1 "$dir/other.log" '^established' || fail "no call to dora"
    sleep 0.3
    kill -KILL "$tine"
    within 5 gone "$tine" || fail "kill -9 does not end tine"
    start
    done_well caller bob other dora; stop
}

# Calls ring while SIGTERM comes: they are answered and acknowledged; what is new gets 503; tine ends in time.
scenario_drain() {
    config 2 "drain_s = 6"; start
    options=(-d 2500 -m 10 -l 10 -r 100 -max_socket 100)
    play device un bob register invited ring wait answer
    registered 10 device
    play caller un bob invite trying ringing answered
    within 10 lines 10 "$dir/caller.log" '^ringing' || fail "not all calls ring"
    local began=$EPOCHSECONDS
    kill -TERM "$tine"
    sleep 0.3
    options=()
    play late u1 bob invite maybe-trying refused-503
    done_well late caller device
    within 10 gone "$tine" || fail "tine does not end"
    wait "$tine" || fail "tine ended with $?"
    [ $((EPOCHSECONDS - began)) -le 7 ] || fail "drained for $((EPOCHSECONDS - began)) s"
}

# refuses CODE TEXT ARGUMENTS…: tine ends with CODE at once, and standard error holds TEXT.
refuses() {
    local code=$1 text=$2 ended=0; shift 2
    timeout 10 "$TINE_BIN" "$@" >"$dir/refused.out" 2>"$dir/refused.err" || ended=$?
    [ "$ended" = "$code" ] || fail "$*: exit code $ended instead of $code"
    grep -qF "$text" "$dir/refused.err" || fail "$*: standard error does not name $text"
    [ ! -s "$dir/refused.out" ] || fail "$*: standard output is not empty"
}

scenario_taken_port() {
    config
    local transport
    for transport in u1 t1; do
        sipp -sn uas -t "$transport" -i 127.0.0.1 -p "$port" -nostdin >"$dir/sipp.out" 2>&1 &
        local holder=$!
        pids+=("$holder")
        within 5 taken "$transport" || fail "SIPp does not take the port"
        refuses 1 "127.0.0.1:$port" run -c "$dir/tine.toml"
        kill -KILL "$holder"
        within 5 gone "$holder" || fail "SIPp does not end"
    done
}
taken() {
    local table=udp state=07
    [ "$1" = t1 ] && table=tcp state=0A
    grep -qi "0100007F:$(printf %04X "$port") 00000000:0000 $state" "/proc/net/$table"
}

scenario_taken_by_tine() {
    config 2; start
    refuses 1 "127.0.0.1:$api" run -c "$dir/tine.toml"
    sed "s/127.0.0.1:$api/127.0.0.1:$((port + 19))/" "$dir/tine.toml" >"$dir/second.toml"
    refuses 1 "127.0.0.1:$port" run -c "$dir/second.toml"
    play prober u1 prober options
    done_well prober; stop
}

scenario_wrong_config() {
    config
    "$TINE_BIN" check -c "$dir/tine.toml" >"$dir/check.out" 2>&1 || fail "a good config is refused: $(cat "$dir/check.out")"
    printf '[node]\nshards = 1\ncolour = "red"\n[timers]\nt1_ms = 1\n' >"$dir/wrong.toml"
    refuses 2 "wrong.toml:3:1" run -c "$dir/wrong.toml"
    refuses 2 "wrong.toml:5:" run -c "$dir/wrong.toml"
    refuses 2 "t1_ms" run -c "$dir/wrong.toml"
    refuses 2 "nowhere.toml" run -c "$dir/nowhere.toml"
    local ended=0
    "$TINE_BIN" check -c "$dir/wrong.toml" >"$dir/check.err" 2>&1 || ended=$?
    [ "$ended" = 2 ] || fail "check: exit code $ended instead of 2"
    grep -q 'wrong.toml:3:1.*colour' "$dir/check.err" || fail "check does not name the key"
}

# --- the judge ----------------------------------------------------------------

judge_capture() {
    local sent="udp.srcport in {5060" as=(-d udp.port==5060,sip -d tcp.port==5060,sip) at
    for ((at = base; at < base + stage_ports; at += 20)); do
        sent+=",$at"
        as+=(-d "udp.port==$at,sip" -d "tcp.port==$at,sip")
    done
    sent+="}"
    sent="($sent || ${sent/udp/tcp})"
    [ -s "$capture" ] || fail "nothing captured"
    local total
    total=$(tshark -r "$capture" "${as[@]}" -Y "$sent && sip" 2>/dev/null | wc -l)
    [ "$total" -gt 0 ] || fail "no SIP from tine in the capture"
    tshark -r "$capture" "${as[@]}" -V -Y "$sent && (_ws.malformed || (sip && _ws.expert.severity >= 0x800000 && !(tcp.analysis.flags)))" >"$dir/malformed.talk" 2>/dev/null
    [ ! -s "$dir/malformed.talk" ] || fail "$(grep -c '^Frame ' "$dir/malformed.talk") malformed of $total"
    tshark -r "$capture" "${as[@]}" -Y "$sent && udp && !sip && !(udp.length <= 12)" >"$dir/not-sip.talk" 2>/dev/null
    [ ! -s "$dir/not-sip.talk" ] || fail "$(wc -l <"$dir/not-sip.talk") datagrams that are not SIP"
    echo "   (tshark: $total SIP messages from tine, none malformed)"
}

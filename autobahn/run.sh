#!/usr/bin/env bash
# Runs the Autobahn conformance suite against this library and fails unless
# every result is OK or INFORMATIONAL.
#
#   autobahn/run.sh server   the suite's fuzzing client against our server
#   autobahn/run.sh client   our client against the suite's fuzzing server
#   autobahn/run.sh events   the fuzzing client against our server with event functions
#   autobahn/run.sh http2    the fuzzing client against our server over HTTP/2, through a
#                            tunnel, since the suite knows HTTP/1.1 only
#   autobahn/run.sh http2-client  our client over HTTP/2, through a tunnel, against the
#                            fuzzing server
#   autobahn/run.sh [all]    server and client, at the same time
#
# The suite is the first of these that there is: the wstest in $WSTEST; the image
# below, if Docker runs; a wstest on PATH; the one that wstest.sh installs. The
# reports are written to autobahn/reports; open index.html there.
#
# Environment:
#   AUTOBAHN_CASES  narrows the run, for example to '["1.*", "9.1.1"]'
#   WSTEST          the wstest to run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

tag=25.10.1
digest=sha256:519915fb568b04c9383f70a1c405ae3ff44ab9e35835b085239c258b6fac3074
image=crossbario/autobahn-testsuite:$tag@$digest

fail() { echo "autobahn/run.sh: $*" >&2; exit 1; }

cases=${AUTOBAHN_CASES:-'["*"]'}
directions=${1:-all}
case $directions in
server | client | events | http2 | http2-client) ;;
all) directions='server client' ;;
-h | --help | help)
    sed -n '2,/^set/s/^# \{0,1\}//p' run.sh
    exit
    ;;
*) fail "usage: $0 [server|client|events|http2|http2-client|all]; $0 -h explains them" ;;
esac

# choose_wstest sets wstest to the program to run. It is empty for the image.
choose_wstest() {
    local trouble=''
    wstest=${WSTEST:-}
    if [[ -n $wstest ]]; then
        command -v "$wstest" >/dev/null || fail "WSTEST=$wstest is not a program"
    elif command -v docker >/dev/null && engine_answers; then
        docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image"
        host_network=$(shares_network && echo yes) || true
    else
        command -v docker >/dev/null && trouble='Docker is installed, but its engine cannot be reached; start it, or '
        wstest=$(command -v wstest) || wstest=$(./wstest.sh) ||
            fail "there is no suite to run: ${trouble}set WSTEST to a wstest"
    fi
    echo "the suite: ${wstest:-$image}"
}

# engine_answers reports whether Docker's engine answers within five seconds. It sets
# engine to the name of the engine's system. macOS has no timeout command.
engine_answers() {
    local pid deadline=$((SECONDS + 5))
    docker info --format '{{.OperatingSystem}}' >"$work/engine" 2>/dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        ((SECONDS < deadline)) || { kill -9 "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; return 1; }
        sleep 0.1
    done
    wait "$pid" && engine=$(cat "$work/engine")
}

# shares_network reports whether a container with --network host is on the network of
# this machine. It is not where the engine runs in a virtual machine: on every system
# but Linux, and in Docker Desktop on Linux.
shares_network() { [[ $(uname -s) == Linux && $engine != 'Docker Desktop' ]]; }

# in_container reports whether the suite runs on a network of its own. It reaches this
# machine as host.docker.internal then, and its port has to be published.
in_container() { [[ -z $wstest && -z $host_network ]]; }

# Each direction runs in its own shell. At its end, a shell stops what it has
# started in the background.
container=''
host_network=''
stop() {
    local running
    running=$(jobs -rp)
    [[ -z $running ]] || kill $running 2>/dev/null || true
    [[ -z $container ]] || docker rm --force "$container" >/dev/null 2>&1 || true
    wait
}

# run_direction has to be run in the background, so that it is a shell of its own.
run_direction() {
    trap stop EXIT
    trap 'exit 1' INT TERM
    "test_$1"
}

# run_wstest starts wstest in the background with the specification of a
# direction, and the port on which it is to listen, if any. $! is its process.
run_wstest() {
    local direction=$1 mode=$2 port=${3:-} log=reports/$1/wstest.log network=(--network host)
    local arguments=(--mode "$mode" --spec "reports/$direction/spec.json" --webport 0)
    # Without PYPY_GC_NURSERY, section 12 takes 20 GB on PyPy. CPython ignores it.
    export PYTHONUNBUFFERED=1 PYPY_GC_NURSERY=4MB
    if [[ -n $wstest ]]; then
        "$wstest" "${arguments[@]}" >"$log" 2>&1 &
    else
        container=websocket-autobahn-$direction-$$
        if in_container; then
            network=(--network bridge)
            [[ -z $port ]] || network+=(--publish "127.0.0.1:$port:$port")
        fi
        docker run --rm --init --name "$container" "${network[@]}" --user "$(id -u):$(id -g)" \
            --env PYTHONUNBUFFERED --env PYPY_GC_NURSERY \
            --volume "$PWD/reports:/autobahn/reports" --workdir /autobahn \
            "$image" wstest "${arguments[@]}" >"$log" 2>&1 &
    fi
}

# test_http2 has the fuzzing client speak HTTP/1.1 to the tunnel, and that HTTP/2 to our
# server.
test_http2() {
    local target url
    mkfifo "$work/http2.url" "$work/tunnel.url"
    "$work/server" -http2 >"$work/http2.url" 2>reports/http2/testee.log &
    read -r target <"$work/http2.url" || fail "our server did not start: $(cat reports/http2/testee.log)"
    "$work/tunnel" "$target" >"$work/tunnel.url" 2>reports/http2/tunnel.log &
    read -r url <"$work/tunnel.url" || fail "the tunnel did not start: $(cat reports/http2/tunnel.log)"

    write_spec http2 fuzzingclient.json "$url"
    run_wstest http2 fuzzingclient
    wait $! || fail "wstest failed: $(tail -n 1 reports/http2/wstest.log)"
}

# write_spec writes the specification of a run.
write_spec() {
    local direction=$1 template=$2 url=$3
    if in_container && [[ $template == fuzzingclient.json ]]; then
        url=${url/127.0.0.1/host.docker.internal}
    fi
    sed -e "s|ws://127.0.0.1:9001|$url|" \
        -e "s|\"reports/[a-z0-9-]*\"|\"reports/$direction\"|" \
        -e "s|\"cases\": .*|\"cases\": $cases,|" \
        "$template" >"reports/$direction/spec.json"
}

test_server() { fuzz_server server; }

test_events() { fuzz_server events -events; }

# fuzz_server tests our server, with the given flags.
fuzz_server() {
    local direction=$1 url
    shift
    mkfifo "$work/$direction.url"
    "$work/server" "$@" >"$work/$direction.url" 2>"reports/$direction/testee.log" &
    read -r url <"$work/$direction.url" || fail "our server did not start: $(cat "reports/$direction/testee.log")"

    write_spec "$direction" fuzzingclient.json "$url"
    run_wstest "$direction" fuzzingclient
    wait $! || fail "wstest failed: $(tail -n 1 "reports/$direction/wstest.log")"
}

test_client() { fuzz_client client; }

# test_http2-client has our client speak HTTP/2 to the tunnel, and that HTTP/1.1 to the
# fuzzing server.
test_http2-client() { fuzz_client http2-client -http2; }

# fuzz_client tests our client, with the given flags.
fuzz_client() {
    local direction=$1 port url
    shift
    port=$(free_port)
    url=ws://127.0.0.1:$port
    write_spec "$direction" fuzzingserver.json "$url"
    run_wstest "$direction" fuzzingserver "$port"
    wait_for_port "$port" $! || fail "wstest did not start: $(tail -n 1 "reports/$direction/wstest.log")"
    if [[ $direction == http2-client ]]; then
        mkfifo "$work/reverse.url"
        "$work/tunnel" -reverse "$url" >"$work/reverse.url" 2>"reports/$direction/tunnel.log" &
        read -r url <"$work/reverse.url" || fail "the tunnel did not start: $(cat "reports/$direction/tunnel.log")"
    fi

    "$work/client" -url "$url" "$@" 2>"reports/$direction/testee.log" &
    wait $! || fail "our client failed: $(tail -n 1 "reports/$direction/testee.log")"
}

answers() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port prints a free port, since wstest does not accept port 0. It is below
# the ports that the kernel assigns.
free_port() {
    local port
    until port=$((20000 + RANDOM % 10000)); ! answers "$port"; do :; done
    echo "$port"
}

# speaks_http reports whether there is an answer to a request: Docker accepts
# connections to a published port before the container does.
speaks_http() {
    local status=''
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
        printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n' "$1" >&3
        read -r -t 2 status <&3 || true
        exec 3<&-
    } 2>/dev/null
    [[ $status == HTTP/* ]]
}

# wait_for_port waits until the process pid listens on the port.
wait_for_port() {
    local port=$1 pid=$2 deadline=$((SECONDS + 60)) ready=answers
    ! in_container || ready=speaks_http
    until ("$ready" "$port"); do
        ((SECONDS < deadline)) && kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
    done
}

work=$(mktemp -d)
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

choose_wstest
(cd .. && go build -o "$work/" ./autobahn/server ./autobahn/client ./autobahn/internal/tunnel ./autobahn/internal/check)
shells=''
for direction in $directions; do
    rm -rf "reports/$direction"
    mkdir -p "reports/$direction"
    run_direction "$direction" &
    shells+=" $!"
done
status=0
for shell in $shells; do
    wait "$shell" || status=1
done
(cd reports && "$work/check" $directions) || status=1
exit "$status"

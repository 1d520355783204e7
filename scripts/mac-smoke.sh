#!/bin/sh
# Checks on a real Mac what only a Mac can prove: that launchd treats omlx's job as omlx expects.
#
#   scripts/mac-smoke.sh            uses the `omlx` on PATH
#   OMLX=/path/to/omlx scripts/mac-smoke.sh
#
# Works in a home of its own, which it deletes; your models, settings and cache are not touched. It needs launchd's
# label for itself, so it stops at once where your own omlx service is loaded. Takes about two minutes.
# Prints one line a check, ok or FAILED, and `note` lines with what was seen. Exit code 1 where a check failed.
set -u

LABEL=homebrew.mxcl.omlx
OMLX=${OMLX:-omlx}
PORT=${PORT:-18437}
NEXT_PORT=$((PORT + 1))
failures=0

say() { printf '%-7s %s\n' "$1" "$2"; }
note() { say note "$1"; }
skip() { say stop "$1"; exit 2; }

check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        say ok "$name"
    else
        say FAILED "$name"
        sed 's/^/        | /' "$work/out"
        failures=$((failures + 1))
    fi
}

until_true() { # SECONDS COMMAND...
    tries=$(($1 * 5))
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        tries=$((tries - 1))
        sleep 0.2
    done
    return 1
}

target() {
    for domain in "gui/$uid" "user/$uid"; do
        launchctl print "$domain/$LABEL" >/dev/null 2>&1 && { echo "$domain/$LABEL"; return 0; }
    done
    return 1
}

field() { launchctl print "$(target)" | sed -n "s/^	$1 = //p" | head -n 1; }
is() { [ "$1" = "$2" ] || { echo "found '$1', expected '$2'"; return 1; }; }
daemon_pid() { "$OMLX" status --json 2>/dev/null | sed -n 's/.*"pid":\([0-9]*\).*/\1/p'; }
daemon_gone() { ! "$OMLX" status >/dev/null 2>&1; }
unloaded() { ! target >/dev/null; }
answers() { curl -fsS --max-time 40 "http://127.0.0.1:$1/health"; }
private() { is "$(find "$plist" -perm 600)" "$plist"; }
process_gone() { ! kill -0 "$1" 2>/dev/null; }
on_demand() { ! grep -Eq 'RunAtLoad|KeepAlive' "$plist"; }
new_pid() { [ -n "$(daemon_pid)" ] && [ "$(daemon_pid)" != "$1" ]; }
configure() { printf '[server]\nport = %s\n[daemon]\n%s\n' "$1" "$2" >"$HOME/.omlx/config.toml"; }

clean_up() {
    "$OMLX" stop --force >/dev/null 2>&1
    launchctl bootout "gui/$uid/$LABEL" >/dev/null 2>&1
    launchctl bootout "user/$uid/$LABEL" >/dev/null 2>&1
    launchctl enable "gui/$uid/$LABEL" >/dev/null 2>&1
    [ -n "${busy:-}" ] && kill "$busy" 2>/dev/null
    rm -rf "$work"
}

[ "$(uname -s)" = Darwin ] || skip "this is no Mac"
command -v "$OMLX" >/dev/null || skip "there is no $OMLX; set OMLX to the command"
uid=$(id -u)
target >/dev/null && skip "$(target) is loaded; run: omlx stop"

work=$(mktemp -d "${TMPDIR:-/tmp}/omlx-smoke.XXXXXX") || exit 2
trap clean_up EXIT
trap 'exit 130' INT TERM
export HOME="$work/home"
unset OMLX_HOME
mkdir -p "$HOME/.omlx"
chmod 700 "$HOME/.omlx"
plist="$HOME/Library/LaunchAgents/$LABEL.plist"
configure "$PORT" ""

note "$(sw_vers 2>/dev/null | tr '\n' ' ') $(uname -m), session $(launchctl managername 2>/dev/null || echo unknown)"
note "$("$OMLX" --version)"
launchctl print "gui/$uid/$LABEL" >/dev/null 2>&1
note "print of a label that is not loaded: exit code $? (expected 113)"
launchctl bootout "gui/$uid/$LABEL" >/dev/null 2>&1
note "bootout of a label that is not loaded: exit code $? (expected 3)"

began=$(date +%s)
check "a cold command starts the daemon" "$OMLX" ps
note "which took about $(($(date +%s) - began)) s"
check "launchd accepts the definition" plutil -lint "$plist"
check "the definition is private" private
check "the definition starts nothing by itself" on_demand
check "launchd runs the job" is "$(field state)" running
check "launchd's process is the daemon" is "$(field pid)" "$(daemon_pid)"
note "spawn type: $(field 'spawn type'); exit timeout: $(field 'exit timeout')"
launchctl kickstart "$(target)" >/dev/null 2>&1
note "kickstart of a job that runs: exit code $? (expected 0 or 37)"
launchctl bootstrap "gui/$uid" "$plist" >/dev/null 2>&1
note "bootstrap of a label that is loaded: exit code $? (expected 5, 17 or 37)"

before=$(daemon_pid)
kill -9 "$before"
check "a command follows a crash" "$OMLX" ps
check "with another process" new_pid "$before"

kill -TERM "$(daemon_pid)"
until_true 30 daemon_gone
check "a plain connection starts the daemon" answers "$PORT"
check "which serves that very port" is "$("$OMLX" status --json | sed -n 's/.*"address":"\([^"]*\)".*/\1/p')" "127.0.0.1:$PORT"

check "stop unloads the job" "$OMLX" stop
check "launchd forgets the label" until_true 40 unloaded
check "the port is free then" daemon_gone
check "start after stop" "$OMLX" start
began=$(date +%s)
check "restart" "$OMLX" restart
note "which took about $(($(date +%s) - began)) s"

"$OMLX" stop >/dev/null 2>&1
launchctl disable "gui/$uid/$LABEL"
check "a disabled label is enabled again" "$OMLX" start

configure "$NEXT_PORT" ""
check "a changed definition is read" "$OMLX" restart
check "and its port answers" answers "$NEXT_PORT"

"$OMLX" stop >/dev/null 2>&1
nc -l 127.0.0.1 "$PORT" >/dev/null 2>&1 &
busy=$!
sleep 1
configure "$PORT" ""
check "a busy port leaves the commands working" "$OMLX" ps
kill "$busy" 2>/dev/null
busy=
"$OMLX" stop >/dev/null 2>&1

configure "$PORT" 'idle_exit = "2s"'
"$OMLX" start >/dev/null 2>&1
# To ask it whether it is still there would keep it there.
check "an idle daemon ends" until_true 20 process_gone "$(daemon_pid)"
check "and a connection starts it again" answers "$PORT"

check "login start is written" "$OMLX" service enable
check "with RunAtLoad" grep -q RunAtLoad "$plist"
check "and taken back" "$OMLX" service disable
check "without RunAtLoad" on_demand

if [ "$failures" -gt 0 ]; then
    say FAILED "$failures checks; please report them with every line above"
    exit 1
fi
say ok "all checks"

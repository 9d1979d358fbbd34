# Shared by the test bed's scripts; sourced, not run. Scripts set `dir` (a bed's folder) before they start or stop anything.
# shellcheck shell=bash disable=SC2034 # what looks unused here is used by the scripts
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${TESTBED_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/windlass-testbed/bin}
default_dir=${TMPDIR:-/tmp}/windlass-testbed-$(id -u)
dir=${dir:-}
# By its sources, so that checkouts which differ can share $bin.
simulated_nodes=simulated-nodes-$(cat "$here"/../../providers/sandbox/simulation/{Cargo.toml,src/*.rs} | sha256sum | cut -c1-12)

turn_lock=${TMPDIR:-/tmp}/windlass-testbed-node.lock # who holds it has the machine's only real node

say() { echo "testbed: $*" >&2; }

# Below the range from which the kernel takes ports for outgoing connections, so that only another listener can be faster.
free_ports() { # COUNT: prints that many ports on which nothing listens
  python3 - "$1" <<'PY'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    sock = socket.socket()
    try:
        sock.bind(("127.0.0.1", random.randrange(18000, 32000)))
        held.append(sock)
    except OSError:
        pass
ports = [sock.getsockname()[1] for sock in held]
for sock in held:
    sock.close() # before the reader goes on
print(*ports)
PY
}

start() { # NAME COMMAND...: in the background, with its log and process id under $dir
  local name=$1 pid
  shift
  TESTBED_PROCESS_OF=$dir setsid "$@" >"$dir/$name.log" 2>&1 9>&- &
  pid=$!
  echo "$pid" >"$dir/$name.pid"
  until is_ours "$pid" || [[ ! -d /proc/$pid ]]; do sleep 0.01; done # until then it is a copy of this script
}

# By its environment: a process id of yesterday may be somebody else's today. While a process becomes another program it shows none for a moment.
is_ours() { # PID
  local turn
  for turn in 1 2 3; do
    ((turn == 1)) || sleep 0.02
    [[ -d /proc/$1 ]] || return 1
    ! grep --quiet --null-data --fixed-strings --line-regexp "TESTBED_PROCESS_OF=$dir" "/proc/$1/environ" 2>/dev/null || return 0
  done
  return 1
}

is_running() { # NAME
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && [[ -n $pid ]] && is_ours "$pid" && ! grep --quiet '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

stop() { # NAME...: ends what start began and waits until it is gone, all at once
  local name turn
  for name in "$@"; do
    if is_running "$name"; then
      kill "$(<"$dir/$name.pid")" 2>/dev/null || true
    elif [[ -d /proc/$(cat "$dir/$name.pid" 2>/dev/null || echo none) ]]; then
      say "process $(<"$dir/$name.pid") is not this bed's $name: left alone"
    fi
  done
  for name in "$@"; do
    for ((turn = 0; turn < 100; turn++)); do
      is_running "$name" || break
      sleep 0.1
    done
    if is_running "$name"; then
      say "$name does not end on request: killed"
      kill -9 "$(<"$dir/$name.pid")" 2>/dev/null || true
    fi
    rm -f "$dir/$name.pid"
  done
}

until_ok() { # SECONDS COMMAND...: repeats the command; gives up early when anything that was started has ended
  local deadline=$((SECONDS + $1)) file name
  shift
  until "$@" >/dev/null 2>&1; do
    for file in "$dir"/*.pid; do
      name=$(basename "$file" .pid)
      is_running "$name" || { say "$name ended: $(tail -n 3 "$dir/$name.log" 2>/dev/null)"; return 1; }
    done
    ((SECONDS < deadline)) || { say "still failing: $*"; return 1; }
    sleep 0.05
  done
}

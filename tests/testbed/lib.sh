# Shared by the test bed's scripts; sourced, not run. Scripts set `dir` (a bed's folder) before they start or stop anything.
# shellcheck shell=bash disable=SC2034 # what looks unused here is used by the scripts
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${TESTBED_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/windlass-testbed/bin}
default_dir=${TMPDIR:-/tmp}/windlass-testbed-$(id -u)
dir=${dir:-}
# By its sources, so that checkouts which differ can share $bin.
simulated_nodes=simulated-nodes-$(cat "$here"/simulation/{Cargo.toml,src/*.rs} | sha256sum | cut -c1-12)

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
print(*(sock.getsockname()[1] for sock in held))
PY
}

start() { # NAME COMMAND...: in the background, with its log and process id under $dir
  local name=$1
  shift
  setsid "$@" >"$dir/$name.log" 2>&1 9>&- &
  echo $! >"$dir/$name.pid"
}

is_running() { # NAME: the recorded process lives and is ours, not a later one with the same id
  local pid state
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && [[ -n $pid ]] || return 1
  state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || return 1
  [[ -n $state && $state != Z ]] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep --quiet --fixed-strings -- "$dir"
}

stop() { # NAME...: ends what start began and waits until it is gone, all at once
  local name turn
  for name in "$@"; do
    ! is_running "$name" || kill "$(<"$dir/$name.pid")" 2>/dev/null || true
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

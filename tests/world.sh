# shellcheck shell=bash
# A windlass to try things with, sourced by scripts: a repository made from infra/, a configuration, values for the secrets.
# Its folder is $world; $windlass is the program. Everything lives in the folder, so that removing it removes everything.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
testbed=$root/tests/testbed
cache=${XDG_CACHE_HOME:-$HOME/.cache}
export TESTBED_BIN=${TESTBED_BIN:-$cache/windlass-testbed/bin} CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/windlass/target}
PATH=$TESTBED_BIN:$PATH
export GIT_AUTHOR_NAME=ada GIT_AUTHOR_EMAIL=ada@example.org GIT_COMMITTER_NAME=ada GIT_COMMITTER_EMAIL=ada@example.org

# Names values for every key of the reference tree's Secret, as a process manager would.
export POSTGRES_SA_PASSWORD=ein2Phae ACCOUNT_SERVICE_DB_USER_PASSWORD=Ohdai3sh
export MESSAGING_SERVICE_DB_USER_PASSWORD=ieW8ohj4 PROPERTY_SERVICE_DB_USER_PASSWORD=Ahm5eewa

make_world() { # FOLDER KUBECONFIG
  world=$1
  mkdir -p "$world/repository"
  cp -r "$root/infra" "$world/repository/"
  cat >"$world/repository/windlass.toml" <<TOML
data_dir = "$world/state"
[clusters.dev]
kubeconfig = "$2"
[identity]
name = "ada"
[verify]
soak = "1s"
TOML
  git -C "$world/repository" init --quiet --initial-branch=dev
  commit 'Start'
}

commit() { # MESSAGE
  git -C "$world/repository" add --all
  git -C "$world/repository" commit --quiet --message "$1"
}

push_event() { # ID: prints what a forge would send about the newest commit of dev
  local before
  before=$(git -C "$world/repository" rev-parse --verify --quiet 'HEAD~1') || before=$(printf '0%.0s' {1..40})
  cat <<JSON
{"specversion": "1.0", "id": "$1", "source": "/example", "type": "dev.windlass.push",
 "data": {"repository": "example/shop", "ref": "refs/heads/dev", "author": "ada", "before": "$before",
          "after": "$(git -C "$world/repository" rev-parse HEAD)"}}
JSON
}

in_namespace() { # NAME KUBECONFIG: prints a kubeconfig of that namespace, which it makes
  kubectl --kubeconfig "$2" create namespace "$1" >&2
  kubectl --kubeconfig "$2" config view --raw --output json |
    python3 -c 'import json, sys
config = json.load(sys.stdin)
for context in config["contexts"]: context["context"]["namespace"] = sys.argv[1]
print(json.dumps(config))' "$1"
}

#!/usr/bin/env bash
# Sets up a container engine with an etcd image on a bare Debian, as root and without any image registry:
#
#   eval "$(scripts/container-engine.sh)"    # starts it, and sets DOCKER_HOST and what Testcontainers needs
#   npm run test:e2e
#   scripts/container-engine.sh stop
#
# Says nothing to set if Docker or Podman serves already: then that one is used. All of it lives in $IM_ENGINE_DIR.
set -euo pipefail

dir=${IM_ENGINE_DIR:-/tmp/im-infra-engine}
socket=$dir/engine.sock
image=localhost/etcd:debian

say() { printf 'container engine: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
answers() { curl -fsS --max-time 2 --unix-socket "$1" http://engine/_ping >/dev/null 2>&1; }

if [ "${1:-}" = stop ]; then
  if [ -f "$dir/pid" ]; then kill "$(cat "$dir/pid")" 2>/dev/null || true; fi
  rm -f "$dir/pid" "$socket"
  exit 0
fi

if [ -n "${DOCKER_HOST:-}" ]; then say "using DOCKER_HOST=$DOCKER_HOST"; exit 0; fi
if answers /var/run/docker.sock; then say 'using the Docker that runs'; exit 0; fi

need=()
for program in podman runc iptables curl etcd etcdctl; do
  command -v "$program" >/dev/null || need+=("$program")
done
if [ "${#need[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || fail "there is no ${need[*]}, and no apt-get to install it"
  [ "$(id -u)" -eq 0 ] || fail "installing ${need[*]} needs root"
  say "installing podman, runc and etcd (missing: ${need[*]})"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    podman runc containernetworking-plugins iptables curl etcd-server etcd-client >&2
fi

mkdir -p "$dir"
# runc: crun refuses some cgroup layouts. File events: no journal in a container. Limits: higher ones are refused there.
cat >"$dir/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
export CONTAINERS_CONF=$dir/containers.conf

if ! podman image exists "$image" 2>/dev/null; then
  say "making $image of the etcd on PATH and its libraries"
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  mkdir -p "$root/usr/local/bin" "$root/tmp"
  for program in etcd etcdctl; do
    cp "$(command -v "$program")" "$root/usr/local/bin/"
    ldd "$(command -v "$program")" 2>/dev/null | grep -oE '/[^ )]+' | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -nL "$library" "$root$library"
    done || true # statically linked: no libraries
  done
  tar -C "$root" -c . | podman import -q -c 'ENV PATH=/usr/local/bin' -c 'CMD ["etcd"]' - "$image" >&2
fi

if ! answers "$socket"; then
  rm -f "$socket"
  nohup podman system service --time=0 "unix://$socket" >"$dir/service.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  for _ in $(seq 50); do answers "$socket" && break; sleep 0.1; done
  answers "$socket" || fail "podman does not serve: $(tail -n 3 "$dir/service.log")"
fi

say "podman $(podman --version | grep -oE '[0-9.]+$') serves at $socket"
# Ryuk, Testcontainers' cleaner, is an image of a registry; the specs clean up themselves.
cat <<VARIABLES
export DOCKER_HOST=unix://$socket
export TESTCONTAINERS_RYUK_DISABLED=true
export TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
export IM_ETCD_IMAGE=$image
VARIABLES

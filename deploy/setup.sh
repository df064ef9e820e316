#!/usr/bin/env bash
# Makes .venv from a lock file with hashes, and installs Debian packages when they are absent and we are root.
# Does nothing when all is there.   deploy/setup.sh LOCK_FILE [DEBIAN_PACKAGE...]
set -euo pipefail
cd "$(dirname "$0")/.."
lock=$1
shift
stamp=.venv/muster-locks

say() { echo "setup: $*" >&2; }

# Debian packages, by apt as root; anybody else is told the one command.
need_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        say "missing: ${missing[*]}. Root must run this once:"
        say "    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
        exit 1
    fi
    say "installing ${missing[*]}"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
}

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
with_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Prints the Python to use: 3.11 or newer, able to make a virtual environment.
find_python() {
    local candidate old=""
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        recent "$candidate" || continue
        if with_venv "$candidate"; then
            command -v "$candidate"
            return
        fi
        old=$candidate
    done
    if [ -z "$old" ] && command -v python3 >/dev/null; then
        say "Python 3.11 or newer is needed; here is $(python3 --version). Debian 12 and 13 have it."
        exit 1
    fi
    need_packages python3 python3-venv
    echo /usr/bin/python3
}

need_packages "$@"
if [ -L .venv ]; then
    say ".venv is a link: making it anew would empty what it points to. Remove the link first."
    exit 1
fi
wanted="$(sha256sum <"$lock") $PWD"
if ! grep -qxF "$wanted" "$stamp" 2>/dev/null || ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    if ! grep -qF " $PWD" "$stamp" 2>/dev/null || ! .venv/bin/python -c '' 2>/dev/null; then
        say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
    fi
    say "installing what $lock names (a minute or two)"
    rm -f "$stamp"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock"
    echo "$wanted" >>"$stamp"
    # The test lock holds all that the other one holds, in the same versions (tests/test_locks.py).
    if [ "$lock" = deploy/lock-test.txt ]; then echo "$(sha256sum <deploy/lock.txt) $PWD" >>"$stamp"; fi
fi

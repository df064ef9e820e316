#!/bin/sh
# Muster's API with curl. Needs MUSTER_URL (http://127.0.0.1:8000), MUSTER_TOKEN, and jq is nowhere needed.
#   muster.sh get /hosts?state=quarantined
#   muster.sh post /operations '{"kind": "identify", "host": "host-001", "reason": "look at it"}'
#   muster.sh follow            everything that happens from now on, one JSON object a line
set -eu
api="${MUSTER_URL%/}/api/v1"
token="Authorization: Bearer $MUSTER_TOKEN"

# --fail-with-body: a refusal is exit code 22 with its problem JSON on stdout.
get() { curl --silent --show-error --fail-with-body --header "$token" "$api$1"; }

# One key for all tries: whatever breaks on the way, it is done once. --retry does it for 429 and 503 and says how long
# it waits as Retry-After tells it; --retry-all-errors for connections that break.
post() {
    key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused \
        --header "$token" --header "Idempotency-Key: $key" --header "Content-Type: application/json" \
        --data "${2:-}" "$api$1"
}

# The cursor is all that a reader keeps: written down, it goes on from there tomorrow.
follow() {
    cursor=${1:-now}
    while :; do
        page=$(get "/events?after=$cursor")
        echo "$page"
        cursor=$(echo "$page" | sed 's/.*"next":"\([^"]*\)".*/\1/')
        case $page in *'"more":true'*) ;; *) sleep "${PACE_S:-2}" ;; esac
        if [ -n "${ONCE:-}" ]; then return; fi
    done
}

verb=$1
shift
"$verb" "$@"

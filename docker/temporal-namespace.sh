#!/bin/sh
# The namespace, its retention and its search attributes. May be run again: it brings them to what is wanted.
# Everything is tried again until PATIENCE seconds have passed: a server whose port is open may not serve yet, and a
# new namespace is unknown to some of its parts for seconds.
set -eu

deadline=$(($(date +%s) + PATIENCE))

insist() {
    until "$@"; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            echo "gave up after $PATIENCE s on: $*" >&2
            exit 1
        fi
        sleep 1
    done
}

namespace() {
    if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
        temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
    else
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
    fi
}

search_attributes() {
    type=$1
    shift
    for name in "$@"; do
        temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type "$type" ||
            return 1
    done
}

insist temporal operator cluster health
insist namespace
insist search_attributes Keyword DirectiveStatus DirectiveOwner DirectiveRepository
insist search_attributes Int DirectiveGeneration

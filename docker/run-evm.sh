#!/bin/sh
# A run against the node of the container `anvil`, with the funded key that the node wrote into the volume they share.
set -eu
until [ -s /keys/keys.json ]; do sleep 0.2; done # the node may answer before it has written it
BENCH_FUNDING_KEY=$(python -c 'import json; print(json.load(open("/keys/keys.json"))["private_keys"][0])')
export BENCH_FUNDING_KEY
exec python bench.py run --adapter evm --endpoint "$BENCH_ENDPOINT" "$@"

#!/bin/sh
# Measures how users come back with several rules of backoff, in turns: about 12 minutes for one round of 2,000 users on a
# machine that does nothing else. Each result is a directory here; lay them side by side with pushpull report.
#   results/recovery/measure.sh [ROUNDS] [USERS]
set -e
cd "$(dirname "$0")/../.."
go build -buildvcs=false -o results/recovery/pushpull.tmp ./cmd/pushpull
trap 'rm -f results/recovery/pushpull.tmp' EXIT
for round in $(seq "${1:-1}"); do
  for backoff in 100ms/none 50ms..2s/none 50ms..2s/half 50ms..2s/full 50ms..2s/decorrelated; do
    results/recovery/pushpull.tmp faults recovery --fault restart,outage --users "${2:-2000}" --backoff "$backoff" \
      --seed "$round" --repeat 1 --transports short-poll@1s,long-poll@30s,sse,websocket \
      --out "results/recovery/$(echo "$backoff" | tr / -)-$round" || true # exit code 4 is a finding
  done
done

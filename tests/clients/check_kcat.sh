#!/usr/bin/env bash
# kcat: librdkafka from Debian, at the shell. Usage: check_kcat.sh KCAT BOOTSTRAP
set -euo pipefail

command=$1
bootstrap=$2
topic=kcat-$$
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
kcat() { timeout 60 "$command" -q -b "$bootstrap" "$@"; }
wanted() { [ -z "${SCENARIOS:-}" ] || [[ " $SCENARIOS " == *" $1 "* ]]; }

codecs() {
    for codec in none gzip snappy lz4 zstd; do
        seq 1 100 | kcat -P -t "$topic-$codec" -z "$codec"
        diff <(seq 1 100) <(kcat -C -t "$topic-$codec" -o beginning -e)
    done
}

keys() {
    printf 'k:v\n:empty key\n' | kcat -P -t "$topic-keys" -K :
    diff <(printf '1 k=v\n0 =empty key\n') <(kcat -C -t "$topic-keys" -o beginning -e -f '%K %k=%s\n')
}

headers() {
    echo v | kcat -P -t "$topic-headers" -H h=1 -H h=2 -H empty=
    diff <(echo h=1,h=2,empty=) <(kcat -C -t "$topic-headers" -o beginning -e -f '%h\n')
}

nulls() {
    printf 'k:\nk:v\n' | kcat -P -t "$topic-nulls" -K : -Z
    diff <(printf '%s\n' '-1 k' '1 k') <(kcat -C -t "$topic-nulls" -o beginning -e -f '%S %k\n')
}

large() {
    head -c 900000 /dev/urandom >"$scratch/sent"
    kcat -P -t "$topic-large" -X message.max.bytes=2000000 "$scratch/sent"
    kcat -C -t "$topic-large" -o beginning -e -D '' | cmp - "$scratch/sent"
}

resume() {
    seq 1 10 | kcat -P -t "$topic-group"
    diff <(seq 1 10) <(kcat -G "$topic" -X auto.offset.reset=earliest -c 10 "$topic-group")
    seq 11 12 | kcat -P -t "$topic-group"
    diff <(seq 11 12) <(kcat -G "$topic" -X auto.offset.reset=earliest -c 2 "$topic-group")
}

idempotence() {
    seq 1 100 | kcat -P -t "$topic-idempotence" -X enable.idempotence=true
    diff <(seq 1 100) <(kcat -C -t "$topic-idempotence" -o beginning -e)
}

transactions() {
    seq 1 3 | kcat -P -t "$topic-transactions" -X transactional.id="$topic"
    diff <(seq 1 3) <(kcat -C -t "$topic-transactions" -o beginning -e -X isolation.level=read_committed)
}

times() {
    echo v | kcat -P -t "$topic-times"
    local now
    now=$(date +%s%3N)
    diff <(echo "$topic-times [0] offset 0") <(kcat -Q -t "$topic-times:0:$((now - 3600000))")
    diff <(echo "$topic-times [0] offset 0") <(kcat -Q -t "$topic-times:0:-2")
    diff <(echo "$topic-times [0] offset 1") <(kcat -Q -t "$topic-times:0:-1")
}

metadata() {
    kcat -L | grep -q "topic \"$topic-keys\" with 1 partitions"
}

echo "  client $("$command" -V | sed -n 's/^\(kcat\|kafkacat\) - .*/\1/p' | head -1) $("$command" -V | sed -n 's/^Version \([0-9.]*\).*librdkafka \([0-9.]*\).*/\1 (librdkafka \2)/p')"
for scenario in codecs keys headers nulls large resume idempotence transactions times; do
    wanted "$scenario" || continue
    "$scenario"
    remark=
    [ "$scenario" != transactions ] || remark=': commits only'
    echo "  ok $scenario$remark"
done
metadata
echo "  also metadata"
echo "  no rebalance: it cannot create a topic of two partitions"
for scenario in topics consumer_protocol admin transactional_offsets delete_records; do
    echo "  no $scenario: it has no command for it"
done

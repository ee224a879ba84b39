#!/usr/bin/env bash
# kcat: librdkafka from Debian, at the shell. Usage: check_kcat.sh BOOTSTRAP
set -euo pipefail

bootstrap=$1
topic=kcat-$$
kcat() { timeout 60 "$(command -v kcat || command -v kafkacat)" -q -b "$bootstrap" "$@"; }

for codec in none gzip snappy lz4 zstd; do
    seq 1 1000 | kcat -P -t "$topic-$codec" -z "$codec" -H "codec=$codec"
    diff <(seq 1 1000) <(kcat -C -t "$topic-$codec" -o beginning -e)
    echo "  ok $codec"
done

printf 'k:v\n:empty key\nempty value:\n' | kcat -P -t "$topic-keys" -K : -Z
diff <(printf 'k=v\n=empty key\nempty value=\n') <(kcat -C -t "$topic-keys" -o beginning -e -f '%k=%s\n')
echo "  ok keys"

kcat -L | grep -q "topic \"$topic-keys\" with 1 partitions"
kcat -Q -t "$topic-keys:0:-1" | grep -q 'offset 3'
echo "  ok metadata and offsets"

seq 1 10 | kcat -P -t "$topic-group"
diff <(seq 1 10) <(kcat -G "$topic" -X auto.offset.reset=earliest -c 10 "$topic-group")
seq 11 12 | kcat -P -t "$topic-group"
diff <(seq 11 12) <(kcat -G "$topic" -X auto.offset.reset=earliest -c 2 "$topic-group")
echo "  ok group resumes"

#!/usr/bin/env bash
# Apache Kafka's DumpLogSegments on a data directory that the real program wrote: it finds nothing wrong, and prints line
# for line what `kindred log dump` prints. Usage: check_dump_log.sh BINARY DIRECTORY_OF_JARS
set -euo pipefail

binary=$1
jars=$2
scratch=$(mktemp -d)
broker=
trap '[ $? -eq 0 ] || tail -5 "$scratch/tools"; [ -z "$broker" ] || { kill "$broker" && wait "$broker"; } 2>/dev/null || true; rm -rf "$scratch"' EXIT
java_class() {
    timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
        -cp "$jars/*" "org.apache.kafka.tools.$1" "${@:2}"
}
tool() { java_class "$1" --bootstrap-server "$bootstrap" "${@:2}" 2>>"$scratch/tools"; }

# ---- what is to be dumped: every codec, keys and none, headers, idempotent producers, segments, compaction, a group

env -u KINDRED_BINARY -u KINDRED_TEST_BOOTSTRAP "$binary" serve --set listeners=PLAINTEXT://127.0.0.1:0 --set http.listen=127.0.0.1:0 --set log.dirs="$scratch/data" \
    --set log.segment.bytes=65536 --set log.index.interval.bytes=512 --set log.retention.check.interval.ms=500 \
    --set offsets.topic.num.partitions=1 </dev/null >"$scratch/log" 2>&1 &
broker=$!
for _ in $(seq 600); do
    bootstrap=$(sed -n 's/.*kindred ready kafka=\([^ ]*\).*/\1/p' "$scratch/log")
    [ -n "$bootstrap" ] && break
    sleep 0.05
done
for codec in none gzip snappy lz4 zstd; do
    seq 1 3000 | sed 's/.*/header:&\tkey &\tthe value number &/' | tool ConsoleProducer --topic mixed \
        --compression-codec "$codec" --reader-property parse.key=true --reader-property parse.headers=true
    seq 1 20 | tool ConsoleProducer --topic mixed --compression-codec "$codec" --command-property enable.idempotence=false
done
tool TopicCommand --create --topic compacted --config cleanup.policy=compact --config min.cleanable.dirty.ratio=0.01 >"$scratch/tools"
for round in 1 2 3; do
    seq 1 4000 | awk -v r="$round" '{ print "key " $1 % 50 "\tround " r " value " $1 }' |
        tool ConsoleProducer --topic compacted --reader-property parse.key=true
done
tool consumer.ConsoleConsumer --topic mixed --group readers --from-beginning --max-messages 100 >/dev/null
for _ in $(seq 100); do
    [ -s "$scratch/data/cleaner-offset-checkpoint" ] && grep -q '^compacted ' "$scratch/data/cleaner-offset-checkpoint" && break
    grep -q 'compacted' "$scratch/log" && break
    sleep 0.2
done
"$binary" log verify "$scratch/data" >/dev/null
echo "  ok kindred log verify, beside the broker"
kill "$broker"
wait "$broker"
broker=

# ---- the same words from both

cd "$scratch/data"
"$binary" log verify . | sed 's/^/  ok kindred log verify /'
[ "$(ls mixed-0/*.log | wc -l)" -gt 3 ] || { echo "too few segments"; exit 1; }

same() { # what, options of both, files
    local what=$1 option=$2
    shift 2
    java_class DumpLogSegments $option --files "$(echo "$@" | tr ' ' ',')" >"$scratch/kafka" 2>"$scratch/kafka.err"
    "$binary" log dump $option "$@" >"$scratch/ours" 2>"$scratch/ours.err"
    # A producer without a batch ends its line with a space there.
    diff <(sed 's/ *$//' "$scratch/kafka") <(sed 's/ *$//' "$scratch/ours") | head -5
    cmp -s <(sed 's/ *$//' "$scratch/kafka") <(sed 's/ *$//' "$scratch/ours")
    # Compaction leaves gaps, which both mention.
    if grep -vE 'Non-consecutive|is followed by' "$scratch/kafka.err" | grep . ||
        grep -E 'Exception|isvalid: false|invalid bytes' "$scratch/kafka"; then
        return 1
    fi
    echo "  ok DumpLogSegments $what: $(wc -l <"$scratch/kafka") lines, ours the same"
}
same "--deep-iteration" --deep-iteration mixed-0/*.log compacted-0/*.log
same "--print-data-log" --print-data-log mixed-0/*.log compacted-0/*.log
same "--offsets-decoder" --offsets-decoder __consumer_offsets-0/*.log
same "--cluster-metadata-decoder" --cluster-metadata-decoder __cluster_metadata-0/*.log
# Not the time indexes of compacted segments: an entry may name a batch that has lost its records.
same "of indexes" "" {mixed,compacted,__consumer_offsets}-0/*.index {mixed,__consumer_offsets}-0/*.timeindex
same "--verify-index-only" --verify-index-only {mixed,compacted}-0/*.index mixed-0/*.timeindex
same "--index-sanity-check" --index-sanity-check {mixed,compacted}-0/*.index {mixed,compacted}-0/*.timeindex
same "of snapshots" "" mixed-0/*.snapshot

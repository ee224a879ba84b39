#!/usr/bin/env bash
# Apache Kafka's command-line tools. Usage: check_java_tools.sh DIRECTORY_OF_JARS BOOTSTRAP
set -euo pipefail

jars=$1
bootstrap=$2
topic=java-$$
scratch=$(mktemp -d)
background=()
cleanup() {
    cleanup_background
    rm -rf "$scratch"
}
trap cleanup EXIT

# What Java loads to start a tool is kept, which halves the time of every later start.
archive() {
    java -XX:ArchiveClassesAtExit="$scratch/classes.jsa" -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$jars/*" \
        org.apache.kafka.tools.TopicCommand --bootstrap-server "$bootstrap" --list >/dev/null 2>&1
}

# A tool by its class; what it warns of is shown only if it fails.
run() {
    timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
        -XX:SharedArchiveFile="$scratch/classes.jsa" -cp "$jars/*" "$@" 2>"$scratch/stderr" || { result=$?; cat "$scratch/stderr" >&2; return $result; }
}
tool() { run "org.apache.kafka.tools.$1" --bootstrap-server "$bootstrap" "${@:2}"; }
kafka_topics() { tool TopicCommand "$@"; }
kafka_configs() { run kafka.admin.ConfigCommand --bootstrap-server "$bootstrap" "$@"; }
produce() { tool ConsoleProducer "$@"; }
consume() { tool consumer.ConsoleConsumer "$@"; }
groups() { tool consumer.group.ConsumerGroupCommand "$@"; }
# consume may end before its output is read by what compares it.
same() { diff "$1" "$2"; }
wanted() { [ -z "${SCENARIOS:-}" ] || [[ " $SCENARIOS " == *" $1 "* ]]; }

topics() {
    kafka_topics --create --topic "$topic" --partitions 2 --config retention.ms=1000000 >"$scratch/out"
    kafka_topics --describe --topic "$topic" >"$scratch/out"
    grep -q 'PartitionCount: 2.*retention.ms=1000000' "$scratch/out"
    kafka_topics --delete --topic "$topic"
    kafka_topics --list >"$scratch/out"
    ! grep -qx "$topic" "$scratch/out"
}

codecs() {
    for codec in none gzip snappy lz4 zstd; do
        seq 1 20 | sed "s/^/$codec /" | tee -a "$scratch/sent" | produce --topic "$topic-codecs" --compression-codec "$codec"
    done
    consume --topic "$topic-codecs" --from-beginning --max-messages 100 >"$scratch/out"
    same "$scratch/sent" "$scratch/out"
}

# A tool takes seconds to start: one pair of them checks keys, headers and null values.
records() {
    printf '%s\n' 'h:1,h:2|k|v' 'h:3|k|NULL' 'h:4|NULL|v' >"$scratch/sent"
    produce --topic "$topic-records" --reader-property parse.key=true --reader-property parse.headers=true \
        --reader-property key.separator='|' --reader-property headers.delimiter='|' \
        --reader-property null.marker=NULL <"$scratch/sent"
    consume --topic "$topic-records" --from-beginning --max-messages 3 --formatter-property print.key=true \
        --formatter-property print.headers=true --formatter-property key.separator='|' \
        --formatter-property headers.separator=',' --formatter-property null.literal=NULL >"$scratch/out"
    same "$scratch/sent" "$scratch/out"
}

large() {
    head -c 675000 /dev/urandom | base64 -w0 >"$scratch/sent"
    echo >>"$scratch/sent"
    produce --topic "$topic-large" <"$scratch/sent"
    consume --topic "$topic-large" --from-beginning --max-messages 1 >"$scratch/out"
    same "$scratch/sent" "$scratch/out"
}

resume() {
    seq 1 10 | produce --topic "$topic-group"
    consume --topic "$topic-group" --group "$topic" --from-beginning --max-messages 4 >"$scratch/out"
    consume --topic "$topic-group" --group "$topic" --from-beginning --max-messages 6 >>"$scratch/out"
    same <(seq 1 10) "$scratch/out"
}

# Two members have a partition each; one leaves, and the other has both. $1: a name, then properties of the consumers.
share() {
    local name=$topic-$1
    shift
    kafka_topics --create --topic "$name" --partitions 2 >"$scratch/out"
    for _ in 1 2; do
        timeout 150 java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars/*" \
            org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$bootstrap" --topic "$name" \
            --group "$name" "$@" >/dev/null 2>&1 &
        background+=($!)
    done
    assigned "$name" '1 1'
    # timeout passes the signal on.
    kill "${background[-1]}"
    assigned "$name" '2'
    cleanup_background
}
cleanup_background() {
    for one in "${background[@]}"; do kill "$one" 2>/dev/null || true; done
    background=()
}
assigned() {
    for _ in $(seq 15); do
        groups --describe --members --group "$1" >"$scratch/out" || true
        [ "$(awk -v group="$1" '$1 == group { print $NF }' "$scratch/out" | sort | xargs)" = "$2" ] && return
        sleep 1
    done
    cat "$scratch/out"
    return 1
}

admin() {
    local name=$topic-admin
    kafka_topics --create --topic "$name" --partitions 1 >"$scratch/out"
    kafka_topics --alter --topic "$name" --partitions 3
    kafka_configs --alter --entity-type topics --entity-name "$name" --add-config retention.ms=2000000 >"$scratch/out"
    kafka_configs --describe --entity-type topics --entity-name "$name" >"$scratch/out"
    grep -q 'retention.ms=2000000' "$scratch/out"
    kafka_configs --alter --entity-type topics --entity-name "$name" --delete-config retention.ms >"$scratch/out"
    groups --reset-offsets --to-earliest --topic "$name" --group "$name" --execute >"$scratch/out"
    groups --list >"$scratch/out"
    grep -qx "$name" "$scratch/out"
    groups --describe --group "$name" >"$scratch/out"
    [ "$(awk -v group="$name" '$1 == group { lag += $6; n++ } END { print n, lag }' "$scratch/out")" = "3 0" ]
    groups --delete --group "$name" >"$scratch/out"
}

idempotence() {
    run org.apache.kafka.tools.ProducerPerformance --topic "$topic-perf" --num-records 20000 --record-size 1000 --throughput -1 \
        --bootstrap-server "$bootstrap" --command-property enable.idempotence=true >"$scratch/out"
    grep -q '^20000 records sent' "$scratch/out"
    tool ConsumerPerformance --topic "$topic-perf" --num-records 20000 >"$scratch/out"
    tail -1 "$scratch/out" | awk -F', ' '$5 < 20000 { exit 1 }'
}

transactions() {
    run org.apache.kafka.tools.ProducerPerformance --topic "$topic-transactions" --num-records 1000 --record-size 100 --throughput -1 \
        --bootstrap-server "$bootstrap" --transactional-id "$topic" --transaction-duration-ms 50 >"$scratch/out"
    consume --topic "$topic-transactions" --from-beginning --max-messages 1000 --isolation-level read_committed >"$scratch/out"
    [ "$(wc -l <"$scratch/out")" = 1000 ]
    tool TransactionsCommand list >"$scratch/out"
    grep -q "^$topic.*CompleteCommit" "$scratch/out"
    tool TransactionsCommand describe --transactional-id "$topic" >"$scratch/out"
    grep -q CompleteCommit "$scratch/out"
    tool TransactionsCommand describe-producers --topic "$topic-transactions" --partition 0 >"$scratch/out"
    grep -q ProducerId "$scratch/out"
}

times() {
    seq 1 10 | produce --topic "$topic-times"
    tool GetOffsetShell --topic "$topic-times" --time -1 >"$scratch/out"
    same <(echo "$topic-times:0:10") "$scratch/out"
    tool GetOffsetShell --topic "$topic-times" --time "$((($(date +%s) - 3600) * 1000))" >"$scratch/out"
    same <(echo "$topic-times:0:0") "$scratch/out"
}

delete_records() {
    seq 1 10 | produce --topic "$topic-delete"
    echo "{\"version\":1,\"partitions\":[{\"topic\":\"$topic-delete\",\"partition\":0,\"offset\":4}]}" >"$scratch/offsets"
    tool DeleteRecordsCommand --offset-json-file "$scratch/offsets" >"$scratch/out"
    grep -q 'low_watermark: 4' "$scratch/out"
    consume --topic "$topic-delete" --from-beginning --max-messages 6 >"$scratch/out"
    same <(seq 5 10) "$scratch/out"
}

configs_of_everything() {
    local name=$topic-configs
    kafka_topics --create --topic "$name" --partitions 2 >"$scratch/out"
    kafka_configs --alter --entity-type topics --entity-name "$name" --add-config 'cleanup.policy=[compact,delete],segment.ms=5000' >"$scratch/out"
    kafka_configs --describe --entity-type topics --entity-name "$name" >"$scratch/out"
    grep -q 'DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete' "$scratch/out"
    kafka_configs --alter --entity-type brokers --entity-default --add-config log.cleaner.min.cleanable.ratio=0.4 >"$scratch/out"
    kafka_configs --describe --entity-type topics --entity-name "$name" --all >"$scratch/out"
    grep -q 'min.cleanable.dirty.ratio=0.4.*DYNAMIC_DEFAULT_BROKER_CONFIG' "$scratch/out"
    kafka_configs --alter --entity-type brokers --entity-default --delete-config log.cleaner.min.cleanable.ratio >"$scratch/out"
    if kafka_configs --alter --entity-type topics --entity-name "$name" --add-config no.such.key=1 >/dev/null 2>&1; then
        echo "a key that does not exist was taken" >&2
        return 1
    fi
    kafka_configs --alter --entity-type users --entity-name "$name" --add-config 'SCRAM-SHA-256=[iterations=4096,password=secret]' >"$scratch/out"
    kafka_configs --alter --entity-type users --entity-name "$name" --add-config producer_byte_rate=100000 >"$scratch/out"
    kafka_configs --describe --entity-type users --entity-name "$name" >"$scratch/out"
    [ "$(grep -c -E 'producer_byte_rate=100000|iterations=4096' "$scratch/out")" = 2 ]
}

acls() {
    tool AclCommand --add --allow-principal User:ann --operation Read --topic "$topic" --resource-pattern-type prefixed >"$scratch/out"
    tool AclCommand --list --topic "$topic-x" --resource-pattern-type match >"$scratch/out"
    grep -q 'principal=User:ann.*operation=READ' "$scratch/out"
    tool AclCommand --remove --force --topic "$topic" --resource-pattern-type prefixed >"$scratch/out"
}

replicas() {
    local name=$topic-configs
    echo '{"version":1,"partitions":[{"topic":"'"$name"'","partition":0,"replicas":[1],"log_dirs":["any"]}]}' >"$scratch/move"
    tool reassign.ReassignPartitionsCommand --execute --reassignment-json-file "$scratch/move" >"$scratch/out"
    grep -q 'Successfully started' "$scratch/out"
    tool reassign.ReassignPartitionsCommand --verify --reassignment-json-file "$scratch/move" >"$scratch/out"
    grep -q "Reassignment of partition $name-0 is completed" "$scratch/out"
    tool LeaderElectionCommand --election-type preferred --topic "$name" --partition 0 >"$scratch/out"
    grep -q 'Valid replica already elected' "$scratch/out"
}

others() {
    tool BrokerApiVersionsCommand >"$scratch/out"
    grep -q 'Produce(0): ' "$scratch/out"
    tool LogDirsCommand --describe >"$scratch/out"
    grep -q '"logDirs"' "$scratch/out"
    tool FeatureCommand describe >"$scratch/out"
    grep -q 'transaction.version' "$scratch/out"
    tool MetadataQuorumCommand describe --status >"$scratch/out"
    grep -q 'LeaderId' "$scratch/out"
    run org.apache.kafka.tools.ClusterTool cluster-id --bootstrap-server "$bootstrap" >"$scratch/out"
    grep -q 'Cluster ID: ' "$scratch/out"
}

echo "  client Apache Kafka's tools $(basename "$jars"/kafka-tools-4*.jar .jar | sed 's/kafka-tools-//')"
step() {
    wanted "$1" || return 0
    local began=$SECONDS
    "${@:2}"
    echo "  ok $1 ($((SECONDS - began)).0 s)"
}
archive
step topics topics
step codecs codecs
if wanted keys; then
    records
    echo "  ok keys"
    echo "  ok headers"
    echo "  ok nulls: null keys and values"
fi
step large large
step resume resume
step rebalance share rebalance --command-property heartbeat.interval.ms=500
step consumer_protocol share 848 --command-property group.protocol=consumer
step admin admin
step idempotence idempotence
step transactions transactions
step times times
step delete_records delete_records
if wanted admin; then
    configs_of_everything
    echo "  also kafka-configs for topics, brokers and users"
    acls
    echo "  also kafka-acls"
    replicas
    echo "  also kafka-reassign-partitions, kafka-leader-election"
    others
    echo "  also kafka-broker-api-versions, kafka-log-dirs, kafka-features, kafka-metadata-quorum, kafka-cluster"
fi
echo "  also kafka-producer-perf-test and kafka-consumer-perf-test"
echo "  no transactional_offsets: no tool commits offsets in a transaction"

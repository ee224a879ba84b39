#!/usr/bin/env bash
# Apache Kafka's command-line tools. Usage: check_java_tools.sh BOOTSTRAP DIRECTORY_OF_JARS
set -euo pipefail

bootstrap=$1
jars=$2
topic=java-$$
run_java() {
    timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$jars/*" "$@"
}
java_class() { run_java "org.apache.kafka.tools.$1" "${@:2}"; }
tool() { java_class "$1" --bootstrap-server "$bootstrap" "${@:2}"; }

tool TopicCommand --create --topic "$topic" --partitions 2 --config retention.ms=1000000 >/dev/null
tool TopicCommand --describe --topic "$topic" | grep -q 'PartitionCount: 2.*retention.ms=1000000'
tool TopicCommand --list | grep -qx "$topic"
echo "  ok kafka-topics"

for codec in none gzip snappy lz4 zstd; do
    seq 1 100 | tool ConsoleProducer --topic "$topic-$codec" --compression-codec "$codec" 2>/dev/null
    diff <(seq 1 100) <(tool consumer.ConsoleConsumer --topic "$topic-$codec" --from-beginning --max-messages 100 2>/dev/null)
done
echo "  ok kafka-console-producer and -consumer with every codec"

seq 1 10 | tool ConsoleProducer --topic "$topic" 2>/dev/null
tool consumer.ConsoleConsumer --topic "$topic" --group "$topic" --from-beginning --max-messages 10 2>/dev/null | sort -n | diff <(seq 1 10) -
tool consumer.group.ConsumerGroupCommand --list | grep -qx "$topic"
tool consumer.group.ConsumerGroupCommand --describe --group "$topic" 2>/dev/null | awk -v t="$topic" '$2 == t { lag += $6 } END { exit lag != 0 }'
tool consumer.group.ConsumerGroupCommand --delete --group "$topic" >/dev/null
echo "  ok kafka-consumer-groups"

tool GetOffsetShell --topic "$topic" --time -1 | awk -F: '{ total += $3 } END { exit total != 10 }'
echo "  ok kafka-get-offsets"

java_class ProducerPerformance --producer-props bootstrap.servers="$bootstrap" --topic "$topic-perf" --num-records 20000 --record-size 1000 --throughput -1 | tail -1 | sed 's/^/  /'
echo "  ok kafka-producer-perf-test"

configs() { run_java kafka.admin.ConfigCommand --bootstrap-server "$bootstrap" "$@"; }
configs --alter --entity-type topics --entity-name "$topic" --add-config 'cleanup.policy=[compact,delete],segment.ms=5000' >/dev/null
configs --describe --entity-type topics --entity-name "$topic" | grep -q 'DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete'
configs --alter --entity-type brokers --entity-default --add-config log.cleaner.min.cleanable.ratio=0.4 >/dev/null
configs --describe --entity-type topics --entity-name "$topic" --all | grep -q 'min.cleanable.dirty.ratio=0.4.*DYNAMIC_DEFAULT_BROKER_CONFIG'
configs --alter --entity-type brokers --entity-default --delete-config log.cleaner.min.cleanable.ratio >/dev/null
if configs --alter --entity-type topics --entity-name "$topic" --add-config no.such.key=1 >/dev/null 2>&1; then
    echo "a key that does not exist was taken" >&2
    exit 1
fi
configs --alter --entity-type users --entity-name "$topic" --add-config 'SCRAM-SHA-256=[iterations=4096,password=secret]' >/dev/null
configs --alter --entity-type users --entity-name "$topic" --add-config producer_byte_rate=100000 >/dev/null
configs --describe --entity-type users --entity-name "$topic" | grep -c -E 'producer_byte_rate=100000|iterations=4096' | grep -qx 2
echo "  ok kafka-configs for topics, brokers and users"

tool AclCommand --add --allow-principal User:ann --operation Read --topic "$topic" --resource-pattern-type prefixed >/dev/null
tool AclCommand --list --topic "$topic-x" --resource-pattern-type match | grep -q 'principal=User:ann.*operation=READ'
tool AclCommand --remove --force --topic "$topic" --resource-pattern-type prefixed >/dev/null
echo "  ok kafka-acls"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{"version":1,"partitions":[{"topic":"'"$topic"'","partition":0,"offset":-1}]}' >"$work/delete.json"
tool DeleteRecordsCommand --offset-json-file "$work/delete.json" | grep -q "partition: $topic-0.*low_watermark"
echo '{"version":1,"partitions":[{"topic":"'"$topic"'","partition":0,"replicas":[1],"log_dirs":["any"]}]}' >"$work/move.json"
tool reassign.ReassignPartitionsCommand --execute --reassignment-json-file "$work/move.json" | grep -q 'Successfully started'
tool reassign.ReassignPartitionsCommand --verify --reassignment-json-file "$work/move.json" | grep -q "Reassignment of partition $topic-0 is completed"
tool LogDirsCommand --describe --topic-list "$topic" | grep -q "\"partition\":\"$topic-1\""
tool LeaderElectionCommand --election-type preferred --topic "$topic" --partition 0 | grep -q 'Valid replica already elected'
tool MetadataQuorumCommand describe --status | grep -q 'LeaderId: *1'
echo "  ok kafka-delete-records, -reassign-partitions, -log-dirs, -leader-election, -metadata-quorum"

tool TopicCommand --delete --topic "$topic"
echo "  ok kafka-topics --delete"

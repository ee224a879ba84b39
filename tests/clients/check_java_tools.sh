#!/usr/bin/env bash
# Apache Kafka's command-line tools. Usage: check_java_tools.sh BOOTSTRAP DIRECTORY_OF_JARS
set -euo pipefail

bootstrap=$1
jars=$2
topic=java-$$
java_class() {
    timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$jars/*" "org.apache.kafka.tools.$1" "${@:2}"
}
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

tool TopicCommand --delete --topic "$topic"
echo "  ok kafka-topics --delete"

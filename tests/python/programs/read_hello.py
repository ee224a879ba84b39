"""Reads `recommendation` by hand: assign, position, poll, commit."""

from kafka import KafkaConsumer, TopicPartition

consumer = KafkaConsumer(
    bootstrap_servers=["localhost:9092"],
    group_id="test",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)
partition = TopicPartition("recommendation", 0)
consumer.assign([partition])
print("position", consumer.position(partition))
read = 0
while read < 10:
    records = consumer.poll(timeout_ms=1000, max_records=5)
    for record in records.get(partition, []):
        print(record.offset, record.value)
        read += 1
    consumer.commit_async()
consumer.commit()
print("position", consumer.position(partition))
consumer.close()

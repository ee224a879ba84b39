import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.ConsumerGroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Kafka 2.8: the last before topic ids in Fetch. Usage: Client BOOTSTRAP */
final class Client extends Scenarios {
    private Client(String bootstrap) {
        super(bootstrap);
    }

    public static void main(String[] arguments) throws Exception {
        new Client(arguments[0]).run();
    }

    @Override
    ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long ms) {
        return consumer.poll(Duration.ofMillis(ms));
    }

    @Override
    OffsetAndMetadata committed(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition) {
        return consumer.committed(Set.of(partition)).get(partition);
    }

    @Override
    void sendOffsets(
            KafkaProducer<byte[], byte[]> producer,
            Map<TopicPartition, OffsetAndMetadata> offsets,
            KafkaConsumer<byte[], byte[]> consumer,
            String group)
            throws Exception {
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    }

    @Override
    int partitionsOf(String topic) throws Exception {
        return admin.describeTopics(Collections.singleton(topic)).all().get().get(topic).partitions().size();
    }

    @Override
    List<String> codecs() {
        return List.of("none", "gzip", "snappy", "lz4", "zstd");
    }

    @Override
    Map<String, Callable<String>> further() {
        Map<String, Callable<String>> steps = new LinkedHashMap<>();
        steps.put("admin", plain(this::administration));
        steps.put("delete_records", plain(this::deleteRecords));
        return steps;
    }

    @Override
    Map<String, String> without() {
        return Map.of("consumer_protocol", "it came with 4.0");
    }

    private void administration() throws Exception {
        String topic = name("admin");
        create(topic, 1, Map.of(RETENTION, "1000000"));
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
        eventually(() -> partitionsOf(topic) == 3);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        same(config(resource, RETENTION), "1000000");
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(RETENTION, "2000000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        eventually(() -> config(resource, RETENTION).equals("2000000"));
        TopicPartition partition = new TopicPartition(topic, 0);
        same(admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset(), 0L);
        admin.alterConsumerGroupOffsets(topic, Map.of(partition, new OffsetAndMetadata(0))).all().get();
        check(admin.listConsumerGroups().all().get().stream().anyMatch(one -> one.groupId().equals(topic)), "it is not listed");
        same(admin.describeConsumerGroups(List.of(topic)).all().get().get(topic).state(), ConsumerGroupState.EMPTY);
        same(admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition).offset(), 0L);
        admin.deleteConsumerGroupOffsets(topic, Set.of(partition)).all().get();
        check(admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition) == null, "the deleted offset");
        admin.alterConsumerGroupOffsets(topic, Map.of(partition, new OffsetAndMetadata(0))).all().get();
        admin.deleteConsumerGroups(List.of(topic)).all().get();
        check(admin.listConsumerGroups().all().get().stream().map(ConsumerGroupListing::groupId).noneMatch(topic::equals), "it is still listed");
        same(admin.describeCluster().nodes().get().size(), 1);
        admin.deleteTopics(List.of(topic)).all().get();
    }

    private void deleteRecords() throws Exception {
        String topic = name("delete");
        send(topic, records(topic, values("delete", 10)), Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        same(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(partition).get().lowWatermark(), 4L);
        same(readTopic(topic, 6, Map.of()).get(0).offset(), 4L);
    }
}

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;

/** Kafka 0.11: the first with transactions and an AdminClient. Usage: Client BOOTSTRAP */
final class Client extends Scenarios {
    private Client(String bootstrap) {
        super(bootstrap);
    }

    public static void main(String[] arguments) throws Exception {
        new Client(arguments[0]).run();
    }

    @Override
    ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long ms) {
        return consumer.poll(ms);
    }

    @Override
    OffsetAndMetadata committed(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition) {
        return consumer.committed(partition);
    }

    @Override
    void sendOffsets(
            KafkaProducer<byte[], byte[]> producer,
            Map<TopicPartition, OffsetAndMetadata> offsets,
            KafkaConsumer<byte[], byte[]> consumer,
            String group)
            throws Exception {
        producer.sendOffsetsToTransaction(offsets, group);
    }

    @Override
    int partitionsOf(String topic) throws Exception {
        return admin.describeTopics(Collections.singleton(topic)).all().get().get(topic).partitions().size();
    }

    @Override
    List<String> codecs() {
        return List.of("none", "gzip", "snappy", "lz4");
    }

    @Override
    Map<String, Callable<String>> further() {
        return Map.of();
    }

    @Override
    Map<String, String> without() {
        String later = "its AdminClient knows topics, configurations and ACLs only";
        return Map.of("admin", later, "delete_records", later, "consumer_protocol", "it came with 4.0");
    }
}

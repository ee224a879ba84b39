import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The scenarios in what is common to Apache Kafka's client from 0.11 to today; a subclass for each generation of the
 * API says how it does the rest. Prints the lines that ../../table.py reads.
 */
abstract class Scenarios {
    static final long PATIENCE_MS = 30_000;
    static final String RETENTION = "retention.ms";

    final String bootstrap;
    final AdminClient admin;
    private final String run = "java-" + ProcessHandle.current().pid();

    // ---- what the generations do differently ----------------------------------------------------------------------

    abstract ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long ms);

    abstract OffsetAndMetadata committed(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition);

    abstract void sendOffsets(
            KafkaProducer<byte[], byte[]> producer,
            Map<TopicPartition, OffsetAndMetadata> offsets,
            KafkaConsumer<byte[], byte[]> consumer,
            String group)
            throws Exception;

    abstract int partitionsOf(String topic) throws Exception;

    abstract List<String> codecs();

    /** Further scenarios, in their order; a remark or null comes back. */
    abstract Map<String, Callable<String>> further();

    /** Scenario to reason. */
    abstract Map<String, String> without();

    // ---- running --------------------------------------------------------------------------------------------------

    Scenarios(String bootstrap) {
        this.bootstrap = bootstrap;
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        admin = AdminClient.create(config);
    }

    void run() throws Exception {
        Map<String, Callable<String>> steps = new LinkedHashMap<>();
        steps.put("topics", plain(this::topics));
        steps.put("codecs", this::everyCodec);
        steps.put("keys", plain(this::keys));
        steps.put("headers", plain(this::headers));
        steps.put("nulls", plain(this::nulls));
        steps.put("large", plain(this::large));
        steps.put("resume", plain(() -> resumes(name("resume"), Map.of())));
        steps.put("rebalance", plain(() -> rebalances(name("rebalance"), Map.of())));
        steps.put("idempotence", plain(this::idempotence));
        steps.put("transactions", plain(this::transactions));
        steps.put("transactional_offsets", plain(this::transactionalOffsets));
        steps.put("times", plain(this::times));
        steps.putAll(further());
        System.out.println("  client Apache kafka-clients " + version());
        String chosen = System.getenv("SCENARIOS");
        for (Map.Entry<String, Callable<String>> step : steps.entrySet()) {
            if (chosen != null && !Arrays.asList(chosen.split(" ")).contains(step.getKey())) {
                continue;
            }
            long began = System.nanoTime();
            String remark = step.getValue().call();
            String said = step.getKey() + (remark == null ? "" : ": " + remark);
            System.out.printf("  ok %s (%.1f s)%n", said, (System.nanoTime() - began) / 1e9);
        }
        without().forEach((scenario, reason) -> System.out.println("  no " + scenario + ": " + reason));
        admin.close();
    }

    private static String version() throws Exception {
        Properties about = new Properties();
        try (java.io.InputStream file = KafkaProducer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            about.load(file);
        }
        return about.getProperty("version");
    }

    interface Step {
        void run() throws Exception;
    }

    static Callable<String> plain(Step step) {
        return () -> {
            step.run();
            return null;
        };
    }

    static void eventually(Callable<Boolean> check) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (!check.call()) {
            check(System.currentTimeMillis() < deadline, "gave up waiting");
            Thread.sleep(50);
        }
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void same(Object got, Object expected) {
        check(got.equals(expected), "got " + got + "; expected " + expected);
    }

    // ---- sending and reading --------------------------------------------------------------------------------------

    String name(String stem) {
        return run + "-" + stem;
    }

    static List<byte[]> values(String stem, int count) {
        List<byte[]> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add((stem + " " + i + " ").repeat(10).getBytes());
        }
        return all;
    }

    static List<String> texts(Collection<byte[]> values) {
        List<String> all = new ArrayList<>();
        values.forEach(value -> all.add(value == null ? null : new String(value)));
        return all;
    }

    static List<byte[]> valuesOf(List<ConsumerRecord<byte[], byte[]>> records) {
        List<byte[]> all = new ArrayList<>();
        records.forEach(record -> all.add(record.value()));
        return all;
    }

    KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", 10));
        config.putAll(more);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of(
                "bootstrap.servers", bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", false));
        config.putAll(more);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    List<Long> send(String topic, List<ProducerRecord<byte[], byte[]>> records, Map<String, Object> config) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(config)) {
            List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
            records.forEach(record -> sent.add(producer.send(record)));
            List<Long> offsets = new ArrayList<>();
            for (java.util.concurrent.Future<RecordMetadata> one : sent) {
                offsets.add(one.get(PATIENCE_MS, TimeUnit.MILLISECONDS).offset());
            }
            return offsets;
        }
    }

    static List<ProducerRecord<byte[], byte[]>> records(String topic, List<byte[]> values) {
        List<ProducerRecord<byte[], byte[]>> all = new ArrayList<>();
        values.forEach(value -> all.add(new ProducerRecord<>(topic, value)));
        return all;
    }

    List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
        eventually(() -> {
            poll(consumer, 200).forEach(all::add);
            return all.size() >= count;
        });
        return all;
    }

    /** Without a group: the first partition from its start. */
    List<ConsumerRecord<byte[], byte[]>> readTopic(String topic, int count, Map<String, Object> config) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(config)) {
            List<TopicPartition> partition = Collections.singletonList(new TopicPartition(topic, 0));
            consumer.assign(partition);
            consumer.seekToBeginning(partition);
            return read(consumer, count);
        }
    }

    void create(String topic, int partitions, Map<String, String> configs) throws Exception {
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(configs);
        admin.createTopics(Collections.singleton(wanted)).all().get();
    }

    // ---- the scenarios --------------------------------------------------------------------------------------------

    void topics() throws Exception {
        String topic = name("topics");
        create(topic, 3, Map.of());
        check(admin.listTopics().names().get().contains(topic), "it is not listed");
        eventually(() -> partitionsOf(topic) == 3);
        admin.deleteTopics(Collections.singleton(topic)).all().get();
        eventually(() -> !admin.listTopics().names().get().contains(topic));
    }

    String everyCodec() throws Exception {
        for (String codec : codecs()) {
            String topic = name(codec);
            List<Long> offsets = send(topic, records(topic, values(codec, 100)), Map.of("compression.type", codec));
            same(offsets.get(99), 99L);
            same(texts(valuesOf(readTopic(topic, 100, Map.of()))), texts(values(codec, 100)));
        }
        return codecs().contains("zstd") ? null : String.join(", ", codecs());
    }

    void pairs(String topic, byte[][][] sent) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (byte[][] pair : sent) {
            records.add(new ProducerRecord<>(topic, 0, pair[0], pair[1]));
        }
        send(topic, records, Map.of());
        List<ConsumerRecord<byte[], byte[]>> got = readTopic(topic, sent.length, Map.of());
        for (int i = 0; i < sent.length; i++) {
            check(Arrays.equals(got.get(i).key(), sent[i][0]) && Arrays.equals(got.get(i).value(), sent[i][1]), "pair " + i);
        }
    }

    void keys() throws Exception {
        pairs(name("keys"), new byte[][][] {{{'k'}, {'1'}}, {{}, {'2'}}, {null, {'3'}}});
    }

    /** Keys and values that are easily mistaken for one another. */
    void nulls() throws Exception {
        pairs(name("nulls"), new byte[][][] {{null, {}}, {{}, {'v'}}, {{'k'}, null}, {{}, null}, {null, {'v'}}});
    }

    void headers() throws Exception {
        String topic = name("headers");
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, new byte[] {'v'});
        record.headers().add("h", new byte[] {'1'}).add("h", null).add("empty", new byte[0]);
        send(topic, List.of(record, new ProducerRecord<>(topic, new byte[0])), Map.of());
        List<ConsumerRecord<byte[], byte[]>> got = readTopic(topic, 2, Map.of());
        Header[] headers = got.get(0).headers().toArray();
        check(headers.length == 3 && Arrays.equals(headers[0].value(), new byte[] {'1'}), "first header");
        check(headers[1].key().equals("h") && headers[1].value() == null && headers[2].value().length == 0, "null and empty");
        same(got.get(1).headers().toArray().length, 0);
    }

    void large() throws Exception {
        String topic = name("large");
        byte[] value = new byte[900_000];
        new Random(1).nextBytes(value);
        send(topic, records(topic, List.of(value)), Map.of());
        check(Arrays.equals(readTopic(topic, 1, Map.of()).get(0).value(), value), "the large value");
    }

    void resumes(String topic, Map<String, Object> config) throws Exception {
        create(topic, 1, Map.of());
        send(topic, records(topic, values("resume", 10)), Map.of());
        Map<String, Object> member = new HashMap<>(config);
        member.put("group.id", topic);
        member.put("max.poll.records", 4);
        TopicPartition partition = new TopicPartition(topic, 0);
        List<ConsumerRecord<byte[], byte[]>> seen;
        try (KafkaConsumer<byte[], byte[]> first = consumer(member)) {
            first.subscribe(Collections.singleton(topic));
            seen = read(first, 4);
            first.commitSync();
        }
        try (KafkaConsumer<byte[], byte[]> second = consumer(member)) {
            second.subscribe(Collections.singleton(topic));
            seen.addAll(read(second, 6));
            second.commitSync();
            same(committed(second, partition).offset(), 10L);
        }
        same(texts(valuesOf(seen)), texts(values("resume", 10)));
    }

    /** A consumer in a thread of its own, because joining may block it. */
    private final class Member extends Thread {
        volatile int owned = -1;
        volatile boolean stopped;
        private final KafkaConsumer<byte[], byte[]> consumer;

        Member(String topic, Map<String, Object> config) {
            Map<String, Object> all = new HashMap<>(config);
            all.put("group.id", topic);
            consumer = consumer(all);
            consumer.subscribe(Collections.singleton(topic));
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            while (!stopped) {
                poll(consumer, 100);
                owned = consumer.assignment().size();
            }
            consumer.close();
        }

        void leave() throws InterruptedException {
            stopped = true;
            join(PATIENCE_MS);
        }
    }

    void rebalances(String topic, Map<String, Object> config) throws Exception {
        create(topic, 2, Map.of());
        Map<String, Object> lively = new HashMap<>(config);
        if (!"consumer".equals(config.get("group.protocol"))) {
            lively.put("heartbeat.interval.ms", 500);
        }
        Member one = new Member(topic, lively);
        Member two = new Member(topic, lively);
        eventually(() -> one.owned == 1 && two.owned == 1);
        two.leave();
        eventually(() -> one.owned == 2);
        one.leave();
    }

    String config(ConfigResource resource, String name) throws Exception {
        Config all = admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
        return all.get(name).value();
    }

    void idempotence() throws Exception {
        String topic = name("idempotence");
        List<Long> offsets = send(
                topic, records(topic, values("idempotence", 100)), Map.of("enable.idempotence", true, "batch.size", 500));
        same(offsets.get(99), 99L);
        same(texts(valuesOf(readTopic(topic, 100, Map.of()))), texts(values("idempotence", 100)));
    }

    KafkaProducer<byte[], byte[]> transactional(String stem) {
        KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", name(stem), "transaction.timeout.ms", 30_000));
        producer.initTransactions();
        return producer;
    }

    void end(KafkaProducer<byte[], byte[]> producer, boolean commit) {
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    void transactions() throws Exception {
        String topic = name("transactions");
        List<String> committed = new ArrayList<>();
        List<String> everything = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = transactional("transactions")) {
            for (String value : List.of("a", "b", "c")) {
                producer.beginTransaction();
                for (int i = 0; i < 3; i++) {
                    producer.send(new ProducerRecord<>(topic, value.getBytes()));
                    everything.add(value);
                    if (!value.equals("b")) {
                        committed.add(value);
                    }
                }
                producer.flush();
                end(producer, !value.equals("b"));
            }
        }
        same(texts(valuesOf(readTopic(topic, 6, Map.of("isolation.level", "read_committed")))), committed);
        same(texts(valuesOf(readTopic(topic, 9, Map.of()))), everything);
    }

    void transactionalOffsets() throws Exception {
        String topic = name("offsets");
        create(topic, 1, Map.of());
        send(topic, records(topic, values("offsets", 5)), Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<byte[], byte[]> producer = transactional("offsets");
                KafkaConsumer<byte[], byte[]> reader = consumer(Map.of("group.id", topic))) {
            reader.subscribe(Collections.singleton(topic));
            read(reader, 5);
            for (boolean commit : new boolean[] {false, true}) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic + "-out", new byte[] {'v'}));
                sendOffsets(producer, Map.of(partition, new OffsetAndMetadata(commit ? 5 : 3)), reader, topic);
                end(producer, commit);
                // EndTxn is answered before the group has its markers.
                eventually(() -> {
                    OffsetAndMetadata found = committed(reader, partition);
                    return commit ? found != null && found.offset() == 5 : found == null;
                });
            }
        }
    }

    void times() throws Exception {
        String topic = name("times");
        // An hour ago: records of long ago could be removed by retention at any moment.
        long base = System.currentTimeMillis() - Duration.ofHours(1).toMillis();
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (long i = 0; i < 5; i++) {
            records.add(new ProducerRecord<>(topic, 0, base + i, null, new byte[] {'v'}));
        }
        send(topic, records, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            same(consumer.offsetsForTimes(Map.of(partition, base + 3)).get(partition).offset(), 3L);
            same(consumer.beginningOffsets(List.of(partition)).get(partition), 0L);
            same(consumer.endOffsets(List.of(partition)).get(partition), 5L);
        }
    }
}

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.internals.metrics.ClientMetrics;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.tests.SmokeTestClient;
import org.apache.kafka.streams.tests.SmokeTestDriver;
import org.apache.kafka.streams.tests.SmokeTestUtil;

/**
 * Kafka Streams with exactly_once_v2: a word count that loses its state directory half-way, and the SmokeTest that
 * Apache Kafka tests itself with. Usage: WordCount BOOTSTRAP
 */
final class WordCount {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private final String bootstrap;
    private final String application = "streams-" + ProcessHandle.current().pid();
    private final Admin admin;

    private WordCount(String bootstrap) {
        this.bootstrap = bootstrap;
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] arguments) throws Exception {
        WordCount one = new WordCount(arguments[0]);
        System.out.println("  client Apache Kafka Streams " + ClientMetrics.version());
        one.counts();
        for (String scenario : List.of("topics: its own", "resume", "idempotence", "transactions: commits only", "transactional_offsets: commits only")) {
            System.out.println("  ok " + scenario);
        }
        System.out.println("  also a word count with exactly_once_v2 that restores its state from the changelog");
        one.quietly(one::smoke);
        System.out.println("  also SmokeTestClient and SmokeTestDriver with exactly_once_v2");
        for (String scenario : "codecs keys headers nulls large rebalance consumer_protocol admin times delete_records".split(" ")) {
            System.out.println("  no " + scenario + ": it is a library of its own, on top of kafka-clients");
        }
        // The smoke test's client leaves hooks and threads.
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private void create(String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    /** A topic just deleted may still be there for a moment. */
    private void createAgain(String topic, int partitions) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (admin.listTopics().names().get().contains(topic)) {
            check(System.nanoTime() < deadline, topic + " is still there");
            Thread.sleep(50);
        }
        create(topic, partitions);
    }

    private void counts() throws Exception {
        String in = application + "-lines";
        String out = application + "-counts";
        create(in, 2);
        create(out, 2);
        Map<String, Long> expected = new HashMap<>();
        for (String part : List.of("first", "second")) {
            List<String> lines = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                lines.add("every line of the " + part + " part says " + i % 7);
            }
            lines.forEach(line -> Arrays.stream(line.split(" ")).forEach(word -> expected.merge(word, 1L, Long::sum)));
            send(in, lines);
            Path state = Files.createTempDirectory("word-count");
            try (KafkaStreams streams = new KafkaStreams(topology(in, out).build(), config(state))) {
                streams.start();
                await(out, expected);
            }
            delete(state);
        }
        compacted(application + "-words-changelog");
        check(admin.listTopics().names().get().contains(application + "-words-repartition"), "the repartition topic");
    }

    private static StreamsBuilder topology(String in, String out) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(in)
                .flatMapValues(line -> List.of(line.split(" ")))
                .groupBy((key, word) -> word, org.apache.kafka.streams.kstream.Grouped.as("words"))
                .count(Materialized.as("words"))
                .toStream()
                .to(out, Produced.with(Serdes.String(), Serdes.Long()));
        return builder;
    }

    private Properties config(Path state) {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put("auto.offset.reset", "earliest");
        return config;
    }

    private void send(String topic, List<String> lines) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            lines.forEach(line -> producer.send(new ProducerRecord<>(topic, line)));
        }
    }

    /** Waits until the last committed count of each word is the expected one. */
    private void await(String topic, Map<String, Long> expected) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "isolation.level", "read_committed");
        Map<String, Long> counts = new HashMap<>();
        try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(config, new StringDeserializer(), new LongDeserializer())) {
            Set<TopicPartition> partitions = Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (!counts.equals(expected)) {
                check(System.nanoTime() < deadline, "counted " + counts + "; expected " + expected);
                consumer.poll(Duration.ofMillis(200)).forEach(record -> counts.put(record.key(), record.value()));
            }
        }
    }

    private void compacted(String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        String policy = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("cleanup.policy").value();
        check(policy.equals("compact"), topic + " has the policy " + policy);
    }

    private interface Step {
        void run() throws Exception;
    }

    /** Both halves of the smoke test print hundreds of lines, which only matter if it fails. */
    private void quietly(Step step) throws Exception {
        PrintStream out = System.out;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true));
        try {
            step.run();
        } catch (Exception | AssertionError failure) {
            out.write(said.toByteArray());
            throw failure;
        } finally {
            System.setOut(out);
        }
    }

    private void smoke() throws Exception {
        // Its topics have fixed names: an earlier run against the same broker may have left them.
        List<String> topics = Arrays.asList(SmokeTestDriver.topics());
        List<String> left = new ArrayList<>(topics);
        left.retainAll(admin.listTopics().names().get());
        admin.deleteTopics(left).all().get();
        for (String topic : topics) {
            createAgain(topic, 4);
        }
        Path state = Files.createTempDirectory("smoke");
        SmokeTestClient client = new SmokeTestClient(application + "-smoke");
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        config.put("acks", "all");
        client.start(config);
        Map<String, Set<Integer>> sent = SmokeTestDriver.generate(bootstrap, 10, 100, Duration.ofSeconds(10));
        SmokeTestUtil.VerificationResult result = SmokeTestDriver.verify(bootstrap, sent, 100, true);
        check(result.passed(), result.result());
        client.close();
        delete(state);
    }

    private static void delete(Path directory) throws Exception {
        try (Stream<Path> files = Files.walk(directory)) {
            files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}

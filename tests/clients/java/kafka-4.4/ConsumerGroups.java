// What consumer groups of KIP-848 can do besides the scenarios, with Apache Kafka's consumer and Admin: growing topics,
// static members, regular expressions, migration from the classic protocol and back. Usage: ConsumerGroups BOOTSTRAP

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class ConsumerGroups {
    private static final Duration POLL = Duration.ofMillis(50);
    private static final long PATIENCE_MS = 60_000;
    private static String bootstrap;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        String topic = "kip848-" + System.nanoTime();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, 4, (short) 1))).all().get();
            twoMembers(admin, topic);
            staticMember(topic);
            regularExpression(topic);
            migration(admin, topic);
        }
    }

    private static void twoMembers(Admin admin, String topic) throws Exception {
        produce(topic, 100);
        String group = topic + "-two";
        try (Reader a = new Reader(group, Map.of())) {
            a.consumer.subscribe(List.of(topic));
            await(() -> a.read.size() == 100 && a.partitions().size() == 4, a);
            a.consumer.commitSync();
            ConsumerGroupDescription described = describe(admin, group);
            check(described.type() == GroupType.CONSUMER && described.groupState() == GroupState.STABLE, described);
            check(described.partitionAssignor().equals("uniform"), described);
            System.out.println("  also one member reads everything");

            try (Reader b = new Reader(group, Map.of())) {
                b.consumer.subscribe(List.of(topic));
                await(() -> a.partitions().size() == 2 && b.partitions().size() == 2, a, b);
                Set<TopicPartition> all = new java.util.HashSet<>(a.partitions());
                all.addAll(b.partitions());
                check(all.size() == 4, all);
                check(describe(admin, group).members().size() == 2, "two members");
                check(admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all().get()
                    .stream().anyMatch(listed -> listed.groupId().equals(group)), "listed by type");
                try {
                    admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(topic, 0))).all().get();
                    throw new AssertionError("offsets of a topic that is read were deleted");
                } catch (ExecutionException expected) {
                    check(expected.getCause() instanceof GroupSubscribedToTopicException, expected);
                }
                System.out.println("  also a second member takes over half");
            }
            await(() -> a.partitions().size() == 4, a);
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(6))).all().get();
            await(() -> a.partitions().size() == 6, a);
            System.out.println("  also it leaves, the topic grows");
            a.consumer.commitSync();
        }
        produce(topic, 10);
        try (Reader again = new Reader(group, Map.of("group.remote.assignor", "range"))) {
            again.consumer.subscribe(List.of(topic));
            await(() -> again.read.size() >= 10, again);
            check(again.read.size() == 10, again.read);
            check(describe(admin, group).partitionAssignor().equals("range"), "assignor asked for");
        }
        await(() -> describe(admin, group).groupState() == GroupState.EMPTY);
        admin.deleteConsumerGroups(List.of(group)).all().get();
        System.out.println("  also resumed where it was, with the range assignor; deleted");
    }

    private static void staticMember(String topic) {
        String group = topic + "-static";
        Map<String, String> named = Map.of("group.instance.id", "one");
        try (Reader other = new Reader(group, Map.of("group.instance.id", "two"))) {
            other.consumer.subscribe(List.of(topic));
            Set<TopicPartition> before;
            try (Reader first = new Reader(group, named)) {
                first.consumer.subscribe(List.of(topic));
                await(() -> first.partitions().size() == 3 && other.partitions().size() == 3, first, other);
                before = Set.copyOf(first.partitions());
            }
            try (Reader second = new Reader(group, named)) {
                second.consumer.subscribe(List.of(topic));
                await(() -> second.partitions().size() == 3, second, other);
                check(second.partitions().equals(before), second.partitions() + " after " + before);
                check(other.partitions().size() == 3, "the other member was left alone");
            }
        }
        System.out.println("  also a static member comes back to what it had");
    }

    private static void regularExpression(String topic) throws Exception {
        try (Reader reader = new Reader(topic + "-regex", Map.of())) {
            reader.consumer.subscribe(new SubscriptionPattern(topic.substring(0, topic.length() - 1) + ".?"));
            await(() -> reader.partitions().size() == 6 && reader.read.size() == 110, reader);
        }
        try (Reader reader = new Reader(topic + "-wrong", Map.of())) {
            reader.consumer.subscribe(new SubscriptionPattern("[a"));
            try {
                await(() -> false, reader);
            } catch (InvalidRegularExpression expected) {
                System.out.println("  also regular expressions, and one that is none");
            }
        }
    }

    private static void migration(Admin admin, String topic) {
        String group = topic + "-migration";
        Map<String, String> classic = Map.of(
            "group.protocol", "classic",
            "heartbeat.interval.ms", "500",
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        try (Reader old = new Reader(group, classic)) {
            old.consumer.subscribe(List.of(topic));
            await(() -> old.partitions().size() == 6, old);
            check(describe(admin, group).type() == GroupType.CLASSIC, "classic");
            try (Reader young = new Reader(group, Map.of())) {
                young.consumer.subscribe(List.of(topic));
                await(() -> old.partitions().size() == 3 && young.partitions().size() == 3, old, young);
                check(describe(admin, group).type() == GroupType.CONSUMER, "consumer");
                old.consumer.commitSync();
                young.consumer.commitSync();
            }
            await(() -> old.partitions().size() == 6, old);
            check(describe(admin, group).type() == GroupType.CLASSIC, "classic again");
            old.consumer.commitSync();
        }
        System.out.println("  also from the classic protocol and back while both read");
    }

    /** A consumer and what it has read. */
    private static final class Reader implements AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final Collection<String> read = new ArrayList<>();

        Reader(String group, Map<String, String> more) {
            Properties config = new Properties();
            config.putAll(Map.of(
                "bootstrap.servers", bootstrap,
                "group.id", group,
                "group.protocol", "consumer",
                "auto.offset.reset", "earliest",
                "enable.auto.commit", "false",
                "key.deserializer", StringDeserializer.class.getName(),
                "value.deserializer", StringDeserializer.class.getName()));
            config.putAll(more);
            consumer = new KafkaConsumer<>(config);
        }

        Set<TopicPartition> partitions() {
            return consumer.assignment();
        }

        void poll() {
            consumer.poll(POLL).forEach(record -> read.add(record.value()));
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private static void await(BooleanSupplier done, Reader... readers) {
        long end = System.currentTimeMillis() + PATIENCE_MS;
        while (!done.getAsBoolean()) {
            for (Reader reader : readers) {
                reader.poll();
            }
            if (System.currentTimeMillis() > end) {
                StringBuilder state = new StringBuilder("not in time:");
                for (Reader reader : readers) {
                    state.append(' ').append(new TreeSet<>(reader.partitions().stream().map(TopicPartition::toString).toList()))
                        .append(" read ").append(reader.read.size());
                }
                throw new AssertionError(state.toString());
            }
        }
    }

    private static ConsumerGroupDescription describe(Admin admin, String group) {
        try {
            return admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
        } catch (ExecutionException | InterruptedException error) {
            throw new AssertionError(error);
        }
    }

    private static void produce(String topic, int count) {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
            for (int n = 0; n < count; n++) {
                producer.send(new ProducerRecord<>(topic, "k" + n, "v" + n));
            }
        }
    }

    private static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}

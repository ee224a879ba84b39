// segmentio/kafka-go: a Writer, a Reader with and without a group, and a Client of single requests.
// Usage: segmentio BOOTSTRAP
package main

import (
	"bytes"
	"context"
	"errors"
	"time"

	. "check/scenario"

	"github.com/segmentio/kafka-go"
)

var (
	ctx    = context.Background()
	client = &kafka.Client{Addr: kafka.TCP(Bootstrap), Timeout: Patience}
)

func main() {
	var stop context.CancelFunc
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	Run("segmentio/kafka-go "+Version("github.com/segmentio/kafka-go"), []Step{
		Plain("topics", topics),
		Plain("codecs", codecs),
		{Name: "keys", Do: keys},
		Plain("headers", headers),
		{Name: "nulls", Do: nulls},
		Plain("large", large),
		Plain("resume", resume),
		Plain("rebalance", rebalance),
		Plain("admin", administration),
		Plain("transactional_offsets", transactionalOffsets),
		Plain("times", times),
	}, map[string]string{
		"it does not know the consumer protocol": "consumer_protocol",
		"its batches carry no producer's id":     "idempotence transactions",
		"it has no call for it":                  "delete_records",
	})
}

func create(topic string, partitions int, configs ...kafka.ConfigEntry) {
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}}})
	Must(err)
	Must(answer.Errors[topic])
	Eventually(func() bool { return partitionsOf(topic) == partitions })
}

// partitionsOf gives the number of partitions that have a leader; 0 if there is no such topic.
func partitionsOf(topic string) int {
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	Must(err)
	count := 0
	for _, partition := range answer.Topics[0].Partitions {
		if partition.Error == nil {
			count++
		}
	}
	return count
}

func send(topic string, messages []kafka.Message, configure ...func(*kafka.Writer)) {
	writer := &kafka.Writer{
		Addr: kafka.TCP(Bootstrap), Topic: topic, AllowAutoTopicCreation: true, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond, BatchBytes: 1_000_000,
	}
	for _, one := range configure {
		one(writer)
	}
	// A topic that is being created has no leader yet, of which the writer makes an error.
	Eventually(func() bool {
		err := writer.WriteMessages(ctx, messages...)
		if !errors.Is(err, kafka.UnknownTopicOrPartition) && !errors.Is(err, kafka.LeaderNotAvailable) {
			Must(err)
		}
		return err == nil
	})
	Must(writer.Close())
}

func messages(values [][]byte) (all []kafka.Message) {
	for _, value := range values {
		all = append(all, kafka.Message{Value: value})
	}
	return all
}

func read(topic string, count int) []kafka.Message {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, Topic: topic, MaxWait: 500 * time.Millisecond})
	defer reader.Close()
	return readFrom(reader, count)
}

func readFrom(reader *kafka.Reader, count int) (got []kafka.Message) {
	for len(got) < count {
		one, err := reader.FetchMessage(ctx)
		Must(err)
		got = append(got, one)
	}
	return got
}

func valuesOf(messages []kafka.Message) (all [][]byte) {
	for _, one := range messages {
		all = append(all, one.Value)
	}
	return all
}

func topics() {
	topic := Name("topics")
	create(topic, 3)
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	Must(err)
	found := false
	for _, one := range answer.Topics {
		found = found || one.Name == topic
	}
	Check(found, "it is not listed")
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	Must(err)
	Must(deleted.Errors[topic])
	Eventually(func() bool {
		answer, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		Must(err)
		for _, one := range answer.Topics {
			if one.Name == topic {
				return false
			}
		}
		return true
	})
}

func codecs() {
	for i, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		topic := Name(Codecs[i])
		create(topic, 1)
		send(topic, messages(Values(topic, 100)), func(one *kafka.Writer) { one.Compression = codec })
		got := read(topic, 100)
		Same(valuesOf(got), Values(topic, 100))
		Same(got[99].Offset, 99)
	}
}

func keys() string {
	return pairs("keys", [][2][]byte{{[]byte("k"), []byte("1")}, {{}, []byte("2")}, {nil, []byte("3")}})
}

func nulls() string { return pairs("nulls", Odd) }

func pairs(stem string, sent [][2][]byte) string {
	topic := Name(stem)
	create(topic, 1)
	for _, pair := range sent {
		send(topic, []kafka.Message{{Key: pair[0], Value: pair[1]}})
	}
	for i, got := range read(topic, len(sent)) {
		Same([2][]byte{got.Key, got.Value}, sent[i])
		Check((sent[i][0] != nil || got.Key == nil) && (sent[i][1] != nil || got.Value == nil), "null", i)
	}
	return "its reader gives empty ones as null"
}

func headers() {
	topic := Name("headers")
	some := []kafka.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}, {Key: "empty", Value: []byte{}}}
	send(topic, []kafka.Message{{Value: []byte("v"), Headers: some}, {Value: []byte("v")}})
	got := read(topic, 2)
	Same(got[0].Headers, some)
	Same(len(got[1].Headers), 0)
}

func large() {
	topic := Name("large")
	send(topic, messages([][]byte{Large}))
	Check(bytes.Equal(read(topic, 1)[0].Value, Large), "the large value")
}

func member(topic string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{Bootstrap}, GroupID: topic, Topic: topic, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 500 * time.Millisecond, MaxWait: 500 * time.Millisecond,
	})
}

func resume() {
	topic := Name("resume")
	create(topic, 1)
	send(topic, messages(Values("resume", 10)))
	first := member(topic)
	seen := readFrom(first, 4)
	Must(first.CommitMessages(ctx, seen...))
	Must(first.Close())
	second := member(topic)
	seen = append(seen, readFrom(second, 6)...)
	Must(second.CommitMessages(ctx, seen...))
	Must(second.Close())
	Same(valuesOf(seen), Values("resume", 10))
}

func rebalance() {
	topic := Name("rebalance")
	create(topic, 2)
	one, two := member(topic), member(topic)
	owned := func() (counts []int) {
		answer, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{topic}})
		Must(err)
		for _, each := range answer.Groups[0].Members {
			for _, assigned := range each.MemberAssignments.Topics {
				counts = append(counts, len(assigned.Partitions))
			}
		}
		return counts
	}
	Eventually(func() bool { counts := owned(); return len(counts) == 2 && counts[0] == 1 && counts[1] == 1 })
	Must(two.Close())
	Eventually(func() bool { counts := owned(); return len(counts) == 1 && counts[0] == 2 })
	Must(one.Close())
}

func administration() {
	topic, first, second := Name("admin"), "1000000", "2000000"
	create(topic, 1, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: first})
	grown, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}}})
	Must(err)
	Must(grown.Errors[topic])
	Eventually(func() bool { return partitionsOf(topic) == 3 })
	retention := func() string {
		answer, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}}}})
		Must(err)
		Must(answer.Resources[0].Error)
		return answer.Resources[0].ConfigEntries[0].ConfigValue
	}
	Same(retention(), first)
	altered, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: "retention.ms", Value: second, ConfigOperation: kafka.ConfigOperationSet}}}}})
	Must(err)
	Must(altered.Resources[0].Error)
	Eventually(func() bool { return retention() == second })
	group := Name("resume")
	Check(listed(group), "it is not listed")
	described, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	Must(err)
	Same(described.Groups[0].GroupState, "Empty")
	deleted, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	Must(err)
	Must(deleted.Errors[group])
	Check(!listed(group), "it is still listed")
	_, err = client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	Must(err)
}

func listed(group string) bool {
	answer, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	Must(err)
	for _, one := range answer.Groups {
		if one.GroupID == group {
			return true
		}
	}
	return false
}

func transactionalOffsets() {
	topic := Name("offsets")
	create(topic, 1)
	var producer kafka.ProducerSession
	// The coordinator may be loading at first.
	Eventually(func() bool {
		answer, err := client.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: topic, TransactionTimeoutMs: 30_000})
		if err != nil || answer.Error != nil {
			return false
		}
		producer = *answer.Producer
		return true
	})
	for _, round := range []struct {
		offset int64
		commit bool
		then   int64
	}{{3, false, -1}, {5, true, 5}} {
		added, err := client.AddOffsetsToTxn(ctx, &kafka.AddOffsetsToTxnRequest{
			TransactionalID: topic, ProducerID: producer.ProducerID, ProducerEpoch: producer.ProducerEpoch, GroupID: topic})
		Must(err)
		Must(added.Error)
		sent, err := client.TxnOffsetCommit(ctx, &kafka.TxnOffsetCommitRequest{
			TransactionalID: topic, ProducerID: producer.ProducerID, ProducerEpoch: producer.ProducerEpoch, GroupID: topic,
			GenerationID: -1, Topics: map[string][]kafka.TxnOffsetCommit{topic: {{Partition: 0, Offset: round.offset}}}})
		Must(err)
		Must(sent.Topics[topic][0].Error)
		ended, err := client.EndTxn(ctx, &kafka.EndTxnRequest{
			TransactionalID: topic, ProducerID: producer.ProducerID, ProducerEpoch: producer.ProducerEpoch, Committed: round.commit})
		Must(err)
		Must(ended.Error)
		// EndTxn is answered before the group has its markers.
		Eventually(func() bool {
			fetched, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: topic, Topics: map[string][]int{topic: {0}}})
			Must(err)
			return fetched.Topics[topic][0].CommittedOffset == round.then
		})
	}
}

func times() {
	topic := Name("times")
	create(topic, 1)
	var sent []kafka.Message
	for i := range 5 {
		sent = append(sent, kafka.Message{Value: []byte("v"), Time: Base.Add(time.Duration(i) * time.Millisecond)})
	}
	send(topic, sent)
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {
		kafka.TimeOffsetOf(0, Base.Add(3*time.Millisecond)), kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	Must(err)
	got := answer.Topics[topic][0]
	Must(got.Error)
	Same([]int64{got.FirstOffset, got.LastOffset}, []int64{0, 5})
	_, found := got.Offsets[3]
	Check(found && len(got.Offsets) == 1, "by time", got.Offsets)
}

// sarama: sends the versions of the Kafka release it is told, so very old ones appear even from new builds.
// Usage: sarama BOOTSTRAP RELEASE
package main

import (
	"context"
	"os"
	"strings"
	"time"

	. "check/scenario"

	"github.com/IBM/sarama"
)

var (
	brokers    = []string{Bootstrap}
	version, _ = sarama.ParseKafkaVersion(os.Args[2])
)

func main() {
	without := map[string]string{"it does not know the consumer protocol": "consumer_protocol"}
	for _, one := range []struct {
		since     sarama.KafkaVersion
		reason    string
		scenarios string
	}{
		{sarama.V0_10_1_0, "offsets by time came with 0.10.1", "times"},
		{sarama.V0_10_2_0, "its administration and its groups ask for 0.10.2", "topics rebalance"},
		{sarama.V0_11_0_0, "it came with 0.11", "headers idempotence transactions transactional_offsets delete_records"},
		{sarama.V1_0_0_0, "some of it came with 1.0", "admin"},
	} {
		if !version.IsAtLeast(one.since) {
			without[one.reason] = one.scenarios
		}
	}
	Run("sarama "+Version("github.com/IBM/sarama")+" as "+os.Args[2], []Step{
		Plain("topics", topics),
		{Name: "codecs", Do: codecs},
		Plain("keys", keys),
		Plain("headers", headers),
		Plain("nulls", nulls),
		Plain("large", large),
		{Name: "resume", Do: resume},
		Plain("rebalance", rebalance),
		Plain("admin", administration),
		Plain("idempotence", idempotence),
		Plain("transactions", transactions),
		Plain("transactional_offsets", transactionalOffsets),
		Plain("times", times),
		Plain("delete_records", deleteRecords),
	}, without)
}

func config() *sarama.Config {
	one := sarama.NewConfig()
	one.Version = version
	one.Producer.Return.Successes = true
	one.Producer.RequiredAcks = sarama.WaitForAll
	one.Producer.MaxMessageBytes = 1_000_000
	one.Consumer.Offsets.Initial = sarama.OffsetOldest
	one.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	one.ApiVersionsRequest = version.IsAtLeast(sarama.V0_10_0_0)
	return one
}

func admin() sarama.ClusterAdmin {
	one, err := sarama.NewClusterAdmin(brokers, config())
	Must(err)
	return one
}

func create(topic string, partitions int32) {
	one := admin()
	Must(one.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	Must(one.Close())
}

func send(topic string, messages []*sarama.ProducerMessage, configure ...func(*sarama.Config)) {
	settings := config()
	for _, one := range configure {
		one(settings)
	}
	producer, err := sarama.NewSyncProducer(brokers, settings)
	Must(err)
	for _, one := range messages {
		one.Topic = topic
	}
	Must(producer.SendMessages(messages))
	Must(producer.Close())
}

func messages(values [][]byte) (all []*sarama.ProducerMessage) {
	for _, value := range values {
		all = append(all, &sarama.ProducerMessage{Value: sarama.ByteEncoder(value)})
	}
	return all
}

func read(topic string, count int, configure ...func(*sarama.Config)) (got []*sarama.ConsumerMessage) {
	settings := config()
	for _, one := range configure {
		one(settings)
	}
	consumer, err := sarama.NewConsumer(brokers, settings)
	Must(err)
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	Must(err)
	for len(got) < count {
		select {
		case message := <-partition.Messages():
			got = append(got, message)
		case <-time.After(Patience):
			Check(false, "only", len(got), "records of", topic)
		}
	}
	Must(partition.Close())
	Must(consumer.Close())
	return got
}

func valuesOf(messages []*sarama.ConsumerMessage) (all [][]byte) {
	for _, one := range messages {
		all = append(all, one.Value)
	}
	return all
}

func topics() {
	topic := Name("topics")
	create(topic, 3)
	one := admin()
	defer one.Close()
	described, err := one.DescribeTopics([]string{topic})
	Must(err)
	Same(len(described[0].Partitions), 3)
	listed := func() bool {
		client, err := sarama.NewClient(brokers, config())
		Must(err)
		defer client.Close()
		all, err := client.Topics()
		Must(err)
		return strings.Contains(" "+strings.Join(all, " ")+" ", " "+topic+" ")
	}
	Check(listed(), "it is not listed")
	Must(one.DeleteTopic(topic))
	Eventually(func() bool { return !listed() })
}

func codecs() string {
	all := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy}
	if version.IsAtLeast(sarama.V0_10_0_0) {
		all = append(all, sarama.CompressionLZ4)
	}
	if version.IsAtLeast(sarama.V2_1_0_0) {
		all = append(all, sarama.CompressionZSTD)
	}
	for i, codec := range all {
		topic := Name(Codecs[i])
		send(topic, messages(Values(topic, 100)), func(one *sarama.Config) { one.Producer.Compression = codec })
		got := read(topic, 100)
		Same(valuesOf(got), Values(topic, 100))
		Same(got[99].Offset, 99)
	}
	if len(all) == len(Codecs) {
		return ""
	}
	return strings.Join(Codecs[:len(all)], ", ")
}

func encoder(bytes []byte) sarama.Encoder {
	if bytes == nil {
		return nil
	}
	return sarama.ByteEncoder(bytes)
}

func keys() {
	pairs("keys", [][2][]byte{{[]byte("k"), []byte("1")}, {{}, []byte("2")}, {nil, []byte("3")}})
}

func nulls() { pairs("nulls", Odd) }

func pairs(stem string, sent [][2][]byte) {
	topic := Name(stem)
	for _, pair := range sent {
		send(topic, []*sarama.ProducerMessage{{Key: encoder(pair[0]), Value: encoder(pair[1])}})
	}
	for i, got := range read(topic, len(sent)) {
		Same([2][]byte{got.Key, got.Value}, sent[i])
		Check((got.Key == nil) == (sent[i][0] == nil) && (got.Value == nil) == (sent[i][1] == nil), "null or empty", i)
	}
}

func headers() {
	topic := Name("headers")
	some := []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("1")}, {Key: []byte("h"), Value: nil}, {Key: []byte("empty"), Value: []byte{}}}
	send(topic, []*sarama.ProducerMessage{{Value: encoder([]byte("v")), Headers: some}})
	got := read(topic, 1)[0].Headers
	Same(len(got), 3)
	for i := range some {
		Same(*got[i], some[i])
		Check((got[i].Value == nil) == (some[i].Value == nil), "null or empty", i)
	}
}

func large() {
	topic := Name("large")
	send(topic, messages([][]byte{Large}))
	Check(string(read(topic, 1)[0].Value) == string(Large), "the large value")
}

// member reads until it has had `left` messages.
type member struct {
	left int
	got  [][]byte
	stop context.CancelFunc
}

func (*member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message := <-claim.Messages():
			if message == nil || m.left == 0 {
				return nil
			}
			m.got = append(m.got, message.Value)
			m.left--
			session.MarkMessage(message, "")
			if m.left == 0 {
				session.Commit()
				m.stop()
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func resume() string {
	topic := Name("resume")
	send(topic, messages(Values("resume", 10)))
	if !version.IsAtLeast(sarama.V0_10_2_0) {
		resumeByOffsetManager(topic)
		return "offsets committed without membership"
	}
	var got [][]byte
	for _, count := range []int{4, 6} {
		group, err := sarama.NewConsumerGroup(brokers, topic, config())
		Must(err)
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		one := &member{left: count, stop: cancel}
		for ctx.Err() == nil {
			Must(group.Consume(ctx, []string{topic}, one))
		}
		Must(group.Close())
		got = append(got, one.got...)
	}
	Same(got, Values("resume", 10))
	return ""
}

func resumeByOffsetManager(topic string) {
	for _, step := range []struct{ from, to int64 }{{sarama.OffsetOldest, 4}, {4, 10}} {
		client, err := sarama.NewClient(brokers, config())
		Must(err)
		offsets, err := sarama.NewOffsetManagerFromClient(topic, client)
		Must(err)
		partition, err := offsets.ManagePartition(topic, 0)
		Must(err)
		from, _ := partition.NextOffset()
		Same(from, step.from)
		partition.MarkOffset(step.to, "")
		offsets.Commit()
		Must(partition.Close())
		Must(offsets.Close())
		Must(client.Close())
	}
}

// idle is a member that only says how many partitions it has.
type idle struct{ owned chan int }

func (m idle) Setup(session sarama.ConsumerGroupSession) error {
	count := 0
	for _, partitions := range session.Claims() {
		count += len(partitions)
	}
	m.owned <- count
	return nil
}
func (idle) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (idle) ConsumeClaim(session sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-session.Context().Done()
	return nil
}

func rebalance() {
	topic := Name("rebalance")
	create(topic, 2)
	join := func() (sarama.ConsumerGroup, func() int) {
		group, err := sarama.NewConsumerGroup(brokers, topic, config())
		Must(err)
		owned, last := make(chan int, 100), -1
		go func() {
			for group.Consume(context.Background(), []string{topic}, idle{owned}) == nil {
			}
		}()
		return group, func() int {
			select {
			case last = <-owned:
			default:
			}
			return last
		}
	}
	one, ownedByOne := join()
	two, ownedByTwo := join()
	Eventually(func() bool { a, b := ownedByOne(), ownedByTwo(); return a == 1 && b == 1 })
	Must(two.Close())
	Eventually(func() bool { return ownedByOne() == 2 })
	Must(one.Close())
}

func administration() {
	topic, first, second := Name("admin"), "1000000", "2000000"
	one := admin()
	defer one.Close()
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &first}}
	Must(one.CreateTopic(topic, detail, false))
	Must(one.CreatePartitions(topic, 3, nil, false))
	Eventually(func() bool {
		described, err := one.DescribeTopics([]string{topic})
		Must(err)
		return len(described[0].Partitions) == 3
	})
	retention := func() string {
		entries, err := one.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
		Must(err)
		for _, entry := range entries {
			if entry.Name == "retention.ms" {
				return entry.Value
			}
		}
		return ""
	}
	Same(retention(), first)
	if version.IsAtLeast(sarama.V2_3_0_0) {
		set := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &second}}
		Must(one.IncrementalAlterConfig(sarama.TopicResource, topic, set, false))
	} else {
		Must(one.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &second}, false))
	}
	Eventually(func() bool { return retention() == second })
	group := Name("resume")
	groups, err := one.ListConsumerGroups()
	Must(err)
	Same(groups[group], "consumer")
	described, err := one.DescribeConsumerGroups([]string{group})
	Must(err)
	Same(described[0].State, "Empty")
	Must(one.DeleteConsumerGroup(group))
	groups, err = one.ListConsumerGroups()
	Must(err)
	Same(groups[group], "")
	Must(one.DeleteTopic(topic))
}

func idempotent(one *sarama.Config) {
	one.Producer.Idempotent = true
	one.Net.MaxOpenRequests = 1
}

func idempotence() {
	topic := Name("idempotence")
	send(topic, messages(Values(topic, 100)), idempotent)
	Same(valuesOf(read(topic, 100)), Values(topic, 100))
}

func transactional(stem string) sarama.SyncProducer {
	settings := config()
	idempotent(settings)
	settings.Producer.Transaction.ID = Name(stem)
	producer, err := sarama.NewSyncProducer(brokers, settings)
	Must(err)
	return producer
}

func transactions() {
	topic := Name("transactions")
	producer := transactional("transactions")
	var committed, everything [][]byte
	for i, value := range []string{"a", "b", "c"} {
		Must(producer.BeginTxn())
		for range 3 {
			_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
			Must(err)
			everything = append(everything, []byte(value))
			if i != 1 {
				committed = append(committed, []byte(value))
			}
		}
		if i == 1 {
			Must(producer.AbortTxn())
		} else {
			Must(producer.CommitTxn())
		}
	}
	Must(producer.Close())
	Same(valuesOf(read(topic, 6, func(one *sarama.Config) { one.Consumer.IsolationLevel = sarama.ReadCommitted })), committed)
	Same(valuesOf(read(topic, 9)), everything)
}

func transactionalOffsets() {
	topic := Name("offsets")
	send(topic, messages(Values(topic, 5)))
	producer := transactional("offsets")
	one := admin()
	defer one.Close()
	for _, round := range []struct {
		offset int64
		end    func() error
		then   int64
	}{{3, producer.AbortTxn, -1}, {5, producer.CommitTxn, 5}} {
		Must(producer.BeginTxn())
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic + "-out", Value: sarama.StringEncoder("v")})
		Must(err)
		offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: round.offset, LeaderEpoch: -1}}}
		Must(producer.AddOffsetsToTxn(offsets, topic))
		Must(round.end())
		// EndTxn is answered before the group has its markers.
		Eventually(func() bool {
			fetched, err := one.ListConsumerGroupOffsets(topic, map[string][]int32{topic: {0}})
			Must(err)
			return fetched.GetBlock(topic, 0).Offset == round.then
		})
	}
	Must(producer.Close())
}

func times() {
	topic := Name("times")
	var sent []*sarama.ProducerMessage
	for i := range 5 {
		sent = append(sent, &sarama.ProducerMessage{Value: sarama.StringEncoder("v"), Timestamp: Base.Add(time.Duration(i) * time.Millisecond)})
	}
	// A message of its own each: in a set of magic 1 they would share one time.
	for _, one := range sent {
		send(topic, []*sarama.ProducerMessage{one})
	}
	client, err := sarama.NewClient(brokers, config())
	Must(err)
	defer client.Close()
	for time, expected := range map[int64]int64{Base.UnixMilli() + 3: 3, sarama.OffsetOldest: 0, sarama.OffsetNewest: 5} {
		got, err := client.GetOffset(topic, 0, time)
		Must(err)
		Same(got, expected)
	}
}

func deleteRecords() {
	topic := Name("delete")
	send(topic, messages(Values(topic, 10)))
	one := admin()
	defer one.Close()
	Must(one.DeleteRecords(topic, map[int32]int64{0: 4}))
	got := read(topic, 6)
	Same([]int64{got[0].Offset, got[5].Offset}, []int64{4, 9})
}

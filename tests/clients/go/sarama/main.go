// sarama: sends the versions of the Kafka release it is told, so very old ones appear even from new builds.
// Usage: sarama BOOTSTRAP RELEASE
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/IBM/sarama"
)

var (
	bootstrap = os.Args[1:2]
	run       = fmt.Sprintf("sarama-%s-%d", os.Args[2], os.Getpid())
)

func main() {
	for _, step := range []struct {
		name string
		do   func()
	}{{"every_codec", everyCodec}, {"group_resumes", groupResumes}, {"administration", administration}} {
		began := time.Now()
		step.do()
		fmt.Printf("  ok %s (%.1f s)\n", step.name, time.Since(began).Seconds())
	}
}

func config() *sarama.Config {
	version, err := sarama.ParseKafkaVersion(os.Args[2])
	must(err)
	one := sarama.NewConfig()
	one.Version = version
	one.Producer.Return.Successes = true
	one.Producer.RequiredAcks = sarama.WaitForAll
	one.Consumer.Offsets.Initial = sarama.OffsetOldest
	one.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	return one
}

func values(stem string, count int) (all [][]byte) {
	for i := range count {
		all = append(all, bytes.Repeat(fmt.Appendf(nil, "%s %d ", stem, i), 10))
	}
	return all
}

func send(topic string, sent [][]byte, codec sarama.CompressionCodec) {
	settings := config()
	settings.Producer.Compression = codec
	producer, err := sarama.NewSyncProducer(bootstrap, settings)
	must(err)
	var messages []*sarama.ProducerMessage
	for _, value := range sent {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder("k"), Value: sarama.ByteEncoder(value)})
	}
	must(producer.SendMessages(messages))
	must(producer.Close())
}

func everyCodec() {
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy}
	if config().Version.IsAtLeast(sarama.V0_10_0_0) {
		codecs = append(codecs, sarama.CompressionLZ4)
	}
	if config().Version.IsAtLeast(sarama.V2_1_0_0) {
		codecs = append(codecs, sarama.CompressionZSTD)
	}
	for _, codec := range codecs {
		topic := run + "-" + codec.String()
		sent := values(topic, 100)
		send(topic, sent, codec)
		consumer, err := sarama.NewConsumer(bootstrap, config())
		must(err)
		partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
		must(err)
		for i := range 100 {
			select {
			case message := <-partition.Messages():
				check(bytes.Equal(message.Value, sent[i]) && message.Offset == int64(i), "record", i, "of", topic)
			case <-time.After(30 * time.Second):
				log.Panic("no record ", i, " of ", topic)
			}
		}
		must(partition.Close())
		must(consumer.Close())
	}
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

func groupResumes() {
	if !config().Version.IsAtLeast(sarama.V0_10_2_0) {
		return // sarama's groups need 0.10.2
	}
	topic := run + "-group"
	send(topic, values("group", 10), sarama.CompressionNone)
	var got [][]byte
	for _, count := range []int{4, 6} {
		group, err := sarama.NewConsumerGroup(bootstrap, topic, config())
		must(err)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		one := &member{left: count, stop: cancel}
		for ctx.Err() == nil {
			must(group.Consume(ctx, []string{topic}, one))
		}
		must(group.Close())
		got = append(got, one.got...)
	}
	check(fmt.Sprint(got) == fmt.Sprint(values("group", 10)), "records", len(got))
}

func administration() {
	if !config().Version.IsAtLeast(sarama.V1_0_0_0) {
		return
	}
	admin, err := sarama.NewClusterAdmin(bootstrap, config())
	must(err)
	topic := run + "-admin"
	must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false))
	must(admin.CreatePartitions(topic, 3, nil, false))
	described, err := admin.DescribeTopics([]string{topic})
	must(err)
	check(len(described[0].Partitions) == 3, "partitions", len(described[0].Partitions))
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	must(err)
	check(len(entries) > 5, "configs", len(entries))
	groups, err := admin.ListConsumerGroups()
	must(err)
	check(groups[run+"-group"] == "consumer", "groups", groups)
	must(admin.DeleteConsumerGroup(run + "-group"))
	must(admin.DeleteTopic(topic))
	must(admin.Close())
}

func must(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func check(ok bool, what ...any) {
	if !ok {
		log.Panic(what...)
	}
}

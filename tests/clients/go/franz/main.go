// franz-go: pins every request's version by ApiVersions, cooperative groups, idempotent by default.
// Usage: franz BOOTSTRAP
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap = os.Args[1]
	run       = fmt.Sprintf("franz-%d", os.Getpid())
)

func main() {
	for _, step := range []struct {
		name string
		do   func(context.Context)
	}{
		{"every_codec", everyCodec},
		{"nulls_and_large_values", nullsAndLargeValues},
		{"group_resumes_and_rebalances", groupResumesAndRebalances},
		{"administration", administration},
	} {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		step.do(ctx)
		cancel()
		fmt.Printf("  ok %s (%.1f s)\n", step.name, time.Since(began).Seconds())
	}
}

func client(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(bootstrap), kgo.AllowAutoTopicCreation(), kgo.ProducerBatchMaxBytes(1_000_000))
	one, err := kgo.NewClient(options...)
	must(err)
	return one
}

func send(ctx context.Context, topic string, records []*kgo.Record, options ...kgo.Opt) {
	one := client(append(options, kgo.DefaultProduceTopic(topic))...)
	defer one.Close()
	must(one.ProduceSync(ctx, records...).FirstErr())
}

func read(ctx context.Context, one *kgo.Client, count int) (records []*kgo.Record) {
	for len(records) < count {
		fetches := one.PollRecords(ctx, count-len(records))
		must(ctx.Err())
		for _, failed := range fetches.Errors() {
			must(failed.Err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func values(stem string, count int) (records []*kgo.Record) {
	for i := range count {
		value := bytes.Repeat(fmt.Appendf(nil, "%s %d ", stem, i), 10)
		headers := []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}}
		records = append(records, &kgo.Record{Key: []byte("k"), Value: value, Headers: headers})
	}
	return records
}

func everyCodec(ctx context.Context) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		topic := run + "-" + name
		sent := values(name, 100)
		send(ctx, topic, sent, kgo.ProducerBatchCompression(codec))
		reader := client(kgo.ConsumeTopics(topic))
		got := read(ctx, reader, 100)
		reader.Close()
		for i, record := range got {
			check(bytes.Equal(record.Value, sent[i].Value) && bytes.Equal(record.Key, sent[i].Key), "record", i, "of", topic)
			check(len(record.Headers) == 2 && record.Headers[1].Value == nil, "headers of record", i, "of", topic)
			check(record.Offset == int64(i), "offset of record", i, "of", topic)
		}
	}
}

func nullsAndLargeValues(ctx context.Context) {
	topic := run + "-sizes"
	sent := []*kgo.Record{{Key: nil, Value: []byte{}}, {Key: []byte{}, Value: nil}, {Key: []byte("k"), Value: make([]byte, 900_000)}}
	for _, record := range sent {
		send(ctx, topic, []*kgo.Record{record}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	reader := client(kgo.ConsumeTopics(topic))
	defer reader.Close()
	for i, record := range read(ctx, reader, 3) {
		check((record.Key == nil) == (sent[i].Key == nil) && (record.Value == nil) == (sent[i].Value == nil), "null or empty in record", i)
		check(len(record.Value) == len(sent[i].Value), "size of record", i)
	}
}

func groupResumesAndRebalances(ctx context.Context) {
	topic, group := run+"-group", run+"-group"
	admin := kadm.NewClient(client())
	defer admin.Close()
	_, err := admin.CreateTopic(ctx, 2, 1, nil, topic)
	must(err)
	send(ctx, topic, values("group", 10), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	member := func() *kgo.Client {
		return client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(500*time.Millisecond))
	}
	first := member()
	seen := read(ctx, first, 4)
	must(first.CommitRecords(ctx, seen...))
	first.Close()
	second := member()
	defer second.Close()
	seen = append(seen, read(ctx, second, 6)...)
	must(second.CommitRecords(ctx, seen...))
	check(len(seen) == 10, "records in all", len(seen))

	third := member()
	defer third.Close()
	go func() {
		for ctx.Err() == nil && !third.PollFetches(ctx).IsClientClosed() {
		}
	}()
	go func() {
		for ctx.Err() == nil && !second.PollFetches(ctx).IsClientClosed() {
		}
	}()
	for {
		described, err := admin.DescribeGroups(ctx, group)
		must(err)
		owned := 0
		for _, one := range described[group].Members {
			if assigned, ok := one.Assigned.AsConsumer(); ok && len(assigned.Topics) == 1 && len(assigned.Topics[0].Partitions) == 1 {
				owned++
			}
		}
		if owned == 2 {
			return
		}
		must(ctx.Err())
		time.Sleep(50 * time.Millisecond)
	}
}

func administration(ctx context.Context) {
	admin := kadm.NewClient(client())
	defer admin.Close()
	topic := run + "-admin"
	retention := "1000000"
	_, err := admin.CreateTopic(ctx, 1, 1, map[string]*string{"retention.ms": &retention}, topic)
	must(err)
	_, err = admin.CreateTopic(ctx, 1, 1, nil, topic)
	check(err == kerr.TopicAlreadyExists, "creating twice", err)
	_, err = admin.CreatePartitions(ctx, 2, topic)
	must(err)
	details, err := admin.ListTopics(ctx, topic)
	must(err)
	check(len(details[topic].Partitions) == 3, "partitions", details)
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	must(err)
	for _, config := range configs[0].Configs {
		check(config.Key != "retention.ms" || *config.Value == retention, "retention.ms", config)
	}
	send(ctx, topic, values("admin", 1), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	ends, err := admin.ListEndOffsets(ctx, topic)
	must(err)
	total := int64(0)
	ends.Each(func(one kadm.ListedOffset) { total += one.Offset })
	check(total == 1, "end offsets", total)
	_, err = admin.DeleteTopics(ctx, topic)
	must(err)
	metadata, err := admin.BrokerMetadata(ctx)
	must(err)
	check(len(metadata.Brokers) == 1 && metadata.Cluster != "", "brokers", metadata)
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

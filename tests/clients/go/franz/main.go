// franz-go: pins every request's version by ApiVersions, cooperative groups, idempotent by default.
// Usage: franz BOOTSTRAP
package main

import (
	"bytes"
	"context"
	"time"

	. "check/scenario"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var ctx = context.Background()

func main() {
	var stop context.CancelFunc
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	Run("franz-go "+Version("github.com/twmb/franz-go")+" with kadm "+Version("github.com/twmb/franz-go/pkg/kadm"), []Step{
		Plain("topics", topics),
		Plain("codecs", codecs),
		Plain("keys", keys),
		Plain("headers", headers),
		Plain("nulls", nulls),
		Plain("large", large),
		Plain("resume", func() { resumes(Name("resume")) }),
		Plain("rebalance", func() {
			rebalances(Name("cooperative"))
			rebalances(Name("eager"), kgo.Balancers(kgo.RangeBalancer()))
		}),
		Plain("consumer_protocol", func() {
			resumes(Name("848-resume"), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
			rebalances(Name("848-rebalance"), kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
			one := admin()
			defer one.Close()
			groups, err := one.ListGroupsByType(ctx, []string{"consumer"})
			Must(err)
			Check(groups.Groups() != nil && groups[Name("848-resume")].Group != "" && groups[Name("848-rebalance")].Group != "", "types", groups)
		}),
		Plain("admin", administration),
		Plain("idempotence", idempotence),
		Plain("transactions", transactions),
		Plain("transactional_offsets", transactionalOffsets),
		Plain("times", times),
		Plain("delete_records", deleteRecords),
	}, nil)
}

func client(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(Bootstrap), kgo.AllowAutoTopicCreation(), kgo.ProducerBatchMaxBytes(1_000_000))
	one, err := kgo.NewClient(options...)
	Must(err)
	return one
}

func admin() *kadm.Client { return kadm.NewClient(client()) }

func create(topic string, partitions int32) {
	one := admin()
	defer one.Close()
	_, err := one.CreateTopic(ctx, partitions, 1, nil, topic)
	Must(err)
}

func send(topic string, records []*kgo.Record, options ...kgo.Opt) {
	one := client(append(options, kgo.DefaultProduceTopic(topic))...)
	defer one.Close()
	Must(one.ProduceSync(ctx, records...).FirstErr())
}

func read(one *kgo.Client, count int) (records []*kgo.Record) {
	for len(records) < count {
		fetches := one.PollRecords(ctx, count-len(records))
		Must(ctx.Err())
		for _, failed := range fetches.Errors() {
			Must(failed.Err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func readTopic(topic string, count int, options ...kgo.Opt) []*kgo.Record {
	one := client(append(options, kgo.ConsumeTopics(topic))...)
	defer one.Close()
	return read(one, count)
}

func records(values [][]byte) (all []*kgo.Record) {
	for _, value := range values {
		all = append(all, &kgo.Record{Value: value})
	}
	return all
}

func valuesOf(records []*kgo.Record) (all [][]byte) {
	for _, record := range records {
		all = append(all, record.Value)
	}
	return all
}

func topics() {
	topic := Name("topics")
	create(topic, 3)
	one := admin()
	defer one.Close()
	_, err := one.CreateTopic(ctx, 1, 1, nil, topic)
	Check(err == kerr.TopicAlreadyExists, "creating twice", err)
	listed, err := one.ListTopics(ctx, topic)
	Must(err)
	Same(len(listed[topic].Partitions), 3)
	_, err = one.DeleteTopics(ctx, topic)
	Must(err)
	Eventually(func() bool {
		listed, err := one.ListTopics(ctx)
		Must(err)
		return !listed.Has(topic)
	})
}

func codecs() {
	all := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for i, codec := range all {
		topic := Name(Codecs[i])
		send(topic, records(Values(topic, 100)), kgo.ProducerBatchCompression(codec))
		got := readTopic(topic, 100)
		Same(valuesOf(got), Values(topic, 100))
		Same(got[99].Offset, 99)
	}
}

func keys() {
	topic := Name("keys")
	sent := []*kgo.Record{{Key: []byte("k")}, {Key: []byte{}}, {Key: nil}}
	send(topic, sent)
	for i, got := range readTopic(topic, 3) {
		Check(bytes.Equal(got.Key, sent[i].Key) && (got.Key == nil) == (sent[i].Key == nil), "key", i, got.Key)
	}
}

func headers() {
	topic := Name("headers")
	some := []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}, {Key: "empty", Value: []byte{}}}
	send(topic, []*kgo.Record{{Headers: some}, {}})
	got := readTopic(topic, 2)
	Same(got[0].Headers, some)
	Check(got[0].Headers[1].Value == nil && got[0].Headers[2].Value != nil, "null and empty", got[0].Headers)
	Same(len(got[1].Headers), 0)
}

func nulls() {
	topic := Name("nulls")
	var sent []*kgo.Record
	for _, pair := range Odd {
		sent = append(sent, &kgo.Record{Key: pair[0], Value: pair[1]})
	}
	send(topic, sent)
	for i, got := range readTopic(topic, len(sent)) {
		Same([2][]byte{got.Key, got.Value}, Odd[i])
		Check((got.Key == nil) == (Odd[i][0] == nil) && (got.Value == nil) == (Odd[i][1] == nil), "null or empty", i)
	}
}

func large() {
	topic := Name("large")
	send(topic, records([][]byte{Large}), kgo.ProducerBatchCompression(kgo.NoCompression()))
	Check(bytes.Equal(readTopic(topic, 1)[0].Value, Large), "the large value")
}

func member(group string, options ...kgo.Opt) *kgo.Client {
	return client(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(group), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(500*time.Millisecond))...)
}

func resumes(topic string, options ...kgo.Opt) {
	create(topic, 1)
	send(topic, records(Values("resume", 10)))
	first := member(topic, options...)
	seen := read(first, 4)
	Must(first.CommitRecords(ctx, seen...))
	first.Close()
	second := member(topic, options...)
	defer second.Close()
	seen = append(seen, read(second, 6)...)
	Must(second.CommitRecords(ctx, seen...))
	Same(valuesOf(seen), Values("resume", 10))
}

func rebalances(topic string, options ...kgo.Opt) {
	create(topic, 2)
	one, two := member(topic, options...), member(topic, options...)
	defer one.Close()
	for _, each := range []*kgo.Client{one, two} {
		go func() {
			for ctx.Err() == nil && !each.PollFetches(ctx).IsClientClosed() {
			}
		}()
	}
	Eventually(func() bool { return assigned(topic) == [2]int{1, 1} })
	two.Close()
	Eventually(func() bool { return assigned(topic) == [2]int{2, 0} })
}

// assigned gives how many partitions the members of a group of either type have, the most first.
func assigned(group string) (counts [2]int) {
	one := admin()
	defer one.Close()
	var all []int
	if described, err := one.DescribeConsumerGroups(ctx, group); err == nil && described[group].Err == nil && described[group].State != "Dead" {
		for _, each := range described[group].Members {
			count := 0
			for _, partitions := range each.Assignment {
				count += len(partitions)
			}
			all = append(all, count)
		}
	} else {
		described, err := one.DescribeGroups(ctx, group)
		Must(err)
		for _, each := range described[group].Members {
			if assigned, ok := each.Assigned.AsConsumer(); ok && len(assigned.Topics) == 1 {
				all = append(all, len(assigned.Topics[0].Partitions))
			}
		}
	}
	copy(counts[:], all)
	if counts[0] < counts[1] {
		counts[0], counts[1] = counts[1], counts[0]
	}
	return counts
}

func administration() {
	topic := Name("admin")
	one := admin()
	defer one.Close()
	first, second := "1000000", "2000000"
	_, err := one.CreateTopic(ctx, 1, 1, map[string]*string{"retention.ms": &first}, topic)
	Must(err)
	_, err = one.CreatePartitions(ctx, 2, topic)
	Must(err)
	Eventually(func() bool {
		details, err := one.ListTopics(ctx, topic)
		Must(err)
		return len(details[topic].Partitions) == 3
	})
	retention := func() string {
		configs, err := one.DescribeTopicConfigs(ctx, topic)
		Must(err)
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" {
				return *config.Value
			}
		}
		return ""
	}
	Same(retention(), first)
	answers, err := one.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &second}}, topic)
	Must(err)
	Must(answers[0].Err)
	Eventually(func() bool { return retention() == second })
	Must(one.CommitAllOffsets(ctx, topic, kadm.OffsetsFromRecords(kgo.Record{Topic: topic, Offset: 0})))
	groups, err := one.ListGroups(ctx)
	Must(err)
	Check(groups[topic].State == "Empty", "groups", groups[topic])
	fetched, err := one.FetchOffsets(ctx, topic)
	Must(err)
	committed, found := fetched.Lookup(topic, 0)
	Check(found && committed.At == 1, "committed", committed)
	// OffsetsFromRecords commits what follows the record.
	_, err = one.DeleteGroup(ctx, topic)
	Must(err)
	groups, err = one.ListGroups(ctx)
	Must(err)
	Check(groups[topic].Group == "", "groups", groups[topic])
	_, err = one.DeleteTopics(ctx, topic)
	Must(err)
	metadata, err := one.BrokerMetadata(ctx)
	Must(err)
	Check(len(metadata.Brokers) == 1 && metadata.Cluster != "", "brokers", metadata)
}

func idempotence() {
	topic := Name("idempotence")
	send(topic, records(Values(topic, 100)), kgo.MaxBufferedRecords(10))
	got := readTopic(topic, 100)
	Same(valuesOf(got), Values(topic, 100))
	Check(got[0].ProducerID >= 0, "producer id", got[0].ProducerID)
}

func transactional(stem string) *kgo.Client { return client(kgo.TransactionalID(Name(stem))) }

func transactions() {
	topic := Name("transactions")
	producer := transactional("transactions")
	defer producer.Close()
	var committed, everything [][]byte
	for i, value := range []string{"a", "b", "c"} {
		Must(producer.BeginTransaction())
		for range 3 {
			Must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr())
			everything = append(everything, []byte(value))
			if i != 1 {
				committed = append(committed, []byte(value))
			}
		}
		Must(producer.EndTransaction(ctx, kgo.TransactionEndTry(i != 1)))
	}
	Same(valuesOf(readTopic(topic, 6, kgo.FetchIsolationLevel(kgo.ReadCommitted()))), committed)
	Same(valuesOf(readTopic(topic, 9, kgo.FetchIsolationLevel(kgo.ReadUncommitted()))), everything)
}

func transactionalOffsets() {
	topic := Name("offsets")
	create(topic, 1)
	send(topic, records(Values(topic, 5)))
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(Bootstrap), kgo.AllowAutoTopicCreation(), kgo.TransactionalID(topic),
		kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	Must(err)
	defer session.Close()
	one := admin()
	defer one.Close()
	// Aborted, the session goes back to what is committed and reads the records again.
	for _, round := range []struct {
		end  kgo.TransactionEndTry
		then int64
	}{{kgo.TryAbort, -1}, {kgo.TryCommit, 5}} {
		Must(session.Begin())
		for got := 0; got < 5; {
			fetches := session.PollFetches(ctx)
			Must(ctx.Err())
			got += fetches.NumRecords()
		}
		Must(session.ProduceSync(ctx, &kgo.Record{Topic: topic + "-out", Value: []byte("v")}).FirstErr())
		committed, err := session.End(ctx, round.end)
		Must(err)
		Same(committed, bool(round.end))
		// EndTxn is answered before the group has its markers.
		Eventually(func() bool {
			fetched, err := one.FetchOffsets(ctx, topic)
			Must(err)
			found, ok := fetched.Lookup(topic, 0)
			return ok && found.At == round.then || !ok && round.then == -1
		})
	}
}

func times() {
	topic := Name("times")
	var sent []*kgo.Record
	for i := range 5 {
		sent = append(sent, &kgo.Record{Timestamp: Base.Add(time.Duration(i) * time.Millisecond)})
	}
	send(topic, sent)
	one := admin()
	defer one.Close()
	after, err := one.ListOffsetsAfterMilli(ctx, Base.UnixMilli()+3, topic)
	Must(err)
	first, err := one.ListStartOffsets(ctx, topic)
	Must(err)
	last, err := one.ListEndOffsets(ctx, topic)
	Must(err)
	latest, err := one.ListMaxTimestampOffsets(ctx, topic)
	Must(err)
	Same([]int64{after[topic][0].Offset, first[topic][0].Offset, last[topic][0].Offset, latest[topic][0].Offset}, []int64{3, 0, 5, 4})
}

func deleteRecords() {
	topic := Name("delete")
	send(topic, records(Values(topic, 10)))
	one := admin()
	defer one.Close()
	var to kadm.Offsets
	to.AddOffset(topic, 0, 4, -1)
	deleted, err := one.DeleteRecords(ctx, to)
	Must(err)
	Same(deleted[topic][0].LowWatermark, 4)
	got := readTopic(topic, 6)
	Same([]int64{got[0].Offset, got[5].Offset}, []int64{4, 9})
}

//! Runs the scripts in `scripts/`: commands in, answers, records and states out.
//!
//! `UPDATE_GOLDENFILES=1 cargo test` writes down what comes out now. Times are seconds. A member id is
//! written `client.n`, the nth id that was made. Answers begin with their ticket, the nth request that may
//! be parked, and come under the command that caused them; `+` is a record, `=` a group at a block's end.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Block, Command, Context};
use protocol::ErrorCode;
use protocol::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition};
use protocol::types::{Epoch, Offset, PartitionIndex};

use super::harness::{EPOCH, Harness};
use super::records::{ConsumerPart, GroupRecord, Partitions};
use super::requests::*;
use super::topics::Topics;
use super::{Answer, Assignor, GroupConfig, MigrationPolicy, Step, Ticket};

/// What `new_member_id` makes of a small number, up to its last two digits.
const UUID: &str = "-00000000-0000-4000-8000-0000000000";

struct Scripts {
    harness: Harness,
    /// Records that have been shown.
    shown: usize,
}

#[test]
fn scripts_say_what_they_said() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/coordinator/group/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let mut scripts = Scripts { harness: Harness::new(GroupConfig::default()), shown: 0 };
        goldenscript::run(&mut scripts, path).unwrap();
    }
}

fn long(text: &str) -> String {
    let expand = |(client, n): (&str, &str)| format!("{client}{UUID}{:02x}", n.parse::<u8>().unwrap());
    text.split_once('.').map_or_else(|| text.to_owned(), expand)
}

fn short(text: &str) -> String {
    let Some((before, after)) = text.split_once(UUID) else { return text.to_owned() };
    let (n, after) = after.split_at(2);
    format!("{before}.{}{}", u8::from_str_radix(n, 16).unwrap(), short(after))
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

/// A consumer's subscription to `topics`, owning some partitions of them.
fn subscription(topics: &str, owned: &str) -> Bytes {
    let topics = topics.split('/').map(Cow::Borrowed).collect();
    let owned = owned.split('/').filter_map(|one| one.split_once('-'));
    let owned_partitions = owned
        .map(|(topic, partition)| TopicPartition {
            topic: Cow::Borrowed(topic),
            partitions: vec![partition.parse().unwrap()],
        })
        .collect();
    let subscription =
        ConsumerProtocolSubscription { topics, owned_partitions, ..ConsumerProtocolSubscription::default() };
    protocol::consumer::encode(&subscription, protocol::consumer::VERSION_MAX).unwrap()
}

/// A consumer's assignment if it looks like one (`t-0/t-1`), else the text itself.
fn assignment(given: &str) -> Bytes {
    let split = |one: &str| {
        let (topic, partition) = one.split_once('-')?;
        let partitions = vec![partition.parse().ok()?];
        Some(TopicPartition { topic: Cow::Owned(topic.to_owned()), partitions })
    };
    let Some(assigned_partitions) = given.split('/').map(split).collect() else {
        return Bytes::copy_from_slice(given.as_bytes());
    };
    let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
    protocol::consumer::encode(&assignment, 0).unwrap()
}

fn show_assignment(bytes: &[u8]) -> String {
    let Ok((_, read)) = protocol::consumer::decode::<ConsumerProtocolAssignment<'_>>(bytes) else {
        return shown(bytes);
    };
    let each = read.assigned_partitions.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| format!("{}-{partition}", topic.topic))
    });
    each.collect::<Vec<_>>().join("/")
}

fn seconds(args: &mut ArgumentConsumer<'_>, key: &str, otherwise: i32) -> Result<i32, Box<dyn Error>> {
    Ok(args.take_key(key).map(str::parse::<i32>).transpose()?.map_or(otherwise, |seconds| seconds * 1000))
}

fn topics(args: &mut ArgumentConsumer<'_>) -> Vec<FetchTopic> {
    let mut topics = Vec::new();
    while let Some(topic) = args.next_pos() {
        let (topic, partition) = topic.split_once('-').unwrap();
        let partitions = vec![PartitionIndex(partition.parse().unwrap())];
        topics.push(FetchTopic { topic: topic.to_owned(), partitions });
    }
    topics
}

impl Scripts {
    fn join(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let client = args.take_key("client").unwrap_or("c");
        let metadata = args.take_key("metadata").unwrap_or("m").to_owned().into();
        let owned = args.take_key("owned").unwrap_or_default();
        let metadata = args.take_key("topics").map_or(metadata, |topics| subscription(topics, owned));
        let names = args.take_key("protocols").unwrap_or("range").split('/').filter(|name| !name.is_empty());
        let protocols = names.map(|name| JoinProtocol { name: name.to_owned(), metadata: metadata.clone() });
        let request = JoinRequest {
            api_version: args.take_key("version").unwrap_or("9").parse()?,
            group_id: args.take_key("group").unwrap_or("g").to_owned(),
            member_id: long(args.take_key("member").unwrap_or_default()),
            group_instance_id: args.take_key("instance").map(str::to_owned),
            client_id: client.to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: seconds(args, "session", 10_000)?,
            rebalance_timeout_ms: seconds(args, "rebalance", 60_000)?,
            protocol_type: args.take_key("type").unwrap_or("consumer").to_owned(),
            protocols: protocols.collect(),
            reason: None,
        };
        let (ticket, step) = self.harness.join(&request);
        Ok(format!("{}: parked?\n", ticket.0) + &self.finish(&request.group_id, step).0)
    }

    fn sync(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let mut request = SyncRequest {
            api_version: args.take_key("version").unwrap_or("4").parse()?,
            group_id: args.take_key("group").unwrap_or("g").to_owned(),
            member_id: long(args.take_key("member").unwrap_or_default()),
            generation: args.take_key("generation").unwrap_or("1").parse()?,
            group_instance_id: args.take_key("instance").map(str::to_owned),
            protocol_type: args.take_key("type").map(str::to_owned),
            protocol_name: args.take_key("protocol").map(str::to_owned),
            assignments: Vec::new(),
        };
        // What is left is member=assignment.
        while let Some((member, assignment)) = args.next_key() {
            request.assignments.push((long(member), self::assignment(assignment)));
        }
        let (ticket, now) = (self.harness.ticket(), self.harness.now());
        let step = self.harness.shard.sync(&request, ticket, now);
        Ok(format!("{}: parked?\n", ticket.0) + &self.finish(&request.group_id, step).0)
    }

    fn heartbeat(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let request = HeartbeatRequest {
            group_id: args.take_key("group").unwrap_or("g").to_owned(),
            member_id: long(args.take_key("member").unwrap_or_default()),
            generation: args.take_key("generation").unwrap_or("1").parse()?,
            group_instance_id: args.take_key("instance").map(str::to_owned),
        };
        let now = self.harness.now();
        Ok(self.harness.shard.heartbeat(&request, now).name().to_owned())
    }

    fn leave(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let group_id = args.take_key("group").unwrap_or("g").to_owned();
        let mut members = Vec::new();
        while let Some((key, value)) = args.next_key() {
            members.push(match key {
                "member" => LeavingMember { member_id: long(value), ..LeavingMember::default() },
                // instance=name/member, the member id being optional
                "instance" => {
                    let (name, id) = value.split_once('/').unwrap_or((value, ""));
                    LeavingMember {
                        member_id: long(id),
                        group_instance_id: Some(name.to_owned()),
                        reason: None,
                    }
                }
                _ => return Err(format!("unknown argument {key}").into()),
            });
        }
        let now = self.harness.now();
        let (response, step) =
            self.harness.shard.leave(&LeaveRequest { group_id: group_id.clone(), members }, now);
        let each = response.members.iter().map(|left| left.error.name());
        let answer = format!("{} {:?}\n", response.error.name(), each.collect::<Vec<_>>());
        Ok(answer + &self.finish(&group_id, step).0)
    }

    fn commit(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let mut request = CommitRequest {
            api_version: args.take_key("version").unwrap_or("9").parse()?,
            group_id: args.take_key("group").unwrap_or("g").to_owned(),
            member_id: long(args.take_key("member").unwrap_or_default()),
            generation: args.take_key("generation").unwrap_or("-1").parse()?,
            group_instance_id: args.take_key("instance").map(str::to_owned),
            retention_ms: seconds(args, "retention", -1)?.into(),
            transactional: false,
            topics: Vec::new(),
        };
        let note = args.take_key("note").map(str::to_owned);
        let note_of = args.take_key("note_of").map(|count| "x".repeat(count.parse().unwrap()));
        while let Some((partition, offset)) = args.next_key() {
            let (topic, partition) = partition.split_once('-').unwrap();
            let partition = CommitPartition {
                partition: PartitionIndex(partition.parse()?),
                offset: Offset(offset.parse()?),
                leader_epoch: Epoch(0),
                metadata: note.clone().or_else(|| note_of.clone()),
                committed_at: None,
            };
            request.topics.push(CommitTopic { topic: topic.to_owned(), partitions: vec![partition] });
        }
        let now = self.harness.now();
        let (mut response, step) = self.harness.shard.commit(&request, now);
        let (mut out, appended) = self.finish(&request.group_id, step);
        if !appended {
            response = request.refused(ErrorCode::CoordinatorNotAvailable);
        }
        for topic in response.topics {
            for (partition, error) in topic.partitions {
                writeln!(out, "{}-{partition}: {}", topic.topic, error.name())?;
            }
        }
        Ok(out)
    }

    fn fetch(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let group_id = args.take_key("group").unwrap_or("g").to_owned();
        let topics = Some(topics(args)).filter(|topics| !topics.is_empty());
        let request =
            FetchOffsetsRequest { group_id, topics, require_stable: true, ..FetchOffsetsRequest::default() };
        let response = self.harness.shard.fetch(&request);
        let mut out = String::new();
        for topic in response.topics {
            for offset in topic.partitions {
                let FetchedOffset { partition, offset, leader_epoch, metadata, error } = offset;
                let note = if metadata.len() > 20 { format!("{} bytes", metadata.len()) } else { metadata };
                let error = error.name();
                writeln!(out, "{}-{partition}: {offset} epoch={leader_epoch} {note:?} {error}", topic.topic)?;
            }
        }
        Ok(out)
    }

    fn delete_offsets(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let group_id = args.take_key("group").unwrap_or("g").to_owned();
        let request = DeleteOffsetsRequest { group_id: group_id.clone(), topics: topics(args) };
        let (response, step) = self.harness.shard.delete_offsets(&request);
        let mut out = format!("{}\n", response.error.name());
        for topic in response.topics {
            for (partition, error) in topic.partitions {
                writeln!(out, "{}-{partition}: {}", topic.topic, error.name())?;
            }
        }
        Ok(out + &self.finish(&group_id, step).0)
    }

    fn describe(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let group = self.harness.shard.describe(args.take_key("group").unwrap_or("g"));
        let version = args.take_key("version").unwrap_or("6").parse()?;
        let (error, message) = group.error_in(version);
        let mut out = format!(
            "{} {} type={:?} protocol={:?} {}\n",
            error.name(),
            group.state,
            group.protocol_type,
            group.protocol,
            message.unwrap_or_default(),
        );
        for member in group.members {
            let (metadata, assignment) = (shown(&member.metadata), show_assignment(&member.assignment));
            let DescribedMember { member_id, group_instance_id, client_id, client_host, .. } = &member;
            writeln!(
                out,
                "{} {group_instance_id:?} {client_id}{client_host} metadata={metadata} assignment={assignment}",
                short(member_id),
            )?;
        }
        Ok(out)
    }

    fn list(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let filter = |given: Option<&str>| given.map(|names| names.split('/').map(str::to_owned).collect());
        let states = filter(args.take_key("states")).unwrap_or_default();
        let types = filter(args.take_key("types")).unwrap_or_default();
        let mut out = String::new();
        for group in self.harness.shard.list(&ListRequest { states, types }) {
            writeln!(
                out,
                "{} {} {:?} {}",
                group.group_id, group.state, group.protocol_type, group.group_type
            )?;
        }
        Ok(out)
    }

    fn delete(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let group_id = args.take_key("group").unwrap_or("g");
        let (error, step) = self.harness.shard.delete(group_id);
        Ok(format!("{}\n", error.name()) + &self.finish(group_id, step).0)
    }

    /// A member of a consumer group; what is not given has not changed.
    fn consumer(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let text = |text: &str| text.to_owned();
        let epoch = match args.take_key("epoch") {
            None => JOINING,
            Some("leave") => LEAVING,
            Some("away") => LEAVING_STATIC,
            Some(epoch) => epoch.parse()?,
        };
        let joins = epoch == JOINING;
        let list =
            |given: &str| given.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut owned = args.take_key("owned").map(|given| self.partitions(given));
        let mut timeout = args.take_key("rebalance").map(|seconds| seconds.parse::<i32>().unwrap() * 1000);
        if joins {
            owned = owned.or_else(|| Some(Partitions::new()));
            timeout = timeout.or(Some(60_000));
        }
        let request = ConsumerHeartbeatRequest {
            api_version: args.take_key("version").unwrap_or("1").parse()?,
            group_id: args.take_key("group").unwrap_or("g").to_owned(),
            member_id: args.take_key("member").unwrap_or_default().to_owned(),
            member_epoch: epoch,
            instance_id: args.take_key("instance").map(text),
            rack_id: args.take_key("rack").map(text),
            rebalance_timeout_ms: timeout,
            topics: args.take_key("topics").map(list),
            regex: args.take_key("regex").map(text),
            assignor: args.take_key("assignor").map(text),
            owned,
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
        };
        let now = self.harness.now();
        let random = u128::from(self.shown as u64);
        let (answer, step) = self.harness.shard.consumer_heartbeat(&request, random, now);
        let (mut out, appended) = self.finish(&request.group_id, step);
        match answer {
            Ok(_) if !appended => writeln!(out, "COORDINATOR_NOT_AVAILABLE")?,
            Ok(answer) => {
                write!(out, "{} epoch={}", answer.member_id, answer.member_epoch)?;
                if let Some(assignment) = answer.assignment {
                    write!(out, " [{}]", self.show_partitions(&assignment))?;
                }
                writeln!(out)?;
            }
            Err(refusal) => writeln!(out, "{}: {}", refusal.error.name(), refusal.message)?,
        }
        Ok(out)
    }

    fn partitions(&self, given: &str) -> Partitions {
        let topics = self.harness.topics.image();
        let mut partitions = Partitions::new();
        for one in given.split('/').filter(|one| !one.is_empty()) {
            let (topic, partition) = one.rsplit_once('-').unwrap();
            let id = topics.get(topic).unwrap().id;
            partitions.entry(id).or_default().insert(partition.parse().unwrap());
        }
        partitions
    }

    fn show_partitions(&self, partitions: &Partitions) -> String {
        let topics = self.harness.topics.image();
        let name = |id| topics.name(id).map_or_else(|| "deleted".to_owned(), str::to_owned);
        let each = partitions
            .iter()
            .flat_map(|(id, set)| set.iter().map(move |partition| format!("{}-{partition}", name(*id))));
        each.collect::<Vec<_>>().join(" ")
    }

    fn show_part(&self, part: &ConsumerPart) -> String {
        match part {
            ConsumerPart::Epoch(Some(epoch)) => format!("epoch={}", epoch.epoch),
            ConsumerPart::Epoch(None) => "epoch tombstone".to_owned(),
            ConsumerPart::PartitionMetadata(_) => "partition metadata tombstone".to_owned(),
            ConsumerPart::Member(id, Some(info)) => {
                let instance = info.instance_id.as_ref().map_or_else(String::new, |name| format!("@{name}"));
                let kind = if info.classic.is_some() { " classic" } else { "" };
                let topics = info.topics.iter().cloned().collect::<Vec<_>>().join(" ");
                let regex = info.regex.as_ref().map_or_else(String::new, |regex| format!(" regex={regex}"));
                format!("member {}{instance}{kind} [{topics}]{regex}", short(id))
            }
            ConsumerPart::Member(id, None) => format!("member {} tombstone", short(id)),
            ConsumerPart::TargetEpoch(Some(epoch)) => format!("target epoch={epoch}"),
            ConsumerPart::TargetEpoch(None) => "target epoch tombstone".to_owned(),
            ConsumerPart::Target(id, Some(partitions)) => {
                format!("target {} [{}]", short(id), self.show_partitions(partitions))
            }
            ConsumerPart::Target(id, None) => format!("target {} tombstone", short(id)),
            ConsumerPart::Current(id, Some(current)) => format!(
                "current {} epoch={} before={} {:?} [{}] revoking=[{}]",
                short(id),
                current.epoch,
                current.previous_epoch,
                current.state,
                self.show_partitions(&current.assigned),
                self.show_partitions(&current.revoking),
            ),
            ConsumerPart::Current(id, None) => format!("current {} tombstone", short(id)),
            ConsumerPart::Regex(regex, Some(resolved)) => {
                let topics = resolved.topics.iter().cloned().collect::<Vec<_>>().join(" ");
                format!("regex {regex} [{topics}]")
            }
            ConsumerPart::Regex(regex, None) => format!("regex {regex} tombstone"),
        }
    }

    fn describe_consumer(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let group_id = args.take_key("group").unwrap_or("g");
        let group = match self.harness.shard.describe_consumer(group_id, self.harness.now()) {
            Ok(group) => group,
            Err(refusal) => return Ok(format!("{}: {}\n", refusal.error.name(), refusal.message)),
        };
        let DescribedConsumerGroup { state, epoch, assignment_epoch, assignor, members } = group;
        let mut out = format!("{state} epoch={epoch} assignment={assignment_epoch} {assignor}\n");
        let named = |topics: &[NamedPartitions]| {
            let each = topics.iter().map(|topic| format!("{}{:?}", topic.name, topic.partitions));
            each.collect::<Vec<_>>().join(" ")
        };
        for member in members {
            writeln!(
                out,
                "{}{} epoch={} subscribed={:?} regex={:?} has {} is to have {}",
                short(&member.member_id),
                if member.is_classic { " classic" } else { "" },
                member.epoch,
                member.topics,
                member.regex,
                named(&member.assignment),
                named(&member.target),
            )?;
        }
        Ok(out)
    }

    fn config(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Box<dyn Error>> {
        let mut config = GroupConfig::default();
        if let Some(delay) = args.take_key("delay") {
            config.initial_rebalance_delay = Duration::from_secs(delay.parse()?);
        }
        if let Some(size) = args.take_key("max_size") {
            config.max_size = size.parse()?;
        }
        if let Some(size) = args.take_key("consumer_max_size") {
            config.consumer.max_size = size.parse()?;
        }
        if let Some(protocols) = args.take_key("protocols") {
            config.consumer.enabled = protocols.split('/').any(|protocol| protocol == "consumer");
        }
        if let Some(policy) = args.take_key("migration") {
            config.consumer.migration = MigrationPolicy::named(policy);
        }
        if let Some(assignors) = args.take_key("assignors") {
            config.consumer.assignors = Assignor::named(assignors);
        }
        self.harness.config = config;
        self.harness.restart();
        Ok(String::new())
    }

    fn finish(&mut self, group_id: &str, step: Step) -> (String, bool) {
        let (answers, appended) = self.harness.finish(group_id, step);
        (self.outcome(answers), appended)
    }

    /// New records and answers.
    fn outcome(&mut self, answers: Vec<(Ticket, Answer)>) -> String {
        let mut out = String::new();
        for (key, value) in &self.harness.log[self.shown..] {
            let record = GroupRecord::decode(key, value.as_deref()).unwrap().unwrap();
            let shown = match &record {
                GroupRecord::Consumer { group_id, part } => format!("{group_id} {}", self.show_part(part)),
                record => show_record(record),
            };
            out.push_str(&format!("+ {shown}\n"));
        }
        self.shown = self.harness.log.len();
        for (ticket, answer) in answers {
            out.push_str(&format!("{}: {}\n", ticket.0, show_answer(&answer)));
        }
        out
    }
}

/// Any record but a consumer group's.
fn show_record(record: &GroupRecord) -> String {
    match record {
        GroupRecord::Consumer { group_id, .. } => group_id.clone(),
        GroupRecord::OffsetCommit { key, value } => {
            let name = format!("{} {}-{}", key.group_id, key.topic, key.partition);
            let Some(value) = value else { return format!("{name} tombstone") };
            let at = value.committed_at.0 - EPOCH.0;
            let expires =
                value.expires_at.map_or_else(String::new, |at| format!(" expires={}ms", at.0 - EPOCH.0));
            format!("{name} offset={} at={at}ms{expires}", value.offset)
        }
        GroupRecord::GroupMetadata { group_id, value: None } => format!("{group_id} tombstone"),
        GroupRecord::GroupMetadata { group_id, value: Some(value) } => {
            let members = value.members.iter().map(|member| {
                format!("{}={}", short(&member.member_id), show_assignment(&member.assignment))
            });
            format!(
                "{group_id} generation={} protocol={} leader={} members=[{}]",
                value.generation,
                value.protocol.as_deref().unwrap_or("-"),
                value.leader.as_deref().map_or_else(|| "-".to_owned(), short),
                members.collect::<Vec<_>>().join(" "),
            )
        }
    }
}

fn show_answer(answer: &Answer) -> String {
    match answer {
        Answer::Join(join) if !join.error.is_ok() => {
            format!("join {} member={}", join.error.name(), short(&join.member_id))
        }
        Answer::Join(join) => {
            let members = join.members.iter().map(|member| {
                let instance =
                    member.group_instance_id.as_ref().map_or_else(String::new, |name| format!("@{name}"));
                format!(
                    "{}{instance}:{}",
                    short(&member.member_id),
                    String::from_utf8_lossy(&member.metadata).escape_debug()
                )
            });
            format!(
                "joined generation={} member={} leader={} protocol={}{} members=[{}]",
                join.generation,
                short(&join.member_id),
                short(&join.leader),
                join.protocol_name.as_deref().unwrap_or("-"),
                if join.skip_assignment { " skip" } else { "" },
                members.collect::<Vec<_>>().join(" "),
            )
        }
        Answer::Sync(sync) if !sync.error.is_ok() => format!("sync {}", sync.error.name()),
        Answer::Sync(sync) => format!("synced assignment={}", show_assignment(&sync.assignment)),
    }
}

impl goldenscript::Runner for Scripts {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let args = &mut args;
        let mut out = match command.name.as_str() {
            "join" => self.join(args)?,
            "sync" => self.sync(args)?,
            "heartbeat" => self.heartbeat(args)?,
            "leave" => self.leave(args)?,
            "commit" => self.commit(args)?,
            "fetch" => self.fetch(args)?,
            "delete_offsets" => self.delete_offsets(args)?,
            "describe" => self.describe(args)?,
            "list" => self.list(args)?,
            "delete" => self.delete(args)?,
            "config" => self.config(args)?,
            "consumer" => self.consumer(args)?,
            "describe_consumer" => self.describe_consumer(args)?,
            // A topic is made, widened, or deleted: 0 partitions.
            "topic" => {
                let name = args.next_pos().unwrap_or("t").to_owned();
                self.harness.topics.set(&name, args.next_pos().unwrap_or("1").parse()?);
                String::new()
            }
            "tick" => {
                let by = Duration::from_secs(args.next_pos().unwrap_or("1").parse()?);
                let answers = self.harness.tick(by);
                self.outcome(answers)
            }
            // Time in which a member's heartbeats go on.
            "alive" => {
                let (seconds, member) =
                    (args.next_pos().unwrap_or("1"), args.take_key("member").unwrap_or("c.1"));
                let mut request =
                    HeartbeatRequest { group_id: "g".to_owned(), ..HeartbeatRequest::default() };
                (request.generation, request.member_id) = (1, long(member));
                for _ in 0..seconds.parse()? {
                    assert!(self.harness.tick(Duration::from_secs(1)).is_empty());
                    let now = self.harness.now();
                    assert!(self.harness.shard.heartbeat(&request, now).is_ok());
                }
                String::new()
            }
            "sweep" => {
                self.harness.sweep();
                self.outcome(Vec::new())
            }
            "topic_deleted" => {
                let topic = args.next_pos().unwrap_or("t");
                let mut out = String::new();
                for group_id in self.harness.shard.groups_reading(topic) {
                    let step = self.harness.shard.topic_deleted(&group_id, topic);
                    out += &self.finish(&group_id, step).0;
                }
                out
            }
            "restart" => {
                self.harness.restart();
                String::new()
            }
            "disk" => {
                self.harness.broken = args.next_pos() == Some("full");
                String::new()
            }
            unknown => return Err(format!("unknown command {unknown}").into()),
        };
        args.reject_next()?;
        // A request that was answered at once did not park.
        for line in out.clone().lines().filter(|line| line.ends_with(": parked?")) {
            let ticket = line.trim_end_matches("parked?");
            let answered = out.matches(&format!("\n{ticket}")).count() > 0;
            let instead = if answered { String::new() } else { format!("{ticket}parked\n") };
            out = out.replace(&format!("{line}\n"), &instead);
        }
        Ok(out)
    }

    fn end_block(&mut self, _: &Block) -> Result<String, Box<dyn Error>> {
        let mut out = String::new();
        for group in self.harness.shard.list(&ListRequest::default()) {
            let described = self.harness.shard.describe(&group.group_id);
            let consumers = self.harness.shard.describe_consumer(&group.group_id, self.harness.now());
            let consumers = consumers.map(|group| group.members).unwrap_or_default();
            let members = described.members.iter().map(|member| short(&member.member_id));
            let members = members.chain(consumers.iter().map(|member| short(&member.member_id)));
            let members = members.collect::<Vec<_>>().join(" ");
            let generation = self.harness.shard.generation(&group.group_id);
            writeln!(out, "= {} {} generation={generation} [{members}]", group.group_id, group.state)?;
        }
        Ok(out)
    }
}

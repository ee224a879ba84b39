//! StreamsGroupHeartbeat (88): joins a group of Kafka Streams, keeps a member in it, and takes it out
//! (KIP-1071).
//!
//! Versions 0-1, both flexible: 1 can ask for a description of the topology (KIP-1331), and knows that tags
//! are missing.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    StreamsGroupHeartbeat [0..=1, flexible 0..]: StreamsGroupHeartbeatRequest<'a> =>
        StreamsGroupHeartbeatResponse<'a>;

    /// A sign of life.
    pub struct StreamsGroupHeartbeatRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member.
        member_id: Cow<'a, str>;
        /// The member's epoch; 0 to join, -1 to leave, -2 to come back later.
        member_epoch: i32;
        /// Counts the changes of `partitions_by_user_endpoint`.
        endpoint_information_epoch: i32;
        /// The member's name for itself, if its membership is static; null if unchanged.
        instance_id: Option<Cow<'a, str>>;
        /// The member's rack; null if none or unchanged.
        rack_id: Option<Cow<'a, str>>;
        /// How long the member may take to give up tasks, in milliseconds; -1 if unchanged.
        rebalance_timeout_ms: i32 = -1;
        /// The topology, when joining; null later.
        topology: Option<Topology<'a>>;
        /// Tasks that process; null if unchanged.
        active_tasks: Option<Vec<TaskIds<'a>>>;
        /// Tasks that keep a copy of the state; null if unchanged.
        standby_tasks: Option<Vec<TaskIds<'a>>>;
        /// Tasks that are catching up; null if unchanged.
        warmup_tasks: Option<Vec<TaskIds<'a>>>;
        /// The process that the member is a part of; null if unchanged.
        process_id: Option<Cow<'a, str>>;
        /// Where the application answers queries, or null.
        user_endpoint: Option<Endpoint<'a>>;
        /// Tags, to spread copies of the state.
        client_tags: Option<Vec<KeyValue<'a>>>;
        /// How far each task has come in its changelogs.
        task_offsets: Option<Vec<TaskOffset<'a>>>;
        /// Where each task's changelogs end.
        task_end_offsets: Option<Vec<TaskOffset<'a>>>;
        /// Whether all of the application is to stop.
        shutdown_application: bool;
    }

    /// A topology.
    pub struct Topology<'a> {
        /// Its epoch.
        epoch: i32;
        /// Its parts.
        subtopologies: Vec<Subtopology<'a>>;
    }

    /// A part of a topology.
    pub struct Subtopology<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str>;
        /// Topics that it reads.
        source_topics: Vec<Cow<'a, str>>;
        /// Patterns of topics that it reads.
        source_topic_regex: Vec<Cow<'a, str>>;
        /// Topics that keep its state.
        state_changelog_topics: Vec<TopicInfo<'a>>;
        /// Topics that it writes to repartition.
        repartition_sink_topics: Vec<Cow<'a, str>>;
        /// Repartitioned topics that it reads.
        repartition_source_topics: Vec<TopicInfo<'a>>;
        /// Topics that must be partitioned alike.
        copartition_groups: Vec<CopartitionGroup>;
    }

    /// A topic.
    pub struct TopicInfo<'a> {
        /// Its name.
        name: Cow<'a, str>;
        /// How many partitions it has; 0 for any number.
        partitions: i32;
        /// How many replicas it has; 0 for the default.
        replication_factor: i16;
        /// Its configuration.
        topic_configs: Vec<KeyValue<'a>>;
    }

    /// A key and its value.
    pub struct KeyValue<'a> {
        /// The key.
        key: Cow<'a, str>;
        /// The value.
        value: Cow<'a, str>;
    }

    /// Topics that must be partitioned alike.
    pub struct CopartitionGroup {
        /// Positions in `source_topics`.
        source_topics: Vec<i16>;
        /// Positions in `source_topic_regex`.
        source_topic_regex: Vec<i16>;
        /// Positions in `repartition_source_topics`.
        repartition_source_topics: Vec<i16>;
    }

    /// Tasks of one subtopology.
    pub struct TaskIds<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// A host and port.
    pub struct Endpoint<'a> {
        /// Its host name.
        host: Cow<'a, str>;
        /// Its port.
        port: u16;
    }

    /// An offset of a task.
    pub struct TaskOffset<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str>;
        /// The partition.
        partition: i32;
        /// The offset.
        offset: i64;
    }

    /// What the member is to do.
    pub struct StreamsGroupHeartbeatResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The member.
        member_id: Cow<'a, str>;
        /// The member's epoch.
        member_epoch: i32;
        /// How often to send heartbeats, in milliseconds.
        heartbeat_interval_ms: i32;
        /// How far behind a task may be to process, in records.
        acceptable_recovery_lag_legacy: i32 [0..=0];
        /// How often to send offsets of tasks, in milliseconds.
        task_offset_interval_ms: i32;
        /// How far behind a task may be to process, in records; -1 if not said.
        acceptable_recovery_lag: i64 [1.., ignorable] = -1;
        /// What is wrong; null for nothing.
        status: Option<Vec<Status<'a>>> = Some(Vec::new());
        /// Tasks that process; null if unchanged.
        active_tasks: Option<Vec<TaskIds<'a>>>;
        /// Tasks that keep a copy of the state; null if unchanged.
        standby_tasks: Option<Vec<TaskIds<'a>>>;
        /// Tasks that are catching up; null if unchanged.
        warmup_tasks: Option<Vec<TaskIds<'a>>>;
        /// Whether the topology should be described to the broker.
        topology_description_required: bool [1..];
        /// Counts the changes of `partitions_by_user_endpoint`.
        endpoint_information_epoch: i32;
        /// Who has which partitions; null if unchanged.
        partitions_by_user_endpoint: Option<Vec<EndpointToPartitions<'a>>>;
    }

    /// Something wrong.
    pub struct Status<'a> {
        /// 0 stale topology, 1 no source topics, 2 wrong partition counts, 3 no internal topics, 4 shutdown,
        /// 5 assignment delayed, 6 tags missing.
        status_code: i8;
        /// More about it.
        status_detail: Cow<'a, str>;
    }

    /// Partitions that an instance of the application has.
    pub struct EndpointToPartitions<'a> {
        /// Where the application answers queries, or null.
        user_endpoint: Endpoint<'a>;
        /// Partitions of tasks that process.
        active_partitions: Vec<TopicPartition<'a>>;
        /// Partitions of other tasks.
        standby_partitions: Vec<TopicPartition<'a>>;
    }

    /// Partitions of one topic.
    pub struct TopicPartition<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }
}

//! StreamsGroupDescribe (89): groups of Kafka Streams with their members (KIP-1071).
//!
//! Versions 0-1, both flexible: 1 can describe topologies (KIP-1331), and names the assignor (KIP-1357).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    StreamsGroupDescribe [0..=1, flexible 0..]: StreamsGroupDescribeRequest<'a> =>
        StreamsGroupDescribeResponse<'a>;

    /// Asks for streams groups.
    pub struct StreamsGroupDescribeRequest<'a> {
        /// The groups.
        group_ids: Vec<Cow<'a, str>>;
        /// Whether to tell what the client may do with each group.
        include_authorized_operations: bool;
        /// Whether to describe the topologies.
        include_topology_description: bool [1..];
    }

    /// The groups.
    pub struct StreamsGroupDescribeResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The groups.
        groups: Vec<DescribedGroup<'a>>;
    }

    /// A streams group.
    pub struct DescribedGroup<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// Its id.
        group_id: Cow<'a, str>;
        /// Its state; empty on errors.
        group_state: Cow<'a, str>;
        /// Its epoch.
        group_epoch: i32;
        /// Epoch of its assignment.
        assignment_epoch: i32;
        /// Its topology, or null.
        topology: Option<Topology<'a>>;
        /// The members.
        members: Vec<Member<'a>>;
        /// Bits of the operations the client may do; [`i32::MIN`] if not asked for.
        authorized_operations: i32 = i32::MIN;
        /// The topology, if it is available.
        topology_description: Option<TopologyDescription<'a>> [1..];
        /// 0 not asked for, 1 not known, 2 failed, 3 available.
        topology_description_status: i8 [1..];
        /// The assignor of the next assignment, or null.
        assignor_name: Option<Cow<'a, str>> [1.., ignorable];
    }

    /// A topology.
    pub struct Topology<'a> {
        /// Its epoch.
        epoch: i32;
        /// Its parts.
        subtopologies: Option<Vec<Subtopology<'a>>>;
    }

    /// A part of a topology.
    pub struct Subtopology<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str>;
        /// Topics that it reads.
        source_topics: Vec<Cow<'a, str>>;
        /// Topics that it writes to repartition.
        repartition_sink_topics: Vec<Cow<'a, str>>;
        /// Topics that keep its state.
        state_changelog_topics: Vec<TopicInfo<'a>>;
        /// Repartitioned topics that it reads.
        repartition_source_topics: Vec<TopicInfo<'a>>;
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

    /// A member.
    pub struct Member<'a> {
        /// Its id.
        member_id: Cow<'a, str>;
        /// Its epoch.
        member_epoch: i32;
        /// Its name for itself, if its membership is static.
        instance_id: Option<Cow<'a, str>>;
        /// Its rack, or null.
        rack_id: Option<Cow<'a, str>>;
        /// The client's name for itself.
        client_id: Cow<'a, str>;
        /// Where the client is.
        client_host: Cow<'a, str>;
        /// The topology's epoch.
        topology_epoch: i32;
        /// The process that the member is a part of.
        process_id: Cow<'a, str>;
        /// Where the application answers queries, or null.
        user_endpoint: Option<Endpoint<'a>>;
        /// Tags, to spread copies of the state.
        client_tags: Vec<KeyValue<'a>>;
        /// How far each task has come in its changelogs.
        task_offsets: Vec<TaskOffset<'a>>;
        /// Where each task's changelogs end.
        task_end_offsets: Vec<TaskOffset<'a>>;
        /// Its tasks.
        assignment: Assignment<'a>;
        /// The tasks that it is to have.
        target_assignment: Assignment<'a>;
        /// Whether it still speaks the classic protocol.
        is_classic: bool;
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

    /// Tasks of a member.
    pub struct Assignment<'a> {
        /// Tasks that process.
        active_tasks: Vec<TaskIds<'a>>;
        /// Tasks that keep a copy of the state.
        standby_tasks: Vec<TaskIds<'a>>;
        /// Tasks that are catching up.
        warmup_tasks: Vec<TaskIds<'a>>;
    }

    /// Tasks of one subtopology.
    pub struct TaskIds<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// A topology in full.
    pub struct TopologyDescription<'a> {
        /// Its parts.
        subtopologies: Vec<TopologyDescriptionSubtopology<'a>> [1..];
        /// Its global stores.
        global_stores: Vec<TopologyDescriptionGlobalStore<'a>> [1..];
    }

    /// A part of a topology.
    pub struct TopologyDescriptionSubtopology<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str> [1..];
        /// Its nodes.
        nodes: Vec<TopologyDescriptionNode<'a>> [1..];
    }

    /// A node of a topology.
    pub struct TopologyDescriptionNode<'a> {
        /// Its name.
        name: Cow<'a, str> [1..];
        /// 1 source, 2 processor, 3 sink.
        node_type: i8 [1..];
        /// Topics that it reads, if it is a source.
        source_topics: Vec<Cow<'a, str>> [1..];
        /// The topic that it writes, if it is a sink and always writes the same.
        sink_topic: Option<Cow<'a, str>> [1..];
        /// Stores that it uses.
        stores: Vec<Cow<'a, str>> [1..];
        /// Nodes that come after it.
        successors: Vec<Cow<'a, str>> [1..];
    }

    /// A store that every instance has all of.
    pub struct TopologyDescriptionGlobalStore<'a> {
        /// The node that reads.
        source: TopologyDescriptionNode<'a> [1..];
        /// The node that fills the store.
        processor: TopologyDescriptionNode<'a> [1..];
    }
}

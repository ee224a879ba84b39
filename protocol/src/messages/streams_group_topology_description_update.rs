//! StreamsGroupTopologyDescriptionUpdate (93): describes the topology of a group of Kafka Streams (KIP-1331).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    StreamsGroupTopologyDescriptionUpdate [0..=0, flexible 0..]: StreamsGroupTopologyDescriptionUpdateRequest<'a> =>
        StreamsGroupTopologyDescriptionUpdateResponse<'a>;

    /// The topology of a streams group.
    pub struct StreamsGroupTopologyDescriptionUpdateRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member.
        member_id: Cow<'a, str>;
        /// The topology's epoch.
        topology_epoch: i32;
        /// The topology.
        topology_description: TopologyDescription<'a>;
    }

    /// A topology in full.
    pub struct TopologyDescription<'a> {
        /// Its parts.
        subtopologies: Vec<TopologyDescriptionSubtopology<'a>>;
        /// Its global stores.
        global_stores: Vec<TopologyDescriptionGlobalStore<'a>>;
    }

    /// A part of a topology.
    pub struct TopologyDescriptionSubtopology<'a> {
        /// The subtopology.
        subtopology_id: Cow<'a, str>;
        /// Its nodes.
        nodes: Vec<TopologyDescriptionNode<'a>>;
    }

    /// A node of a topology.
    pub struct TopologyDescriptionNode<'a> {
        /// Its name.
        name: Cow<'a, str>;
        /// 1 source, 2 processor, 3 sink.
        node_type: i8;
        /// Topics that it reads, if it is a source.
        source_topics: Vec<Cow<'a, str>>;
        /// The topic that it writes, if it is a sink and always writes the same.
        sink_topic: Option<Cow<'a, str>>;
        /// Stores that it uses.
        stores: Vec<Cow<'a, str>>;
        /// Nodes that come after it.
        successors: Vec<Cow<'a, str>>;
    }

    /// A store that every instance has all of.
    pub struct TopologyDescriptionGlobalStore<'a> {
        /// The node that reads.
        source: TopologyDescriptionNode<'a>;
        /// The node that fills the store.
        processor: TopologyDescriptionNode<'a>;
    }

    /// What became of it.
    pub struct StreamsGroupTopologyDescriptionUpdateResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
    }
}

//! DeleteShareGroupOffsets (92): takes topics out of an empty share group (KIP-932).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    DeleteShareGroupOffsets [0..=0, flexible 0..]: DeleteShareGroupOffsetsRequest<'a> =>
        DeleteShareGroupOffsetsResponse<'a>;

    /// Topics that a share group is to forget.
    pub struct DeleteShareGroupOffsetsRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The topics.
        topics: Vec<DeleteShareGroupOffsetsRequestTopic<'a>>;
    }

    /// A topic.
    pub struct DeleteShareGroupOffsetsRequestTopic<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
    }

    /// What became of each.
    pub struct DeleteShareGroupOffsetsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The topics.
        responses: Vec<DeleteShareGroupOffsetsResponseTopic<'a>>;
    }

    /// What became of a topic.
    pub struct DeleteShareGroupOffsetsResponseTopic<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The topic's id.
        topic_id: TopicId;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
    }
}

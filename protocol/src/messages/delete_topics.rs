//! DeleteTopics (20): deletes topics.
//!
//! Versions 0-6: 1 adds the throttle time; 3 may answer TOPIC_DELETION_DISABLED; 4 is flexible; 5 tells
//! error messages and may answer THROTTLING_QUOTA_EXCEEDED (KIP-599); 6 names topics by name or by id.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    DeleteTopics [0..=6, flexible 4..]: DeleteTopicsRequest<'a> => DeleteTopicsResponse<'a>;

    /// Topics to delete.
    pub struct DeleteTopicsRequest<'a> {
        /// The topics.
        topics: Vec<DeleteTopicState<'a>> [6..];
        /// The topics.
        topic_names: Vec<Cow<'a, str>> [0..=5, ignorable];
        /// How long to wait for it.
        timeout_ms: i32;
    }

    /// A topic to delete, by name or by id.
    pub struct DeleteTopicState<'a> {
        /// The topic's name; null if it is named by id.
        name: Option<Cow<'a, str>>;
        /// The topic's id.
        topic_id: TopicId;
    }

    /// What became of each topic.
    pub struct DeleteTopicsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// An answer for each topic.
        responses: Vec<DeletableTopicResult<'a>>;
    }

    /// What became of a topic.
    pub struct DeletableTopicResult<'a> {
        /// The topic's name; null if its id is not known.
        name: Option<Cow<'a, str>> [0.., null 6..] = Some(Cow::Borrowed(""));
        /// The topic's id.
        topic_id: TopicId [6.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [5.., ignorable];
    }
}

//! The recommender's place in its consumer group: a member like any other, only without a socket.
//!
//! It joins by the classic protocol, which every client and console can show, as a static member (KIP-345): after a
//! restart, a killed process included, it takes its own place again at once. It leads the group as long as it is
//! alone there, and assigns itself all it reads. A consumer that somebody else puts into this group is given nothing;
//! should that one lead, the recommender reads on all the same: it is the group's owner, and its reading is not
//! for sharing.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::consumer::{self, ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::GROUP;
use crate::coordinator::group::requests::{
    HeartbeatRequest, JoinProtocol, JoinRequest, JoinResponse, LeaveRequest, LeavingMember, SyncRequest,
};
use crate::handlers::Cx;

/// The name of the static member.
pub(super) const INSTANCE: &str = "kindred";
/// The first version of JoinGroup whose leader may be told that the assignment stands (KIP-814).
const JOIN_VERSION: i16 = 9;
/// The first version of SyncGroup that names the protocol.
const SYNC_VERSION: i16 = 5;
/// The first version of subscription and assignment; nothing of the later ones is needed.
const PROTOCOL_VERSION: i16 = 0;
/// How long the member may be silent, unless the broker's limits say otherwise.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// How often it is heard.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// How long to wait before joining again when the group has merely moved on.
const RETRY: Duration = Duration::from_millis(10);
/// How long to wait after any other refusal.
const RETRY_REFUSED: Duration = Duration::from_secs(5);

/// The topics that are read, by name, each with its partitions in order.
pub(super) type Reading = Vec<(String, Vec<i32>)>;

/// A member of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) member_id: String,
    pub(super) generation: i32,
}

/// Who the member is at present; nobody while it joins.
pub(super) type Identity = watch::Receiver<Option<Joined>>;

/// The member.
pub(super) struct Member {
    pub(super) cx: Arc<Cx>,
    pub(super) reading: watch::Receiver<Reading>,
    pub(super) identity: watch::Sender<Option<Joined>>,
    pub(super) stop: CancellationToken,
}

/// Why the member joins again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Under its present id.
    Same,
    /// Under a new one: the coordinator knows the old one no more.
    New,
}

impl Member {
    /// Belongs to the group, from when there is something to read, until stopped; then leaves it.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            _ = self.reading.wait_for(|reading| !reading.is_empty()) => {}
            () = stop.cancelled() => {}
        }
        let mut member_id = String::new();
        while !stop.is_cancelled() {
            self.identity.send_replace(None);
            let reading = self.reading.borrow_and_update().clone();
            // To join may mean to wait for others.
            let joined = tokio::select! {
                joined = self.join(&member_id, &reading) => joined,
                () = stop.cancelled() => break,
            };
            match joined {
                Ok(joined) => {
                    member_id.clone_from(&joined.member_id);
                    self.identity.send_replace(Some(joined.clone()));
                    if self.stay(&joined).await == Again::New {
                        member_id.clear();
                    }
                }
                Err(error) => {
                    member_id.clear();
                    self.pause(pause_after(error)).await;
                }
            }
        }
        self.leave(member_id).await;
    }

    async fn join(&self, member_id: &str, reading: &Reading) -> Result<Joined, ErrorCode> {
        let subscription = ConsumerProtocolSubscription {
            topics: reading.iter().map(|(topic, _)| Cow::Borrowed(&**topic)).collect(),
            ..ConsumerProtocolSubscription::default()
        };
        let metadata = consumer::encode(&subscription, PROTOCOL_VERSION);
        let metadata = metadata.map_err(|_| ErrorCode::InconsistentGroupProtocol)?;
        let config = &self.cx.config;
        let session =
            SESSION_TIMEOUT.clamp(config.group_min_session_timeout, config.group_max_session_timeout);
        let session_timeout_ms = i32::try_from(session.as_millis()).unwrap_or(i32::MAX);
        let joined = self.cx.groups.join_group(JoinRequest {
            api_version: JOIN_VERSION,
            group_id: GROUP.to_owned(),
            member_id: member_id.to_owned(),
            group_instance_id: Some(INSTANCE.to_owned()),
            client_id: GROUP.to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms,
            rebalance_timeout_ms: session_timeout_ms,
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinProtocol { name: "range".to_owned(), metadata: metadata.clone() }],
            reason: None,
        });
        let joined = joined.await;
        if !joined.error.is_ok() {
            return Err(joined.error);
        }
        debug!(member = joined.member_id, generation = joined.generation, "the recommender joined its group");
        self.sync(&joined, reading).await?;
        Ok(Joined { member_id: joined.member_id, generation: joined.generation })
    }

    /// Hands in the assignment if it leads.
    async fn sync(&self, joined: &JoinResponse, reading: &Reading) -> Result<(), ErrorCode> {
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let assignments = match leads {
            true => assign(joined, reading)?,
            false => Vec::new(),
        };
        let synced = self.cx.groups.sync_group(SyncRequest {
            api_version: SYNC_VERSION,
            group_id: GROUP.to_owned(),
            generation: joined.generation,
            member_id: joined.member_id.clone(),
            group_instance_id: Some(INSTANCE.to_owned()),
            protocol_type: joined.protocol_type.clone(),
            protocol_name: joined.protocol_name.clone(),
            assignments,
        });
        let synced = synced.await;
        if synced.error.is_ok() { Ok(()) } else { Err(synced.error) }
    }

    /// Is heard from time to time, until something makes it join again.
    async fn stay(&mut self, joined: &Joined) -> Again {
        loop {
            tokio::select! {
                () = tokio::time::sleep(HEARTBEAT_INTERVAL) => {}
                () = self.stop.cancelled() => return Again::Same,
                changed = self.reading.changed() => match changed {
                    Ok(()) => return Again::Same,
                    Err(_) => self.pause(HEARTBEAT_INTERVAL).await,
                }
            }
            let heartbeat = HeartbeatRequest {
                group_id: GROUP.to_owned(),
                generation: joined.generation,
                member_id: joined.member_id.clone(),
                group_instance_id: Some(INSTANCE.to_owned()),
            };
            match self.cx.groups.heartbeat(heartbeat).await {
                ErrorCode::None => {}
                ErrorCode::RebalanceInProgress => return Again::Same,
                error => {
                    debug!(error = error.name(), "the recommender joins its group again");
                    return Again::New;
                }
            }
        }
    }

    /// Leaves, so that the group is empty and its offsets can be changed while the recommender is off.
    async fn leave(self, member_id: String) {
        self.identity.send_replace(None);
        if member_id.is_empty() {
            return;
        }
        let member = LeavingMember { member_id, group_instance_id: Some(INSTANCE.to_owned()), reason: None };
        let left =
            self.cx.groups.leave_group(LeaveRequest { group_id: GROUP.to_owned(), members: vec![member] });
        let error = left.await.single_error();
        if !error.is_ok() {
            debug!(error = error.name(), "the recommender did not leave its group");
        }
    }

    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// How long to wait after a refusal, which is told unless it is part of any rebalance.
fn pause_after(error: ErrorCode) -> Duration {
    match error {
        ErrorCode::UnknownMemberId | ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => RETRY,
        error => {
            warn!(error = error.name(), "the recommender could not join its group, trying again");
            RETRY_REFUSED
        }
    }
}

/// Everything for the recommender, nothing for anybody else.
fn assign(joined: &JoinResponse, reading: &Reading) -> Result<Vec<(String, Bytes)>, ErrorCode> {
    let encode = |assigned_partitions| {
        let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
        consumer::encode(&assignment, PROTOCOL_VERSION).map_err(|_| ErrorCode::UnknownServerError)
    };
    let share = |member_id: &str| {
        let own = member_id == joined.member_id;
        let topics = reading.iter().filter(|_| own);
        let topics = topics.map(|(topic, partitions)| TopicPartition {
            topic: Cow::Borrowed(topic),
            partitions: partitions.clone(),
        });
        encode(topics.collect())
    };
    let members = joined.members.iter();
    members.map(|member| Ok((member.member_id.clone(), share(&member.member_id)?))).collect()
}

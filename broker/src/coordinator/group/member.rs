//! One member of a classic group: what the log keeps of it, and what only a live coordinator knows.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;

use super::records::MemberMetadata;
use super::requests::{JoinProtocol, JoinRequest};
use super::{Ticket, millis};

/// A member. What the log does not keep stands below the line.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) group_instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout: Duration,
    pub(super) session_timeout: Duration,
    /// The assignors it knows, most wanted first. The log keeps the chosen one's metadata alone, so a
    /// member that a restart brought back offers just that one until it rejoins.
    pub(super) protocols: Vec<JoinProtocol>,
    pub(super) assignment: Bytes,
    // ---
    /// Waiting for the answer to its first JoinGroup.
    pub(super) is_new: bool,
    /// The JoinGroup request to answer once the rebalance has everyone.
    pub(super) awaiting_join: Option<Ticket>,
    /// The SyncGroup request to answer once the leader has assigned.
    pub(super) awaiting_sync: Option<Ticket>,
    /// Whether it has sent SyncGroup in this generation.
    pub(super) synced: bool,
    /// When its session ends unless it is heard of, on the monotonic clock.
    pub(super) deadline: Duration,
}

impl Member {
    /// A member that joins for the first time.
    pub(super) fn joining(request: &JoinRequest, id: String) -> Self {
        Self {
            id,
            group_instance_id: request.group_instance_id.clone(),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            rebalance_timeout: millis(request.rebalance_timeout_ms),
            session_timeout: millis(request.session_timeout_ms),
            protocols: distinct(&request.protocols),
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: None,
            awaiting_sync: None,
            synced: false,
            deadline: Duration::ZERO,
        }
    }

    /// The member of a record of a group that uses `protocol`; `known` is what was known of it before.
    pub(super) fn replayed(stored: MemberMetadata, protocol: &str, known: Option<Member>) -> Self {
        let (known, fresh) = match known {
            Some(known) => (known, false),
            None => (Self::joining(&JoinRequest::default(), String::new()), true),
        };
        // The record has the last word: what is known besides may come from an older record.
        let agrees = known.supports(protocol) && known.metadata(protocol) == stored.subscription;
        let chosen = JoinProtocol { name: protocol.to_owned(), metadata: stored.subscription };
        Self {
            id: stored.member_id,
            group_instance_id: stored.group_instance_id,
            client_id: stored.client_id,
            client_host: stored.client_host,
            rebalance_timeout: millis(stored.rebalance_timeout_ms),
            session_timeout: millis(stored.session_timeout_ms),
            protocols: if agrees { known.protocols } else { vec![chosen] },
            assignment: stored.assignment,
            is_new: false,
            synced: known.synced || fresh,
            ..known
        }
    }

    /// The member as a record of a group that uses `protocol` keeps it.
    pub(super) fn stored(&self, protocol: &str) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout.as_millis() as i32,
            session_timeout_ms: self.session_timeout.as_millis() as i32,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// Takes over what a rejoining client offers now.
    pub(super) fn update(&mut self, request: &JoinRequest) {
        self.protocols = distinct(&request.protocols);
        self.rebalance_timeout = millis(request.rebalance_timeout_ms);
        self.session_timeout = millis(request.session_timeout_ms);
    }

    /// Starts a new session from `now` on.
    pub(super) fn touch(&mut self, now: Duration) {
        self.deadline = now + self.session_timeout;
    }

    /// Whether the session may run out. Not while a known member waits for us; a new one must be
    /// dropped even so, since its client may be gone and try again with no id (KAFKA-6134's growth of
    /// defunct members).
    pub(super) fn can_expire(&self) -> bool {
        self.is_new || (self.awaiting_join.is_none() && self.awaiting_sync.is_none())
    }

    /// Whether the member offers `protocol`.
    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| offered.name == protocol)
    }

    /// What the member gave for `protocol`; empty if it does not offer it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let offered = self.protocols.iter().find(|offered| offered.name == protocol);
        offered.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }
}

/// The protocols without second entries of a name: each member has one vote and one metadata a name.
fn distinct(protocols: &[JoinProtocol]) -> Vec<JoinProtocol> {
    let mut seen = HashSet::new();
    protocols.iter().filter(|protocol| seen.insert(&protocol.name)).cloned().collect()
}

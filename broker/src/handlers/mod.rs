//! The APIs: one row each, read by dispatch, ApiVersions, metrics and the contract tests alike.
//!
//! To add an API: a type in its family's file that implements [`handler::Handler`], and a row in [`ROWS`]. A
//! row out of key order or listed twice, or a version that the codec lacks, does not compile.

mod acls;
mod alter_configs;
mod api_versions;
mod cluster;
mod config_resources;
mod configs;
mod consumer_groups;
mod context;
mod delegation_tokens;
mod feature_levels;
mod fetch;
mod groups;
mod handler;
mod leader_epochs;
mod list_offsets;
mod log_dirs;
mod metadata;
mod offsets;
mod operations;
mod produce;
mod producer_ids;
mod producers;
mod quorum;
mod quotas;
mod reassignments;
mod recompress;
mod records;
mod refusal;
mod scram;
mod topic_partitions;
mod topics;
mod transactions;
mod txn_offsets;

use std::sync::Arc;

use bytes::Bytes;
use protocol::error_code::ErrorCode;
use protocol::frame;
use protocol::messages::ApiKey;
use protocol::types::Epoch;
use storage::Marks;

pub(crate) use context::{Cx, Node};
pub(crate) use fetch::Converted;
use handler::{Call, Row, row};
pub(crate) use handler::{CallError, ConnectionInfo, Outcome, Pending};

/// Every API this broker serves, in key order.
pub(crate) const ROWS: &[Row] = &[
    row::<produce::Produce>(),                           // 0
    row::<fetch::Fetch>(),                               // 1
    row::<list_offsets::ListOffsets>(),                  // 2
    row::<metadata::Metadata>(),                         // 3
    row::<offsets::OffsetCommit>(),                      // 8
    row::<offsets::OffsetFetch>(),                       // 9
    row::<groups::FindCoordinator>(),                    // 10
    row::<groups::JoinGroup>(),                          // 11
    row::<groups::Heartbeat>(),                          // 12
    row::<groups::LeaveGroup>(),                         // 13
    row::<groups::SyncGroup>(),                          // 14
    row::<groups::DescribeGroups>(),                     // 15
    row::<groups::ListGroups>(),                         // 16
    row::<api_versions::ApiVersions>(),                  // 18
    row::<topics::CreateTopics>(),                       // 19
    row::<topics::DeleteTopics>(),                       // 20
    row::<records::DeleteRecords>(),                     // 21
    row::<producer_ids::InitProducerId>(),               // 22
    row::<leader_epochs::OffsetForLeaderEpoch>(),        // 23
    row::<transactions::AddPartitionsToTxn>(),           // 24
    row::<transactions::AddOffsetsToTxn>(),              // 25
    row::<transactions::EndTxn>(),                       // 26
    row::<transactions::WriteTxnMarkers>(),              // 27
    row::<txn_offsets::TxnOffsetCommit>(),               // 28
    row::<acls::DescribeAcls>(),                         // 29
    row::<acls::CreateAcls>(),                           // 30
    row::<acls::DeleteAcls>(),                           // 31
    row::<configs::DescribeConfigs>(),                   // 32
    row::<alter_configs::AlterConfigs>(),                // 33
    row::<log_dirs::AlterReplicaLogDirs>(),              // 34
    row::<log_dirs::DescribeLogDirs>(),                  // 35
    row::<topics::CreatePartitions>(),                   // 37
    row::<delegation_tokens::CreateDelegationToken>(),   // 38
    row::<delegation_tokens::RenewDelegationToken>(),    // 39
    row::<delegation_tokens::ExpireDelegationToken>(),   // 40
    row::<delegation_tokens::DescribeDelegationToken>(), // 41
    row::<groups::DeleteGroups>(),                       // 42
    row::<reassignments::ElectLeaders>(),                // 43
    row::<alter_configs::IncrementalAlterConfigs>(),     // 44
    row::<reassignments::AlterPartitionReassignments>(), // 45
    row::<reassignments::ListPartitionReassignments>(),  // 46
    row::<offsets::OffsetDelete>(),                      // 47
    row::<quotas::DescribeClientQuotas>(),               // 48
    row::<quotas::AlterClientQuotas>(),                  // 49
    row::<scram::DescribeUserScramCredentials>(),        // 50
    row::<scram::AlterUserScramCredentials>(),           // 51
    row::<quorum::DescribeQuorum>(),                     // 55
    row::<feature_levels::UpdateFeatures>(),             // 57
    row::<cluster::DescribeCluster>(),                   // 60
    row::<producers::DescribeProducers>(),               // 61
    row::<producers::DescribeTransactions>(),            // 65
    row::<producers::ListTransactions>(),                // 66
    row::<consumer_groups::ConsumerGroupHeartbeat>(),    // 68
    row::<consumer_groups::ConsumerGroupDescribe>(),     // 69
    row::<config_resources::ListConfigResources>(),      // 74
    row::<topic_partitions::DescribeTopicPartitions>(),  // 75
];

const _: () = handler::check_rows(ROWS);

/// Starts serving one frame.
///
/// # Errors
/// [`CallError`] if no row takes it; the connection is closed then, after earlier requests were
/// answered.
pub(crate) fn start(
    cx: &Arc<Cx>,
    connection: &Arc<ConnectionInfo>,
    frame: Bytes,
) -> Result<Pending, CallError> {
    let (key, version, correlation_id) = frame::peek(&frame).map_err(CallError::Header)?;
    let at = ROWS.binary_search_by_key(&key, |row| row.key.code()).map_err(|_| CallError::UnknownKey(key))?;
    let row = &ROWS[at];
    if row.serves(version) {
        cx.metrics.requests.record(row.key);
        return Ok(row.start(Arc::clone(cx), Call::parse(frame, connection)?));
    }
    if row.key == ApiKey::ApiVersions {
        // KIP-511: whatever the body is, the client is told which versions it may use.
        let answer = frame::encode_response(&api_versions::unsupported(), 0, correlation_id);
        return Ok(Box::pin(std::future::ready(handler::outcome(row.key, answer))));
    }
    Err(CallError::UnsupportedVersion { name: row.key.name(), version })
}

/// Which records a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Everything below the high watermark.
    ReadUncommitted,
    /// Everything below the last stable offset.
    ReadCommitted,
}

impl Isolation {
    fn from_wire(level: i8) -> Self {
        if level == 1 { Self::ReadCommitted } else { Self::ReadUncommitted }
    }

    /// Where this reader's view of the log ends.
    fn end(self, marks: Marks) -> protocol::types::Offset {
        match self {
            Self::ReadUncommitted => marks.high(),
            Self::ReadCommitted => marks.stable(),
        }
    }
}

/// Checks the epoch that a client believes current (KIP-320); -1 means it does not say.
fn check_leader_epoch(claimed: Epoch, current: Epoch) -> Result<(), ErrorCode> {
    if claimed == Epoch::NONE || claimed == current {
        Ok(())
    } else if claimed < current {
        Err(ErrorCode::FencedLeaderEpoch)
    } else {
        Err(ErrorCode::UnknownLeaderEpoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_compared_as_kip_320_says() {
        for (claimed, answer) in [
            (-1, Ok(())),
            (3, Ok(())),
            (2, Err(ErrorCode::FencedLeaderEpoch)),
            (4, Err(ErrorCode::UnknownLeaderEpoch)),
        ] {
            assert_eq!(check_leader_epoch(Epoch(claimed), Epoch(3)), answer, "{claimed}");
        }
    }
}

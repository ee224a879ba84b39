//! InitProducerId (22): names a producer, so that its retries can be told from new records, and fences older ones with
//! its transactional id.

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::types::{ProducerEpoch, ProducerId};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::coordinator::transaction::state::Init;

/// First version that may answer PRODUCER_FENCED.
const FENCED_SINCE: i16 = 4;

/// Versions 0-6: 2 is flexible; 3 lets a known id and epoch resume (KIP-360); 4 may answer
/// PRODUCER_FENCED; 5 may answer TRANSACTION_ABORTABLE (KIP-890); 6 may keep a prepared transaction
/// (KIP-939).
///
/// Transactions that an outside coordinator decides (KIP-939) are refused as Apache Kafka refuses them unless
/// `transaction.two.phase.commit.enable` is set. What is left of an id block is lost on restart, never reused.
pub(super) struct InitProducerId;

impl Handler for InitProducerId {
    type Request<'a> = InitProducerIdRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: InitProducerIdRequest<'a>,
    ) -> Reply<InitProducerIdResponse> {
        let identity = match &request.transactional_id {
            None => new_identity(cx).await,
            Some(_) if request.enable_2_pc => Err(ErrorCode::TransactionalIdAuthorizationFailed),
            Some(_) if request.keep_prepared_txn => Err(ErrorCode::UnsupportedVersion),
            Some(transactional_id) => {
                let (transactions, id) = (Arc::clone(&cx.transactions), transactional_id.to_string());
                match init(&request) {
                    Ok(init) => {
                        cx.tasks
                            .finish("init-producer", async move { transactions.init(&id, init).await })
                            .await
                    }
                    Err(code) => Err(code),
                }
            }
        };
        Reply::Answer(match identity {
            Ok((id, epoch)) => InitProducerIdResponse {
                producer_id: id.0,
                producer_epoch: epoch.0,
                ..InitProducerIdResponse::default()
            },
            Err(code) => {
                let fenced = code == ErrorCode::ProducerFenced && call.version < FENCED_SINCE;
                let code = if fenced { ErrorCode::InvalidProducerEpoch } else { code };
                InitProducerIdResponse {
                    error_code: code.code(),
                    producer_id: -1,
                    producer_epoch: -1,
                    ..InitProducerIdResponse::default()
                }
            }
        })
    }
}

/// What the request asks of the coordinator; an id without an epoch, or the reverse, is no producer.
fn init(request: &InitProducerIdRequest<'_>) -> Result<Init, ErrorCode> {
    let expected = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Err(ErrorCode::InvalidRequest),
        (id, epoch) => Some((ProducerId(id), ProducerEpoch(epoch))),
    };
    Ok(Init { timeout_ms: request.transaction_timeout_ms, expected })
}

/// An idempotent producer that bumps its epoch gets a new id instead: nothing else knows it.
async fn new_identity(cx: &Cx) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
    let allocated = cx.producer_ids.allocate().await;
    allocated.map(|id| (id, ProducerEpoch(0))).map_err(|error| {
        tracing::warn!(%error, "no producer id given out");
        ErrorCode::CoordinatorNotAvailable
    })
}

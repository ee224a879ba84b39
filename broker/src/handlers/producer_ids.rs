//! InitProducerId (22): names a producer, so that its retries can be told from new records.

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use super::Cx;
use super::handler::{Call, Handler, Reply};

/// Versions 0-6: 2 is flexible; 3 lets a known id and epoch resume (KIP-360); 4 may answer
/// PRODUCER_FENCED; 5 may answer TRANSACTION_ABORTABLE (KIP-890); 6 may keep a prepared transaction
/// (KIP-939).
///
/// Transactions are not served: a transactional id is answered UNSUPPORTED_VERSION, which clients
/// take as final. As in Apache Kafka, what is left of an id block is lost on restart, never reused.
pub(super) struct InitProducerId;

impl Handler for InitProducerId {
    type Request<'a> = InitProducerIdRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: InitProducerIdRequest<'a>,
    ) -> Reply<InitProducerIdResponse> {
        let failed = |code: ErrorCode| {
            Reply::Answer(InitProducerIdResponse {
                error_code: code.code(),
                producer_id: -1,
                producer_epoch: -1,
                ..InitProducerIdResponse::default()
            })
        };
        if request.transactional_id.is_some() {
            return failed(ErrorCode::UnsupportedVersion);
        }
        // An idempotent producer that bumps its epoch gets a new id instead: nothing else knows it.
        match cx.producer_ids.allocate().await {
            Ok(id) => Reply::Answer(InitProducerIdResponse {
                producer_id: id.0,
                producer_epoch: 0,
                ..InitProducerIdResponse::default()
            }),
            Err(error) => {
                tracing::warn!(%error, "no producer id given out");
                failed(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }
}

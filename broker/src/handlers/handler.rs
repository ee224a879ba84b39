//! What a handler is, and the row of the table it becomes.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use protocol::codec::{Decode, DecodeError, EncodeError, Reader};
use protocol::frame::{self, RequestHeader};
use protocol::messages::{ApiKey, Request};

use super::Cx;
use super::fetch::Converted;

/// The client's end of a call.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// Our address as this client reached it: what it is told to use, unless configured otherwise.
    pub(crate) local: SocketAddr,
    /// What its unsent answers hold of converted records.
    pub(crate) converted: Converted,
}

/// One request as it came: its frame and what its header says.
#[derive(Debug)]
pub(crate) struct Call {
    frame: Bytes,
    body_start: usize,
    /// The version that the body is in.
    pub(crate) version: i16,
    correlation_id: i32,
    client_id: Option<std::ops::Range<usize>>,
    /// Who asks.
    pub(crate) connection: Arc<ConnectionInfo>,
}

impl Call {
    /// The client's name for itself, empty if it gave none.
    pub(crate) fn client_id(&self) -> &str {
        let bytes = self.client_id.clone().map_or(&[][..], |range| &self.frame[range]);
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A handler's answer.
pub(crate) enum Reply<R> {
    /// Send this.
    Answer(R),
    /// Send nothing (acks=0).
    Silent,
    /// Drop the connection, for this reason: the only way to report where no answer is allowed.
    Close(String),
}

/// What became of one call.
pub(crate) enum Outcome {
    /// Whole response frame in chunks.
    Answer(Vec<Bytes>),
    /// No response is sent.
    Silent,
    /// The connection ends, for this reason.
    Close(String),
    /// The body could not be decoded; the connection ends.
    Malformed(CallError),
}

/// A handler under way.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A frame that is no call we can serve. As in Apache Kafka the connection is closed: old clients
/// probe for a broker's version by exactly that.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The header does not decode.
    #[error("header: {0}")]
    Header(DecodeError),
    /// No row has this key.
    #[error("API key {0} is not served")]
    UnknownKey(i16),
    /// The row does not serve this version.
    #[error("{name} version {version} is not served")]
    UnsupportedVersion {
        /// The API.
        name: &'static str,
        /// What was asked.
        version: i16,
    },
    /// The body does not decode.
    #[error("{name} version {version}: {source}")]
    Body {
        /// The API.
        name: &'static str,
        /// What it was in.
        version: i16,
        /// Where it went wrong.
        source: DecodeError,
    },
}

/// One API: what it serves and how.
///
/// A handler reads top to bottom: authorise, validate, ask one owner, shape the answer. It keeps no
/// state and holds no lock while it waits.
pub(crate) trait Handler: 'static {
    /// The request's table.
    type Request<'a>: Request<'a>;
    /// Versions served, which are the versions advertised.
    const VERSIONS: RangeInclusive<i16>;

    /// Serves one request.
    fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: Self::Request<'a>,
    ) -> impl Future<Output = Reply<<Self::Request<'a> as Request<'a>>::Response>> + Send + 'a;
}

/// A line of the table: everything the rest of the broker knows about an API.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) key: ApiKey,
    pub(crate) version_min: i16,
    pub(crate) version_max: i16,
    run: fn(Arc<Cx>, Call) -> Pending,
}

/// The row of handler `H`.
pub(super) const fn row<H: Handler>() -> Row {
    let key = <H::Request<'static> as Request<'static>>::KEY;
    let (version_min, version_max) = (*H::VERSIONS.start(), *H::VERSIONS.end());
    Row { key, version_min, version_max, run: serve::<H> }
}

/// Stops the build if the table is out of order or advertises what the codec cannot decode.
pub(super) const fn check_rows(rows: &[Row]) {
    let mut at = 0;
    while at < rows.len() {
        let row = &rows[at];
        let codec = row.key.versions();
        assert!(*codec.start() <= row.version_min, "a row serves a version the codec lacks");
        assert!(row.version_max <= *codec.end(), "a row serves a version the codec lacks");
        assert!(
            at == 0 || (rows[at - 1].key as i16) < row.key as i16,
            "rows must be in key order, each key once"
        );
        at += 1;
    }
}

impl Row {
    /// Whether this version is served.
    pub(super) fn serves(&self, version: i16) -> bool {
        (self.version_min..=self.version_max).contains(&version)
    }

    /// Starts the handler; nothing runs until the result is polled.
    pub(super) fn start(&self, cx: Arc<Cx>, call: Call) -> Pending {
        (self.run)(cx, call)
    }
}

impl Call {
    /// Takes the header off `frame`, whose key and version are served.
    pub(super) fn parse(frame: Bytes, connection: &Arc<ConnectionInfo>) -> Result<Self, CallError> {
        let mut reader = Reader::new(&frame);
        let header = RequestHeader::decode(&mut reader).map_err(CallError::Header)?;
        let client_id = header.client_id.map(|id| {
            let start = id.as_ptr() as usize - frame.as_ptr() as usize;
            start..start + id.len()
        });
        let RequestHeader { api_version: version, correlation_id, .. } = header;
        let body_start = reader.position();
        Ok(Self { body_start, version, correlation_id, client_id, connection: Arc::clone(connection), frame })
    }
}

/// Decodes the body, serves it, encodes the answer.
fn serve<H: Handler>(cx: Arc<Cx>, call: Call) -> Pending {
    Box::pin(async move {
        let key = <H::Request<'static> as Request<'static>>::KEY;
        let mut body = Reader::new(&call.frame[call.body_start..]);
        let request = match H::Request::decode(&mut body, call.version) {
            Ok(request) => request,
            Err(source) => {
                return Outcome::Malformed(CallError::Body {
                    name: key.name(),
                    version: call.version,
                    source,
                });
            }
        };
        match H::handle(&cx, &call, request).await {
            Reply::Answer(response) => {
                outcome(key, frame::encode_response(&response, call.version, call.correlation_id))
            }
            Reply::Silent => Outcome::Silent,
            Reply::Close(why) => Outcome::Close(why),
        }
    })
}

/// An encoded answer, or the end of the connection if our answer does not fit its own table.
pub(super) fn outcome(key: ApiKey, encoded: Result<Vec<Bytes>, EncodeError>) -> Outcome {
    match encoded {
        Ok(chunks) => Outcome::Answer(chunks),
        Err(error) => {
            tracing::error!(api = key.name(), %error, "answer cannot be written");
            Outcome::Close(format!("the answer to {} cannot be written", key.name()))
        }
    }
}

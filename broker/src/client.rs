//! A small Kafka client: what the command line needs to talk to a broker through its front door.
//!
//! One connection, requests answered in order. It knows nothing of partition leaders, since it talks
//! to a single node.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use protocol::codec::{DecodeError, EncodeError};
use protocol::error_code::ErrorCode;
use protocol::frame::{self, LENGTH_BYTES};
use protocol::messages::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer accepted.
const FRAME_BYTES_MAX: usize = 100 << 20;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("connection to the broker: {0}")]
    Io(#[from] std::io::Error),
    #[error("the broker's answer: {0}")]
    Frame(#[from] frame::FrameError),
    #[error("the broker's answer: {0}")]
    Decode(#[from] DecodeError),
    #[error("the request: {0}")]
    Encode(#[from] EncodeError),
    #[error("the broker answered {} ({})", .0.name(), .0.message())]
    Refused(ErrorCode),
}

/// Turns an error code of a response into an error.
pub(crate) fn check(code: i16) -> Result<(), ClientError> {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => Ok(()),
        refused => Err(ClientError::Refused(refused.unwrap_or(ErrorCode::UnknownServerError))),
    }
}

/// A connection to one broker.
pub(crate) struct Client {
    stream: TcpStream,
    received: BytesMut,
    next_correlation_id: i32,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: BytesMut::new(), next_correlation_id: 1 })
    }

    /// Sends `request` without waiting; its answer is the next one [`Client::receive`]d after those
    /// of earlier requests.
    pub(crate) async fn send<'a, R: Request<'a>>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<(), ClientError> {
        let id = self.next_correlation_id;
        self.next_correlation_id = id.wrapping_add(1);
        let frame = frame::encode_request(request, version, id, Some("kindred"))?;
        self.stream.write_all(&frame).await?;
        Ok(())
    }

    /// The next answer's frame, to be decoded with [`decode`].
    pub(crate) async fn receive(&mut self) -> Result<Bytes, ClientError> {
        loop {
            match frame::frame_size(&self.received, FRAME_BYTES_MAX)? {
                Some(size) if self.received.len() >= LENGTH_BYTES + size => {
                    self.received.advance(LENGTH_BYTES);
                    return Ok(self.received.split_to(size).freeze());
                }
                _ => {}
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Sends `request` and waits for its answer's frame.
    pub(crate) async fn call<'a, R: Request<'a>>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<Bytes, ClientError> {
        self.send(request, version).await?;
        self.receive().await
    }
}

/// Decodes an answer.
pub(crate) fn decode<'a, R: Response<'a>>(frame: &'a Bytes, version: i16) -> Result<R, ClientError> {
    let (_, response) = frame::decode_response(frame, version)?;
    Ok(response)
}

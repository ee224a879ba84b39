//! One HTTP/1.1 POST over a connection of its own.

use std::time::Duration;

use axum::body::Body;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::WebhookUrl;

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("{0}")]
    Connect(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] hyper::http::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Posts JSON that is known to the receiver by `id`, and returns the status of the answer.
///
/// # Errors
/// [`PostError`]: there was no answer, and whether it arrived is not known.
pub(super) async fn post(
    url: &WebhookUrl,
    id: &str,
    json: Vec<u8>,
    timeout: Duration,
) -> Result<StatusCode, PostError> {
    let answered = tokio::time::timeout(timeout, post_now(url, id, json)).await;
    answered.unwrap_or(Err(PostError::Timeout(timeout)))
}

async fn post_now(url: &WebhookUrl, id: &str, json: Vec<u8>) -> Result<StatusCode, PostError> {
    let request = Request::post(url.path())
        .header(HOST, url.authority())
        .header(USER_AGENT, "kindred")
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", id)
        .body(Body::from(json))?;
    let stream = TcpStream::connect((url.host(), url.port())).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        answered = &mut answer => Ok(answered?.status()),
        // Over before the answer was there: then `answer` says why.
        ended = connection => {
            ended?;
            Ok(answer.await?.status())
        }
    }
}

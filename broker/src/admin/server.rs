//! The HTTP socket: accepts within a bound, serves HTTP/1.1, ends gracefully.
//!
//! HTTP has threads of its own (`http.threads`): questions keep a thread busy for as long as they take, and however many
//! come, those that serve Kafka clients get their share of the processors from the operating system.
//!
//! Like axum's own loop, with what that leaves out: `TCP_NODELAY`, a time limit for a request's head, a bound
//! on connections, and tasks that the broker waits for when it stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::Address;
use crate::tasks::Tasks;

/// Connections served at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// How long a connection may take to send a request's head, or stay idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// A request's head and read buffer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// After so many tasks a busy thread looks at its sockets: each may be a question of some hundred microseconds.
const TASKS_BETWEEN_LOOKS: u32 = 8;
/// Pause after a failed accept (out of descriptors, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (http.listen): {source}")]
pub struct HttpBindError {
    address: String,
    source: io::Error,
}

/// A bound HTTP socket.
#[derive(Debug)]
pub(crate) struct HttpServer {
    socket: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Binds; nothing is accepted before [`HttpServer::serve`].
    pub(crate) async fn bind(address: &Address) -> Result<Self, HttpBindError> {
        let failed = |source| HttpBindError { address: address.to_string(), source };
        let host = if address.host.is_empty() { "0.0.0.0" } else { &address.host };
        let socket = TcpListener::bind((host, address.port)).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// The address really bound, its port filled in.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on so many threads until the broker stops; requests under way are answered first.
    ///
    /// # Errors
    /// There are no threads to be had.
    pub(crate) fn serve(self, router: Router, tasks: &Tasks, threads: usize) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("kindred-http")
            .event_interval(TASKS_BETWEEN_LOOKS)
            .enable_all()
            .build()?;
        // To be registered with the other runtime.
        let socket = self.socket.into_std()?;
        let all = tasks.clone();
        tasks.spawn_thread("kindred-http", move || {
            if let Err(error) = runtime.block_on(serve_until_stopped(socket, router, all)) {
                warn!(%error, "HTTP is not served");
            }
            runtime.shutdown_background();
        })
    }
}

async fn serve_until_stopped(socket: std::net::TcpListener, router: Router, tasks: Tasks) -> io::Result<()> {
    let socket = TcpListener::from_std(socket)?;
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let stop = tasks.stopping().clone();
    tokio::select! {
        () = accept(socket, router, Arc::clone(&seats), tasks) => {}
        () = stop.cancelled() => {}
    }
    // Every connection has given its seat back: all have ended, and the runtime may.
    drop(seats.acquire_many(CONNECTIONS_MAX as u32).await);
    Ok(())
}

async fn accept(socket: TcpListener, router: Router, seats: Arc<Semaphore>, tasks: Tasks) {
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, peer)) => {
                let (router, stop) = (router.clone(), tasks.stopping().clone());
                tasks.spawn("http-connection", async move {
                    serve_connection(stream, peer, router, stop).await;
                    drop(seat);
                });
            }
            Err(error) => {
                warn!(%error, "HTTP accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // Without it an answer may wait 40 ms for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY not set");
    }
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "HTTP connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::testing::Stage;
    use super::*;

    fn anywhere() -> Address {
        Address { host: "127.0.0.1".to_owned(), port: 0 }
    }

    /// Sends `requests` at once and reads until the other side closes.
    async fn exchange(address: SocketAddr, requests: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn serves_several_requests_of_one_connection_and_stops() {
        let tasks = Tasks::new();
        let server = HttpServer::bind(&anywhere()).await.unwrap();
        let address = server.address();
        server.serve(Stage::new().router(), &tasks, 2).unwrap();
        let requests = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = exchange(address, requests).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
        assert!(
            answer.contains(r#"{"status":"ok"}"#) && answer.trim_end().ends_with(r#"{"status":"ready"}"#),
            "{answer}"
        );
        let garbage = exchange(address, "\x16\x03\x01 this is no HTTP\r\n\r\n").await;
        assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
        let idle = TcpStream::connect(address).await.unwrap();
        assert!(
            tasks.shut_down(Duration::from_secs(5)).await,
            "an idle connection does not hold the stop up"
        );
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_taken_port_is_told_in_one_line() {
        let server = HttpServer::bind(&anywhere()).await.unwrap();
        let taken = Address { host: "127.0.0.1".to_owned(), port: server.address().port() };
        let message = HttpServer::bind(&taken).await.unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot listen on {taken} (http.listen): ")), "{message}");
        assert!(!message.contains('\n'));
    }
}

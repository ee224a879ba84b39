//! Listening sockets: binds every address of every listener, accepts within `max.connections`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, info, warn};

use super::connection::{Connection, Limits};
use crate::handlers::{ConnectionInfo, Converted, Cx};

/// Pause after a failed accept (out of descriptors, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: String,
    source: io::Error,
}

/// The bound sockets of one listener.
#[derive(Debug)]
pub(crate) struct Bound {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Bound {
    /// The addresses really bound, ports filled in.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts and serves until the broker stops.
    pub(crate) fn serve(self, cx: &Arc<Cx>) {
        let seats = Arc::new(AtomicUsize::new(0));
        for socket in self.sockets {
            cx.tasks.spawn("accept", accept(socket, Arc::clone(cx), Arc::clone(&seats)));
        }
    }
}

/// Binds `host:port`. `localhost` binds the loopback of both address families, since clients differ
/// in which they try first; a machine without IPv6 serves IPv4 alone. Port 0 takes a free port.
pub(crate) async fn bind(host: &str, port: u16) -> Result<Bound, BindError> {
    let failed = |source| BindError { address: format!("{host}:{port}"), source };
    let mut wanted: Vec<SocketAddr> = match host {
        "" => vec![SocketAddr::from(([0, 0, 0, 0], port))],
        _ => tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect(),
    };
    if host == "localhost" {
        wanted = vec![
            SocketAddr::from(([127, 0, 0, 1], port)),
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)),
        ];
    }
    let mut bound = Bound { sockets: Vec::new(), addresses: Vec::new() };
    for mut address in wanted {
        // With port 0 every address of the listener shares the port the first one was given.
        if let (0, Some(first)) = (address.port(), bound.addresses.first()) {
            address.set_port(first.port());
        }
        match TcpListener::bind(address).await {
            Ok(socket) => {
                bound.addresses.push(socket.local_addr().map_err(failed)?);
                bound.sockets.push(socket);
            }
            Err(error) if !bound.sockets.is_empty() && host == "localhost" => {
                debug!(%address, %error, "the second loopback address is not served");
            }
            Err(error) => return Err(failed(error)),
        }
    }
    match bound.sockets.is_empty() {
        true => Err(failed(io::Error::new(io::ErrorKind::NotFound, "the host has no address"))),
        false => Ok(bound),
    }
}

/// A connection's place among the `max.connections`, given back when dropped.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    /// A place, unless `most` are taken.
    fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let counted = |now: usize| (now < most).then_some(now + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(socket: TcpListener, cx: Arc<Cx>, seats: Arc<AtomicUsize>) {
    let stop = cx.tasks.stopping().clone();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => match Seat::take(&seats, cx.catalog.config().max_connections) {
                Some(seat) => serve_one(stream, peer, &cx, seat),
                None => warn!(%peer, "connection refused: max.connections reached"),
            },
            Err(error) => {
                warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn serve_one(stream: TcpStream, peer: SocketAddr, cx: &Arc<Cx>, seat: Seat) {
    let Ok(local) = stream.local_addr() else { return };
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY not set");
    }
    let limits = Limits {
        frame_bytes_max: cx.config.socket_request_max_bytes,
        idle_max: cx.config.connections_max_idle,
    };
    let info = ConnectionInfo { peer, local, converted: Converted::default() };
    let connection = Connection::new(stream, Arc::clone(cx), info, limits);
    let stop = cx.tasks.stopping().clone();
    let metrics = Arc::clone(&cx.metrics);
    cx.tasks.spawn("connection", async move {
        metrics.connections.opened();
        let ended = connection.run(stop).await;
        metrics.connections.closed();
        match ended.is_ordinary() {
            true => debug!(%peer, reason = %ended, "connection closed"),
            false => info!(%peer, reason = %ended, "connection closed"),
        }
        drop(seat);
    });
}

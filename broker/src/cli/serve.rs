//! `kindred serve`: start, say where, wait for a signal, stop.

use std::io::IsTerminal;

use protocol::records::unpacking;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use super::{Failure, ServerArgs};
use crate::{Broker, Handle, log_levels};

pub(super) fn run(args: &ServerArgs) -> Result<(), Failure> {
    let config = args.load()?;
    log_to_stderr("info");
    runtime()?.block_on(async {
        let signals = Signals::watch()?;
        let handle = Broker::start(config).await.map_err(Failure::usage)?;
        announce(&handle);
        signals.received().await;
        handle.stop().await.map_err(Failure::runtime)
    })
}

/// One worker per core: handlers never block but on the page cache. Records that unpack to many times a usual batch are
/// unpacked by a thread that has handed its work as a worker over to another.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    unpacking::run_large_work_by(|work| tokio::task::block_in_place(work));
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("kindred-worker")
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(format!("the runtime does not start: {error}")))
}

/// Logs at `RUST_LOG` (a `tracing` filter, or `default` if it is unset) to standard error.
pub(super) fn log_to_stderr(default: &str) {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| EnvFilter::try_new(text).is_ok());
    let base = asked.unwrap_or_else(|| default.to_owned());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&base))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter_reloading();
    let filter = builder.reload_handle();
    // A second start in one process (a test) keeps the first subscriber.
    if builder.try_init().is_ok() {
        log_levels::install(base, move |changed| {
            if let Err(error) = filter.reload(changed) {
                tracing::warn!(%error, "levels of the log not changed");
            }
        });
    }
}

/// The line that programs wait for before they connect.
pub(super) fn announce(handle: &Handle) {
    let http = handle.http_address().map(|address| format!(" http={address}")).unwrap_or_default();
    eprintln!("kindred ready kafka={}{http}", handle.kafka_address());
}

/// The signals that end the program, watched from before it says that it is ready.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn watch() -> Result<Self, Failure> {
        let failed = |error| Failure::runtime(format!("signals cannot be watched: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { terminate, interrupt })
    }

    /// Completes at SIGTERM or SIGINT.
    pub(super) async fn received(mut self) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        info!(signal = name, "stopping");
    }
}

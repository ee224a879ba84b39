//! The `kindred` program: arguments in, exit code out. Everything else is in the `broker` library,
//! behind the same door that the tests use.

use std::process::ExitCode;

// Long-lived small objects of many sizes on many threads (groups, neighbour rows) fragment the
// system allocator's arenas; mimalloc keeps idle and loaded resident memory lower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    broker::cli::run()
}

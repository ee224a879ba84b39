//! Operations that must not get dearer unnoticed: each in a loop, for a program that counts instructions.
//!
//! ```text
//! instructions                    prints the operations, a line each: its name, the lower count, the higher
//! instructions NAME COUNT         prepares the operation, then does it COUNT times
//! ```
//! `benches/instructions/run` runs every operation under callgrind with both counts and divides the difference, so that
//! what was prepared cancels out. For that the preparation must not depend on COUNT, nor anything on chance: seeds are
//! fixed, clocks stand still, there is one thread.
//!
//! Instructions of the kernel are not counted: an append is here what it costs around its `pwritev`.

mod codec;
mod events;
mod log;

use std::process::ExitCode;

/// One operation, ready to be done; the argument says how often it was done before.
type Prepared = Box<dyn FnMut(u64)>;

/// An operation that is counted.
struct Operation {
    name: &'static str,
    /// The lower and the higher number of times that it is done.
    counts: [u64; 2],
    prepare: fn() -> Prepared,
}

const fn operation(name: &'static str, counts: [u64; 2], prepare: fn() -> Prepared) -> Operation {
    Operation { name, counts, prepare }
}

const OPERATIONS: &[Operation] = &[
    operation("decode_produce_request", [100, 1_100], codec::decode_produce_request),
    operation("encode_produce_response", [100, 1_100], codec::encode_produce_response),
    operation("decode_fetch_request_100_partitions", [100, 1_100], codec::decode_fetch_request),
    operation("encode_fetch_response_100_partitions", [100, 1_100], codec::encode_fetch_response),
    operation("encode_metadata_response_1000_partitions", [10, 110], codec::encode_metadata_response),
    operation("walk_1000_records", [10, 110], codec::walk_records),
    operation("append_16kb", [50, 250], log::append),
    operation("append_16kb_lz4", [50, 250], log::append_lz4),
    operation("look_up_offset", [100, 1_100], log::look_up_offset),
    operation("look_up_time", [100, 1_100], log::look_up_time),
    operation("fetch_1mb", [100, 1_100], log::fetch),
    operation("apply_event", [5_000, 10_000], events::apply),
    operation("ingest_json_event", [5_000, 10_000], events::ingest),
    operation("recommend_10", [20, 70], events::recommend),
];

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of the command line")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = &arguments[..] else {
        for Operation { name, counts: [lower, higher], .. } in OPERATIONS {
            println!("{name} {lower} {higher}");
        }
        return ExitCode::SUCCESS;
    };
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    let (Some(operation), Ok(count)) = (operation, count.parse()) else {
        eprintln!("usage: instructions [NAME COUNT]; without arguments it prints the names");
        return ExitCode::FAILURE;
    };
    let mut run = (operation.prepare)();
    (0..count).for_each(&mut run);
    ExitCode::SUCCESS
}

/// A small deterministic generator (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

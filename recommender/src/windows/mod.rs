//! Windows over event time: numbers by key in, one figure for each window out.
//!
//! ```text
//! add(key, time, number) ─▶ windows of that key ─▶ close() ─▶ those that the watermark has passed
//!                   │ late                 └─ kept for a grace, and told again where something late changed them
//!                   └─▶ refused: told by the return value, counted
//! ```
//! | cut | windows | of which a number at t is in |
//! |---|---|---|
//! | tumbling | [k·size, (k+1)·size) | one |
//! | hopping | [k·advance, k·advance + size) | size/advance |
//! | sliding | [t−size, t], one that ends with each number's time | all that end from t to t+size |
//! | session | from a first number to the last before a silence of gap, and that gap | one, which may join two |
//!
//! **Time** is that of the numbers, never a clock's. The watermark is the newest time less `delay`; a window is told once the
//! watermark has reached its end. Numbers up to `delay` out of order therefore change nothing. One that comes later, for a
//! window that was told, is taken in as long as the watermark is less than `grace` past the window's end, and the window is
//! told again (allowed lateness, as Flink calls it); after that it is late. With `delay` 0 a window is told at once and
//! corrected as in Kafka Streams; with `grace` 0 it is told once, as by Kafka Streams' `Suppressed.untilWindowCloses` with
//! this `delay` for a grace period. Windows are aligned to 1970 as there. Where time stands still, nothing is told: the last
//! windows of a topic that has gone quiet wait for its next message.
//!
//! **Bounded.** Of at most so many windows those that end first are told and dropped early where room is needed; a number
//! that comes for one of them is late.
//!
//! | file | is |
//! |---|---|
//! | `cut` | how time is cut |
//! | `figure` | what is made of a window's numbers |
//! | `store` | windows by key, told and dropped by the watermark |
//! | `fading` | sums that fade, of one series |

pub mod cut;
pub mod fading;
pub mod figure;
pub mod store;

pub use cut::Cut;
pub use fading::Fading;
pub use figure::{Figure, Totals};
pub use store::{Settings, Taken, Told, Windows};

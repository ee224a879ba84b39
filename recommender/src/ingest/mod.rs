//! The door: bytes of a topic become a valid event, or a reason why not.
//!
//! ```text
//! bytes ──parse──▶ Event / ItemEntity / UserEntity ──clean──▶ learnt
//!    └─ Rejection ◀──────────┴──────────────────────────┘
//! ```
//!
//! [`parse`] knows the accepted shapes and nothing of settings; [`clean`] knows the settings, the time and what
//! was seen before. Nothing is dropped silently: whatever is not learnt has a [`Rejection`].

pub mod action;
pub mod clean;
pub mod entity;
pub mod event;
mod examine;
pub mod parse;
mod python_dict;
pub mod rejection;
pub(crate) mod scalar;
mod shapes;
pub mod time;

pub use action::{ActionId, Actions};
pub use entity::{ItemEntity, UserEntity};
pub use event::{Event, Position};
pub use examine::examine;
pub use rejection::Rejection;

//! The network between clients and a model server.

mod authority;
mod busy;
mod link;

pub use authority::Authority;
pub(crate) use busy::Fate;
pub use busy::{Excess, Gate, Limit, Lost};
pub(crate) use link::{Link, Side};

//! The state that threads share, under many schedules: `RUSTFLAGS="--cfg shuttle" cargo test -p pusher-driver --test
//! schedules`.
#![cfg(shuttle)]

#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod world;

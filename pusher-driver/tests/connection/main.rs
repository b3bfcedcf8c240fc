//! The loop, its handles and its streams, over a simulated runtime.
#![cfg(feature = "async")]

#[cfg(test)]
mod authorizers;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod end;
#[cfg(test)]
mod handles;
#[cfg(test)]
mod history;
#[cfg(test)]
mod http_auth;
#[cfg(test)]
mod logging;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod stays;
mod streams;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod typed;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod world;

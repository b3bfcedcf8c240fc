//! Clients in memory, in virtual time: what each fault does to the handles, and how time passes.
#![cfg(test)]

mod backend;
mod faults;
mod stage;
mod time;

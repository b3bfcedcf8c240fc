//! The programs are in `bin`. Here is only what the README of the repository shows, so that it is compiled.
#![doc = include_str!("../../README.md")]

//! The programs are in `bin`. Here is only what the README of the repository shows, so that it is compiled.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

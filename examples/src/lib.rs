//! The programs are in `bin`. This library contains only the README of the repository, so that its examples are
//! compiled.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

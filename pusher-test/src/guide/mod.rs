//! Guides: complete examples for those who test.

#[cfg(feature = "arbitrary")]
#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}

#[cfg(feature = "proptest")]
#[doc = include_str!("property_tests.md")]
pub mod property_tests {}

#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

pub use pusher_proto;

pub mod network;
pub mod world;

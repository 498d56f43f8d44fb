//! The pipeline document as written: its wire types, the located tree and the shape check.
//!
//! The document is read once into a tree that remembers line and column, the tree is checked
//! against the JSON Schema generated from [`wire`] (so editor and program agree by construction),
//! and only then turned into types. That is what lets every mistake of a file be reported at once.

pub(crate) mod node;
pub(crate) mod shape;
pub(crate) mod sound;
pub mod wire;

//! Compares two schemas: [`assignable`] (can a value of A fail to be a B), [`disjoint`] (can it never be one), and the words for
//! both.
//!
//! Invariant: "never" is reported only where it is certain; everything in doubt is a warning at most.

pub mod assignable;
pub mod describe;
pub mod disjoint;
pub mod range;

//! The command `agentgen`: makes services out of agent files. The package has a library only so that its tests can
//! reach [`scaffold`] and [`suggest`]; nothing in it is for other crates.

mod commands;
mod configuration;
mod graph;
#[doc(hidden)]
pub mod scaffold;
#[doc(hidden)]
pub mod suggest;
mod terminal;

pub use commands::main;

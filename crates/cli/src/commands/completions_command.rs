//! `agentgen completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::terminal::{Status, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the completion script.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "agentgen", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Status::Fine)
}

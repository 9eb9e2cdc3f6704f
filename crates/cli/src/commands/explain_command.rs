//! `agentgen explain`

use agentgen_build::Code;
use agentgen_build::inspect::{did_you_mean, printable};
use clap::Args;

use crate::terminal::explanation::explanation;
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The code of a diagnostic, such as AG005 [default: list all codes]
    code: Option<String>,
}

/// Prints the explanation of one code as Markdown, or one line for each code.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let Some(name) = &arguments.code else {
        let lines = Code::ALL
            .iter()
            .map(|code| format!("{code}  {}\n", code.title()));
        print(&lines.collect::<String>())?;
        return Ok(Status::Fine);
    };
    let mut codes = Code::ALL.iter();
    let Some(code) = codes.find(|code| code.as_str().eq_ignore_ascii_case(name.trim())) else {
        let names = Code::ALL.iter().map(|code| code.as_str());
        let help = did_you_mean(name, names, "`agentgen explain` lists the codes");
        eprint_line(&format!(
            "error: there is no code `{}`; {help}",
            printable(name)
        ));
        return Err(Status::Usage);
    };
    print(&explanation(*code))?;
    Ok(Status::Fine)
}

//! `agentgen explain`

use agentgen_build::Code;
use agentgen_build::inspect::{did_you_mean, printable};
use clap::Args;

use crate::terminal::{Status, eprint_line, print};

/// One section for each code, under a heading `# AG001`, with `## Example` and `## Fix`.
const EXPLANATIONS: &str = include_str!("../../explanations.md");

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

/// The section of `code` in the explanations, with its title in the heading.
fn explanation(code: Code) -> String {
    let heading = format!("# {code}\n");
    let (_, rest) = EXPLANATIONS.split_once(&heading).unwrap_or_default();
    let text = rest.split("\n# AG").next().unwrap_or(rest);
    format!(
        "# {code}: {}\n{}\n",
        code.title().trim_end_matches('.'),
        text.trim_end()
    )
}

#[cfg(test)]
mod tests {
    use agentgen_build::Code;

    use super::EXPLANATIONS;

    #[test]
    fn every_code_is_explained_once_and_in_order() {
        let headings = EXPLANATIONS
            .lines()
            .filter_map(|line| line.strip_prefix("# AG"));
        let explained: Vec<String> = headings.map(|number| format!("AG{number}")).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(
            explained, codes,
            "add a section to crates/cli/explanations.md"
        );
    }
}

//! Diagnostics as workflow commands of GitHub Actions, which shows each beside its line in a pull request.

use agentgen_build::inspect::printable;
use agentgen_build::{Diagnostic, Severity};

use crate::terminal::report_root;

/// One command per diagnostic: `::error file=agents/a.md,line=2,col=7,endLine=2,endColumn=9,title=AG021::message`.
pub fn commands(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(command).collect()
}

fn command(diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let file = report_root::from_repository(&diagnostic.path);
    let mut properties = vec![("file", property(&file))];
    if let Some((start, end)) = diagnostic.location().zip(diagnostic.end_location()) {
        properties.push(("line", start.line.to_string()));
        properties.push(("col", start.column.to_string()));
        properties.push(("endLine", end.line.to_string()));
        // Columns count only where the place is on one line.
        if end.line == start.line {
            properties.push(("endColumn", end.column.to_string()));
        }
    }
    properties.push(("title", property(diagnostic.code.as_str())));
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let text = match &diagnostic.help {
        Some(help) => format!("{} ({help})", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    format!(
        "::{kind} {}::{}\n",
        properties.join(","),
        data(&printable(&text))
    )
}

/// `text` behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// `text` as the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agentgen_build::{Code, Diagnostic, Severity, Source, Span};

    use super::commands;

    #[test]
    fn a_command_has_the_place_and_escapes_what_would_end_it() {
        let source = Arc::new(Source::new("a,b:100%.md", "---\nname: é x\n".to_owned()));
        let name = Diagnostic::error(Code::NameUnusable, "", "100%: no\n::error::forged, really")
            .at(&source, Span::new(10, 14))
            .help("choose another");
        let folder = Diagnostic::error(Code::NoAgents, "agents", "there are no agents here")
            .with_severity(Severity::Note);
        assert_eq!(
            commands(&[name, folder]),
            "::error file=a%2Cb%3A100%25.md,line=2,col=7,endLine=2,endColumn=10,title=AG021::\
             100%25: no\\n::error::forged, really (choose another)\n\
             ::notice file=agents,title=AG092::there are no agents here\n"
        );
    }
}

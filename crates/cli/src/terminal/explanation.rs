//! What the codes of diagnostics mean, from `explanations.md`.

use agentgen_build::Code;

/// One section for each code, under a heading `# AG001`, with `## Example` and `## Fix`.
const EXPLANATIONS: &str = include_str!("../../explanations.md");

/// The section of `code` as Markdown, with its title in the heading.
pub fn explanation(code: Code) -> String {
    format!("# {code}: {}\n{}\n", title(code), section(code).trim_end())
}

/// What `code` means, in a few words.
pub fn title(code: Code) -> &'static str {
    code.title().trim_end_matches('.')
}

/// What `code` means, in a paragraph.
pub fn paragraph(code: Code) -> String {
    let text = section(code).trim_start();
    let text = text.split("\n\n").next().unwrap_or(text);
    text.lines().collect::<Vec<_>>().join(" ")
}

fn section(code: Code) -> &'static str {
    let heading = format!("# {code}\n");
    let (_, rest) = EXPLANATIONS.split_once(&heading).unwrap_or_default();
    rest.split("\n# AG").next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use agentgen_build::Code;

    use super::{EXPLANATIONS, paragraph};

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

    #[test]
    fn every_explanation_starts_with_a_paragraph() {
        for code in Code::ALL {
            let text = paragraph(code);
            assert!(
                text.ends_with('.') && !text.starts_with('#'),
                "{code}: {text}"
            );
        }
    }
}

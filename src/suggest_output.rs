//! The form of the answers that a body asks for, under a heading such as "Output Format".

use serde::Serialize;

use crate::markdown::{Block, Kind, section};
use crate::suggest::one_line;
use crate::suggest_skeleton::{self, Property};

/// The form of an agent's answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The heading.
    pub title: String,
    /// The line of the heading.
    pub line: usize,
    /// What it was read from.
    pub form: Form,
    /// What an answer holds.
    pub properties: Vec<Property>,
}

/// What the form of answers is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// An example in JSON.
    Json,
    /// A skeleton of a text.
    Markdown,
    /// A list of what answers hold.
    List,
}

/// The first form of answers that can be read.
pub fn read(blocks: &[Block]) -> Option<Output> {
    blocks.iter().enumerate().find_map(|(index, block)| {
        if !block.is_title() || !announces(&block.text) {
            return None;
        }
        let section = section(blocks, index);
        let (form, properties) = form(section)?;
        Some(Output {
            title: one_line(block.text.trim().trim_end_matches(':'), 80),
            line: block.line,
            form,
            properties,
        })
    })
}

fn announces(title: &str) -> bool {
    let title = title.to_lowercase();
    let words: Vec<&str> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let what = |word: &str| {
        matches!(
            word,
            "output" | "response" | "report" | "reporting" | "answer"
        )
    };
    let form = |word: &str| {
        matches!(
            word,
            "format" | "formats" | "structure" | "schema" | "template"
        )
    };
    words.windows(2).any(|pair| what(pair[0]) && form(pair[1]))
}

fn form(section: &[Block]) -> Option<(Form, Vec<Property>)> {
    let code = |block: &&Block| matches!(block.kind, Kind::Fence(_));
    let fences = || section.iter().filter(code);
    let json = fences().find_map(|block| {
        let found = suggest_skeleton::of_json(&block.text)?;
        Some((Form::Json, found))
    });
    let markdown = || {
        fences()
            .filter(|block| {
                matches!(&block.kind, Kind::Fence(language) if matches!(language.as_str(), "" | "markdown" | "md" | "text" | "txt"))
            })
            .find_map(|block| {
                let found = suggest_skeleton::of_markdown(&block.text)?;
                Some((Form::Markdown, found))
            })
    };
    // Code of other kinds is not what an answer looks like, and a list beside code explains the code.
    let list = || match fences().next() {
        Some(_) => None,
        None => Some((Form::List, suggest_skeleton::of_list(section)?)),
    };
    json.or_else(markdown).or_else(list)
}

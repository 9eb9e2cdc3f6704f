//! The form of the answers that a body asks for, under a heading such as "Output Format".

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::suggest::reading::json_sample;
use crate::suggest::reading::markdown::{Block, Kind, section};
use crate::suggest::reading::one_line;
use crate::suggest::reading::text_sample::{self, Property};
use agentgen_build::Source;
use agentgen_build::inspect::{Report, read_yaml};

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
    /// An example in YAML.
    Yaml,
    /// A skeleton of a text.
    Markdown,
    /// A list of what answers hold.
    List,
}

/// The first form of answers that can be read.
pub fn read(blocks: &[Block]) -> Option<Output> {
    blocks.iter().enumerate().find_map(|(index, block)| {
        let whole = announces(&block.text);
        if !block.is_title() || !(whole || asks_for_data(&block.text)) {
            return None;
        }
        let section = section(blocks, index);
        // What is less of an announcement counts where nothing but data follows.
        let (form, properties) = if whole {
            form(section)?
        } else {
            data(section)?
        };
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
            "output"
                | "response"
                | "report"
                | "reporting"
                | "answer"
                | "result"
                | "results"
                | "reply"
                | "return"
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

/// Whether `title` is followed by an answer as data: "Output", "Always answer with this JSON".
fn asks_for_data(title: &str) -> bool {
    let title = title.trim().trim_end_matches(':').to_lowercase();
    let words: Vec<&str> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let has = |some: &[&str]| words.iter().any(|word| some.contains(word));
    let alone = matches!(
        title.as_str(),
        "output" | "outputs" | "response" | "final output" | "expected output"
    );
    alone || (has(&["answer", "respond", "reply", "return", "output"]) && has(&["json", "yaml"]))
}

fn form(section: &[Block]) -> Option<(Form, Vec<Property>)> {
    let markdown = || {
        fences(section)
            .filter(|(language, _)| matches!(*language, "" | "markdown" | "md" | "text" | "txt"))
            .find_map(|(_, block)| {
                let found = text_sample::of_markdown(&block.text)?;
                Some((Form::Markdown, found))
            })
    };
    // Code of other kinds is not what an answer looks like, and a list beside code explains the code.
    let list = || match fences(section).next() {
        Some(_) => None,
        None => text_sample::of_headings(section)
            .map(|found| (Form::Markdown, found))
            .or_else(|| Some((Form::List, text_sample::of_list(section)?))),
    };
    data(section).or_else(markdown).or_else(list)
}

/// The first code of `section` that is an answer in JSON or YAML.
fn data(section: &[Block]) -> Option<(Form, Vec<Property>)> {
    fences(section).find_map(|(language, block)| {
        if matches!(language, "yaml" | "yml") {
            let source = Arc::new(Source::new("answer.yaml", block.text.clone()));
            let node = read_yaml(&mut Report::new(&source))?;
            return Some((
                Form::Yaml,
                json_sample::of_value(&node.to_json(), &BTreeMap::new())?,
            ));
        }
        let found = json_sample::of_json(&block.text)?;
        Some((Form::Json, found))
    })
}

/// The code in `section`, each with its language.
fn fences(section: &[Block]) -> impl Iterator<Item = (&str, &Block)> {
    section.iter().filter_map(|block| match &block.kind {
        Kind::Fence(language) => Some((language.as_str(), block)),
        _ => None,
    })
}

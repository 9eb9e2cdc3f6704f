//! The blocks of a Markdown text as a flat list, without the markup.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use agentgen_build::inspect::lines;

/// One block of a Markdown text.
#[derive(Debug, Clone)]
pub struct Block {
    /// What it is.
    pub kind: Kind,
    /// The line it starts on, from 1.
    pub line: usize,
    /// Its bytes; those of a list item hold the items below it.
    pub range: Range<usize>,
    /// Its text without markup and without the blocks below it; for code, the code.
    pub text: String,
    /// The texts in backticks.
    pub codes: Vec<String>,
    /// The bold text or code it starts with.
    pub lead: Option<String>,
    /// The cells of a table's row.
    pub cells: Vec<String>,
}

/// The kinds of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A heading, from 1, the largest, to 6.
    Heading(u8),
    /// A paragraph that is no part of a list item.
    Paragraph,
    /// A list item, below so many others.
    Item(usize),
    /// An item with a box to tick, below so many others.
    Task(usize),
    /// Code between fences, and the first word behind the opening one.
    Fence(String),
    /// The first row of a table.
    Head,
    /// Another row.
    Row,
}

impl Block {
    /// The level of the block as a heading: blocks of a higher level belong to it. `None` for blocks
    /// that nothing belongs to.
    ///
    /// A paragraph that is all bold or ends in a colon is a heading to its readers, below the real ones.
    pub fn level(&self) -> Option<usize> {
        match &self.kind {
            Kind::Heading(level) => Some(usize::from(*level)),
            Kind::Paragraph if self.is_all_lead() => Some(7),
            Kind::Paragraph if self.text.trim_end().ends_with(':') => Some(8),
            Kind::Item(depth) | Kind::Task(depth) => Some(10 + depth),
            _ => None,
        }
    }

    fn is_all_lead(&self) -> bool {
        let plain = |text: &str| text.trim().trim_end_matches(':').len();
        self.lead
            .as_deref()
            .is_some_and(|lead| plain(lead) == plain(&self.text))
    }

    /// Whether it introduces others: a heading, or a paragraph that reads as one.
    pub fn is_title(&self) -> bool {
        self.level().is_some_and(|level| level < 10)
    }
}

/// The blocks behind the one at `index` that belong to it: up to the next of its level or above.
pub fn section(blocks: &[Block], index: usize) -> &[Block] {
    let own = blocks[index].level().unwrap_or(usize::MAX);
    let rest = &blocks[index + 1..];
    let end = rest
        .iter()
        .position(|block| block.level().is_some_and(|level| level <= own))
        .unwrap_or(rest.len());
    &rest[..end]
}

/// The blocks of the Markdown text `body`, in its order (CommonMark with tables and task lists).
pub fn blocks(body: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let starts: Vec<usize> = lines(body, 0..body.len()).map(|line| line.start).collect();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut items = 0;
    let mut bold = 0;
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        let kind = match &event {
            Event::Start(Tag::Heading { level, .. }) => Some(Kind::Heading(level_number(*level))),
            Event::Start(Tag::Paragraph) if items == 0 => Some(Kind::Paragraph),
            Event::Start(Tag::Item) => Some(Kind::Item(items)),
            Event::Start(Tag::CodeBlock(fence)) => Some(Kind::Fence(language(fence))),
            Event::Start(Tag::TableHead) => Some(Kind::Head),
            Event::Start(Tag::TableRow) => Some(Kind::Row),
            _ => None,
        };
        if let Some(kind) = kind {
            items += usize::from(matches!(kind, Kind::Item(_)));
            open.push(blocks.len());
            blocks.push(Block {
                kind,
                line: starts.partition_point(|start| *start <= range.start).max(1),
                range,
                text: String::new(),
                codes: Vec::new(),
                lead: None,
                cells: Vec::new(),
            });
            continue;
        }
        if let Event::End(
            TagEnd::Heading(_)
            | TagEnd::Item
            | TagEnd::CodeBlock
            | TagEnd::TableHead
            | TagEnd::TableRow,
        ) = event
        {
            items -= usize::from(event == Event::End(TagEnd::Item));
            open.pop();
            continue;
        }
        if event == Event::End(TagEnd::Paragraph) && items == 0 {
            open.pop();
            continue;
        }
        let Some(block) = open.last().map(|index| &mut blocks[*index]) else {
            continue;
        };
        match event {
            Event::Start(Tag::TableCell) => block.cells.push(String::new()),
            Event::Start(Tag::Strong) => bold += 1,
            Event::End(TagEnd::Strong) => bold -= 1,
            Event::Text(text) => push(block, &text, bold > 0, false),
            Event::Code(code) => push(block, &code, true, true),
            // The paragraphs of one item are parts of one text.
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph) => {
                push(block, "\n", false, false);
            }
            Event::TaskListMarker(_) => {
                if let Kind::Item(depth) = block.kind {
                    block.kind = Kind::Task(depth);
                }
            }
            _ => {}
        }
    }
    blocks
}

fn push(block: &mut Block, text: &str, leads: bool, is_code: bool) {
    if leads && block.text.is_empty() {
        block.lead = Some(String::new());
    }
    // Bold text may come in pieces.
    if let Some(lead) = &mut block.lead
        && leads
        && lead.len() == block.text.len()
    {
        lead.push_str(text);
    }
    block.text.push_str(text);
    if is_code {
        block.codes.push(text.to_owned());
    }
    if let Some(cell) = block.cells.last_mut() {
        cell.push_str(text);
    }
}

fn language(fence: &CodeBlockKind<'_>) -> String {
    match fence {
        CodeBlockKind::Fenced(info) => info
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase(),
        CodeBlockKind::Indented => String::new(),
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    level as u8
}

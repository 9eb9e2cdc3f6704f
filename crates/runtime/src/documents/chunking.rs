//! Splits plain text or Markdown into passages: at headings, then between paragraphs, then within long paragraphs.

/// In characters.
const MAX_PASSAGE: usize = 1_600;
/// In characters. A longer line that starts with `#` is text.
const MAX_HEADING: usize = 200;

/// A passage with its headings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The headings above the passage, from the outermost to the nearest.
    pub(crate) headings: Vec<String>,
    /// The text, without the headings.
    pub(crate) text: String,
}

/// The passages of a text: at least one, unless the text is blank.
pub(crate) fn split(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    // The current headings, with their depths.
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut passage = String::new();
    for block in blocks(text) {
        match block {
            Block::Heading(depth, title) => {
                finish(&mut sections, &headings, &mut passage);
                headings.retain(|(above, _)| *above < depth);
                headings.push((depth, title));
            }
            Block::Text(block) => {
                for piece in pieces(&block) {
                    if !passage.is_empty() && length(&passage) + 2 + length(piece) > MAX_PASSAGE {
                        finish(&mut sections, &headings, &mut passage);
                    }
                    if !passage.is_empty() {
                        passage.push_str("\n\n");
                    }
                    passage.push_str(piece);
                }
            }
        }
    }
    finish(&mut sections, &headings, &mut passage);
    if sections.is_empty() {
        // A text of headings only is indexed as text.
        for piece in pieces(text) {
            finish(&mut sections, &[], &mut piece.to_owned());
        }
    }
    sections
}

enum Block {
    /// Depth and text.
    Heading(usize, String),
    Text(String),
}

/// The headings and paragraphs of a text. A fenced code block belongs to one paragraph, whatever it contains.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match (fence, parse_fence(line)) {
            (None, None) => {
                let title = parse_heading(line);
                if title.is_some() || line.trim().is_empty() {
                    end_paragraph(&mut blocks, &mut paragraph);
                    blocks.extend(title.map(|(depth, title)| Block::Heading(depth, title)));
                    continue;
                }
            }
            (None, opened) => fence = opened,
            // CommonMark: a fence is closed by one of the same character that is at least as long.
            (Some(open), Some(mark)) if mark.starts_with(open) => fence = None,
            (Some(_), _) => {}
        }
        paragraph.push_str(line);
        paragraph.push('\n');
    }
    end_paragraph(&mut blocks, &mut paragraph);
    blocks
}

fn end_paragraph(blocks: &mut Vec<Block>, paragraph: &mut String) {
    let text = std::mem::take(paragraph);
    if !text.trim().is_empty() {
        blocks.push(Block::Text(text.trim_end().to_owned()));
    }
}

/// The mark that opens or closes a code block: at least three backticks or tildes.
fn parse_fence(line: &str) -> Option<&str> {
    let line = line.trim_start();
    ['`', '~'].into_iter().find_map(|mark| {
        let rest = line.trim_start_matches(mark);
        let count = line.len() - rest.len();
        (count >= 3).then(|| &line[..count])
    })
}

/// Depth and text of an ATX heading: `#` to `######`, then a space.
fn parse_heading(line: &str) -> Option<(usize, String)> {
    let rest = line.trim_start_matches('#');
    let depth = line.len() - rest.len();
    if !(1..=6).contains(&depth) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim().trim_end_matches('#').trim_end();
    let is_title = !title.is_empty() && length(title) <= MAX_HEADING;
    is_title.then(|| (depth, title.to_owned()))
}

/// A paragraph in pieces of at most [`MAX_PASSAGE`] characters. It is cut after a line, else a sentence, else a word, but
/// never in the first half of a piece; without such a place, within a word.
fn pieces(block: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = block.trim_end();
    while let Some((end, _)) = rest.char_indices().nth(MAX_PASSAGE) {
        let window = &rest[..end];
        let cut = ["\n", ". ", "! ", "? ", " "].iter().find_map(|mark| {
            let index = window.rfind(mark)? + mark.len();
            (index > end / 2).then_some(index)
        });
        let (piece, others) = rest.split_at(cut.unwrap_or(end));
        pieces.push(piece.trim_end());
        rest = others.trim_start();
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn finish(sections: &mut Vec<Section>, headings: &[(usize, String)], passage: &mut String) {
    let text = std::mem::take(passage);
    if !text.is_empty() {
        let headings = headings
            .iter()
            .map(|(_, heading)| heading.clone())
            .collect();
        sections.push(Section { headings, text });
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

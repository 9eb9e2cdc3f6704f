//! Cuts a text into passages, where its author did: at headings, then between paragraphs.

/// How long a passage is at most, in characters.
const LONGEST_PASSAGE: usize = 1_600;
/// How long a heading is at most; what is longer is text.
const LONGEST_HEADING: usize = 200;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The headings it stands under, the nearest one last.
    pub(crate) headings: Vec<String>,
    /// Its text, without the headings.
    pub(crate) text: String,
}

/// The passages of plain text or Markdown: at least one, unless there is nothing to read.
pub(crate) fn split(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    // The headings that are open, with their depths.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut passage = String::new();
    for block in blocks(text) {
        match block {
            Block::Heading(depth, title) => {
                end(&mut sections, &open, &mut passage);
                open.retain(|(above, _)| *above < depth);
                open.push((depth, title));
            }
            Block::Text(block) => {
                for piece in pieces(&block) {
                    if !passage.is_empty() && length(&passage) + 2 + length(piece) > LONGEST_PASSAGE
                    {
                        end(&mut sections, &open, &mut passage);
                    }
                    if !passage.is_empty() {
                        passage.push_str("\n\n");
                    }
                    passage.push_str(piece);
                }
            }
        }
    }
    end(&mut sections, &open, &mut passage);
    if sections.is_empty() {
        // Headings and nothing else: they are the text.
        for piece in pieces(text) {
            end(&mut sections, &[], &mut piece.to_owned());
        }
    }
    sections
}

enum Block {
    /// Its depth, and its text.
    Heading(usize, String),
    Text(String),
}

/// The headings and paragraphs of a text. What is fenced is one paragraph, whatever is in it.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match (fence, fence_of(line)) {
            (None, None) => {
                let title = title_of(line);
                if title.is_some() || line.trim().is_empty() {
                    close(&mut blocks, &mut paragraph);
                    blocks.extend(title.map(|(depth, title)| Block::Heading(depth, title)));
                    continue;
                }
            }
            (None, opened) => fence = opened,
            // A fence is closed by one of the same kind that is at least as long.
            (Some(open), Some(mark)) if mark.starts_with(open) => fence = None,
            (Some(_), _) => {}
        }
        paragraph.push_str(line);
        paragraph.push('\n');
    }
    close(&mut blocks, &mut paragraph);
    blocks
}

fn close(blocks: &mut Vec<Block>, paragraph: &mut String) {
    let text = std::mem::take(paragraph);
    if !text.trim().is_empty() {
        blocks.push(Block::Text(text.trim_end().to_owned()));
    }
}

/// The mark that opens or closes a fence: three backticks or tildes at least.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    ['`', '~'].into_iter().find_map(|mark| {
        let rest = line.trim_start_matches(mark);
        let count = line.len() - rest.len();
        (count >= 3).then(|| &line[..count])
    })
}

/// The depth and the text of a heading: `#` to `######`, and a space.
fn title_of(line: &str) -> Option<(usize, String)> {
    let rest = line.trim_start_matches('#');
    let depth = line.len() - rest.len();
    if !(1..=6).contains(&depth) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim().trim_end_matches('#').trim_end();
    let is_title = !title.is_empty() && length(title) <= LONGEST_HEADING;
    is_title.then(|| (depth, title.to_owned()))
}

/// A paragraph in pieces that fit into a passage: cut behind a line, a sentence or a word, whatever leaves the longest
/// piece that is not too short, or else in the middle of a word.
fn pieces(block: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = block.trim_end();
    while let Some((end, _)) = rest.char_indices().nth(LONGEST_PASSAGE) {
        let most = &rest[..end];
        let cut = ["\n", ". ", "! ", "? ", " "].iter().find_map(|mark| {
            let place = most.rfind(mark)? + mark.len();
            (place > end / 2).then_some(place)
        });
        let (piece, others) = rest.split_at(cut.unwrap_or(end));
        pieces.push(piece.trim_end());
        rest = others.trim_start();
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn end(sections: &mut Vec<Section>, open: &[(usize, String)], passage: &mut String) {
    let text = std::mem::take(passage);
    if !text.is_empty() {
        let headings = open.iter().map(|(_, heading)| heading.clone()).collect();
        sections.push(Section { headings, text });
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

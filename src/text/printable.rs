//! Text from files, made fit for a line of a terminal.

/// `text` on one line, with every character escaped that could move the cursor or turn the reading direction.
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\t' {
            line.push(' ');
        } else if character.is_control() || is_bidi(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

fn is_bidi(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Whether `c` can't be seen: controls (other than line breaks and tabs), bidirectional controls,
/// zero-width characters, and tags.
pub fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escapes_what_moves_the_cursor() {
        assert_eq!(
            printable("a\u{1b}[2Jb\nc\u{202e}d é"),
            r"a\u{1b}[2Jb\nc\u{202e}d é"
        );
    }
}

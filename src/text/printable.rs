//! Text from files, made fit for a line of a terminal.

/// `text` on one line, with every character escaped that could move the cursor, turn the reading direction or not be seen.
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\t' {
            line.push(' ');
        } else if character.is_control() || (is_hidden(character) && !is_joiner(character)) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether `c` joins or separates visible characters: emoji and scripts need it.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether `c` can't be seen: controls (other than line breaks and tabs), bidirectional controls,
/// zero-width characters, tags, and what is no character.
pub fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
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

    #[test]
    fn shows_what_can_not_be_seen() {
        assert_eq!(
            printable("\u{7f}\u{9b}\u{85}\u{2028}\u{200b}\u{feff}\u{fffe}"),
            r"\u{7f}\u{9b}\u{85}\u{2028}\u{200b}\u{feff}\u{fffe}"
        );
        // A family is one emoji of three, joined.
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(printable(family), family);
    }
}

//! Text in the letters `a` to `z`: accents are folded, a few symbols are spelled out.

/// Latin letters and digits by what they become; each capital is found by its small letter.
const FOLDED: [(&str, &str); 49] = [
    ("0", "⁰₀"),
    ("1", "¹₁"),
    ("2", "²₂"),
    ("3", "³₃"),
    ("4", "⁴₄"),
    ("5", "⁵₅"),
    ("6", "⁶₆"),
    ("7", "⁷₇"),
    ("8", "⁸₈"),
    ("9", "⁹₉"),
    ("a", "ªàáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặⱥ"),
    ("b", "ƀɓḃḅḇ"),
    ("c", "çćĉċčȼḉ"),
    ("d", "ðďđɖɗḋḍḏḑḓ"),
    ("e", "èéêëēĕėęěȅȇȩɇəɛḕḗḙḛḝẹẻẽếềểễệ"),
    ("f", "ƒḟ"),
    ("g", "ĝğġģǥǧǵɣḡ"),
    ("h", "ĥħȟḣḥḧḩḫẖ"),
    ("i", "ìíîïĩīĭįİıǐȉȋɨɩḭḯỉịⁱ"),
    ("j", "ĵǰȷɉⱼ"),
    ("k", "ķĸƙǩḱḳḵ"),
    ("l", "ĺļľŀłƚḷḹḻḽ"),
    ("m", "ḿṁṃ"),
    ("n", "ñńņňŉŋƞǹɲṅṇṉṋⁿ"),
    ("o", "ºòóôõöøōŏőơǒǫǭǿȍȏȫȭȯȱɔṍṏṑṓọỏốồổỗộớờởỡợ"),
    ("p", "ṕṗ"),
    ("r", "ŕŗřƦȑȓɍṙṛṝṟ"),
    ("s", "śŝşšſșṡṣṥṧṩẛ"),
    ("t", "ţťŧțṫṭṯṱẗⱦ"),
    ("u", "ùúûüũūŭůűųưǔǖǘǚǜȕȗʉṳṵṷṹṻụủứừửữự"),
    ("v", "ʋṽṿⱽ"),
    ("w", "ŵẁẃẅẇẉẘ"),
    ("x", "ẋẍ"),
    ("y", "ýÿŷƴȳɏẏẙỳỵỷỹ"),
    ("z", "źżžƶẑẓẕ"),
    ("ae", "æǣǽ"),
    ("dz", "ǆǳ"),
    ("ff", "ﬀ"),
    ("fi", "ﬁ"),
    ("fl", "ﬂ"),
    ("ij", "ĳ"),
    ("lj", "ǉ"),
    ("nj", "ǌ"),
    ("oe", "œ"),
    ("ss", "ß"),
    ("st", "ﬅﬆ"),
    ("th", "þ"),
    ("ffi", "ﬃ"),
    ("ffl", "ﬄ"),
];

/// The words of `text` in ASCII letters, digits and blanks, with symbols spelled out: `C++` is `C plus plus`, `C#` is
/// `C sharp`, `R&D` is `R and D`, `#1` is `number 1`, `.NET` is `dot NET`. None where a letter or digit would be lost.
pub fn ascii_words(text: &str) -> Option<String> {
    let folded = fold(text);
    let mut words = String::with_capacity(folded.len());
    let mut before: Option<char> = None;
    let mut rest = folded.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied();
        match c {
            _ if c.is_ascii_alphanumeric() => words.push(c),
            _ if c.is_alphanumeric() => return None,
            _ if is_apostrophe(c) => {}
            '+' => words.push_str(" plus "),
            '&' => words.push_str(" and "),
            '#' if before.is_some_and(|c| c.is_alphanumeric() || c == '+') => {
                words.push_str(" sharp ");
            }
            '#' if after.is_some_and(|c| c.is_ascii_digit()) => words.push_str(" number "),
            '.' if before.is_none_or(char::is_whitespace)
                && after.is_some_and(char::is_alphabetic) =>
            {
                words.push_str("dot ");
            }
            _ => words.push(' '),
        }
        before = Some(c);
    }
    Some(words)
}

/// `text` with the Latin letters in it as ASCII; everything else stays as it is.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii() {
            folded.push(c);
        } else if c == '♯' {
            folded.push('#');
        } else if let Some(ascii) = full_width(c) {
            folded.push(ascii);
        } else if let Some((letters, is_capital)) = fold_letter(c) {
            // `Ærø` is a word that begins with a capital; in `ÆRØ` all of them are capitals.
            let all = is_capital && !rest.peek().is_some_and(|next| next.is_lowercase());
            for (index, letter) in letters.char_indices() {
                let is_upper = all || (is_capital && index == 0);
                folded.push(if is_upper {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                });
            }
        } else if !is_combining(c) {
            folded.push(c);
        }
    }
    folded
}

/// Whether `c` joins the letters on its sides to one word.
pub fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}')
}

/// The ASCII letters for `c`, and whether it is a capital.
fn fold_letter(c: char) -> Option<(&'static str, bool)> {
    let find = |c: char| FOLDED.iter().find(|(_, letters)| letters.contains(c));
    if let Some((ascii, _)) = find(c) {
        return Some((ascii, c.is_uppercase()));
    }
    let mut lower = c.to_lowercase();
    let (Some(small), None) = (lower.next(), lower.next()) else {
        return None;
    };
    Some((find(small)?.0, true)).filter(|_| small != c)
}

/// The ASCII character of which `c` is the wide form.
fn full_width(c: char) -> Option<char> {
    let wide = u32::from(c);
    let is_wide = (0xff01..=0xff5e).contains(&wide);
    is_wide.then(|| char::from_u32(wide - 0xfee0)).flatten()
}

/// Whether `c` is an accent of its own, which stands behind its letter.
fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
}

#[cfg(test)]
mod tests {
    use super::{ascii_words, fold, is_apostrophe};

    #[test]
    fn accents_are_folded_to_their_letter() {
        let cases = [
            ("développeur", "developpeur"),
            ("de\u{301}veloppeur", "developpeur"),
            ("Ärztin Größe", "Arztin Grosse"),
            ("Łódź", "Lodz"),
            ("Ærø ÆRØ Ǽ", "Aero AERO AE"),
            ("STRAẞE straße", "STRASSE strasse"),
            ("smørrebrød", "smorrebrod"),
            ("Đặng Việt", "Dang Viet"),
            ("İstanbul ığdır", "Istanbul igdir"),
            ("Þór Œuvre", "Thor Oeuvre"),
            ("\u{ff23}\u{ff0b}\u{ff0b} x² H₂O", "C++ x2 H2O"),
            ("日本 Ж α", "日本 Ж α"),
        ];
        for (text, expected) in cases {
            assert_eq!(fold(text), expected, "{text}");
        }
    }

    #[test]
    fn every_letter_of_the_table_becomes_ascii() {
        for (ascii, letters) in super::FOLDED {
            for letter in letters.chars() {
                assert_eq!(fold(&letter.to_string()).to_lowercase(), ascii, "{letter}");
                let capital: String = letter.to_uppercase().collect();
                let folded = fold(&capital);
                assert!(
                    folded.chars().all(|c| c.is_ascii() || is_apostrophe(c)),
                    "{capital}"
                );
            }
        }
    }

    #[test]
    fn symbols_are_spelled_out_and_no_letter_is_lost() {
        let words = |text: &str| {
            let words = ascii_words(text)?;
            Some(words.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let cases = [
            ("C++ Expert", Some("C plus plus Expert")),
            ("C#/F# Pro", Some("C sharp F sharp Pro")),
            ("C♯ Pro", Some("C sharp Pro")),
            ("R&D", Some("R and D")),
            ("Agent #1", Some("Agent number 1")),
            ("# Title ##", Some("Title")),
            (
                ".NET, Node.js and ASP.NET",
                Some("dot NET Node js and ASP NET"),
            ),
            ("../x", Some("x")),
            ("don't stop", Some("dont stop")),
            ("🚀 Launcher 🚀", Some("Launcher")),
            ("AI設計者", None),
            ("編集者", None),
            ("Редактор", None),
            ("½ price", None),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text).as_deref(), expected, "{text}");
        }
    }
}

//! URI templates (RFC 6570): `/items/{id}{?page,size}`.

/// Whether `text` is a URI template.
pub(crate) fn is_uri_template(text: &str) -> bool {
    let mut rest = text;
    loop {
        let Some(start) = rest.find(['{', '}']) else {
            return is_literal(rest);
        };
        if !is_literal(&rest[..start]) {
            return false;
        }
        let expression = rest[start..]
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'));
        match expression {
            Some((expression, after)) if is_expression(expression) => rest = after,
            _ => return false,
        }
    }
}

fn is_expression(text: &str) -> bool {
    let names = text
        .strip_prefix(['+', '#', '.', '/', ';', '?', '&'])
        .unwrap_or(text);
    names.split(',').all(is_variable)
}

/// `name`, `name*`, `name:3`
fn is_variable(text: &str) -> bool {
    let name = match text.split_once(':') {
        Some((name, length)) => {
            let is_length = (1..=4).contains(&length.len())
                && !length.starts_with('0')
                && length.bytes().all(|byte| byte.is_ascii_digit());
            if !is_length {
                return false;
            }
            name
        }
        None => text.strip_suffix('*').unwrap_or(text),
    };
    name.split('.').all(|part| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '%';
        !part.is_empty() && part.chars().all(is_name) && has_whole_escapes(part)
    })
}

fn is_literal(text: &str) -> bool {
    let is_allowed = |c: char| match c {
        '!' | '#'..=';' | '=' | '?'..='[' | ']' | '_' | 'a'..='z' | '~' => true,
        c => u32::from(c) >= 0xA0,
    };
    text.chars().all(is_allowed) && has_whole_escapes(text)
}

/// Whether each `%` has two hexadecimal digits.
fn has_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

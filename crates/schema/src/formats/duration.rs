//! Durations as RFC 3339, appendix A, writes them: `P3DT12H`, `P2W`.

/// Whether `text` is a duration. Each unit is there at most once, in order and without a gap.
pub(crate) fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    if let Some(weeks) = rest.strip_suffix('W') {
        return is_number(weeks);
    }
    match rest.split_once('T') {
        None => is_run(rest, "YMD"),
        Some((date, time)) => (date.is_empty() || is_run(date, "YMD")) && is_run(time, "HMS"),
    }
}

/// Whether `text` is numbers, each with a unit, and the units a part of `units` without a gap.
fn is_run(text: &str, units: &str) -> bool {
    let mut found = String::new();
    let mut rest = text;
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let mut after = rest[end..].chars();
        if end == 0 {
            return false;
        }
        found.extend(after.next());
        rest = after.as_str();
    }
    rest.is_empty() && !found.is_empty() && units.contains(&found)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

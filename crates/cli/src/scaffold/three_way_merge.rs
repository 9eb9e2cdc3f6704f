//! Merges two changes of one text, line by line.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// The text with the changes that `ours` and `theirs` made to `base`; none where both changed the same lines differently.
pub fn merge(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let [base, ours, theirs] = [base, ours, theirs].map(lines);
    let in_ours = matches(&base, &ours);
    let in_theirs = matches(&base, &theirs);
    let mut merged = String::new();
    // The lines that are not merged yet.
    let (mut b, mut o, mut t) = (0, 0, 0);
    loop {
        // The next line of the base that both still have.
        let both = |line: &usize| Some((*line, in_ours[*line]?, in_theirs[*line]?));
        let (next_b, next_o, next_t) = (b..base.len()).find_map(|line| both(&line)).unwrap_or((
            base.len(),
            ours.len(),
            theirs.len(),
        ));
        let (was, own, new) = (&base[b..next_b], &ours[o..next_o], &theirs[t..next_t]);
        let chunk = if own == was || own == new {
            new
        } else if new == was {
            own
        } else {
            return None;
        };
        merged.extend(chunk.iter().copied());
        if next_b == base.len() {
            return Some(merged);
        }
        merged.push_str(base[next_b]);
        (b, o, t) = (next_b + 1, next_o + 1, next_t + 1);
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// For each line of `base`, the line of `other` that it is.
fn matches(base: &[&str], other: &[&str]) -> Vec<Option<usize>> {
    let mut found = vec![None; base.len()];
    for op in capture_diff_slices(Algorithm::Myers, base, other) {
        if let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = op
        {
            for offset in 0..len {
                found[old_index + offset] = Some(new_index + offset);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::merge;

    #[test]
    fn changes_in_different_places_are_both_made() {
        let base = "a\nb\nc\nd\ne\n";
        let both = merge(base, "a\nB\nc\nd\ne\nmine\n", "new\na\nb\nc\ne\n");
        assert_eq!(both.as_deref(), Some("new\na\nB\nc\ne\nmine\n"));
        assert_eq!(merge(base, base, "x\n").as_deref(), Some("x\n"));
        assert_eq!(merge(base, "x\n", base).as_deref(), Some("x\n"));
        assert_eq!(merge(base, "x\n", "x\n").as_deref(), Some("x\n"));
        assert_eq!(merge("", "", "x\n").as_deref(), Some("x\n"));
        assert_eq!(merge("a", "a", "").as_deref(), Some(""));
    }

    #[test]
    fn two_changes_of_one_line_are_a_conflict() {
        let base = "a\nb\nc\n";
        assert_eq!(merge(base, "a\nmine\nc\n", "a\ntheirs\nc\n"), None);
        assert_eq!(merge(base, "a\nc\n", "a\ntheirs\nc\n"), None);
        assert_eq!(merge(base, "a\nmine\nb\nc\n", "a\ntheirs\nb\nc\n"), None);
        assert_eq!(merge("a", "mine", "theirs"), None);
    }

    proptest! {
        #[test]
        fn one_sided_changes_win(base in "([ab]\n){0,8}", other in "([abc]\n){0,8}") {
            prop_assert_eq!(merge(&base, &base, &other), Some(other.clone()));
            prop_assert_eq!(merge(&base, &other, &base), Some(other.clone()));
            prop_assert_eq!(merge(&base, &other, &other), Some(other));
        }

        #[test]
        fn the_sides_can_be_swapped(base in "([ab]\n){0,6}", ours in "([abc]\n){0,6}", theirs in "([abd]\n){0,6}") {
            prop_assert_eq!(merge(&base, &ours, &theirs), merge(&base, &theirs, &ours));
        }
    }
}

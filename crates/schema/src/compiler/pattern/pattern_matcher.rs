//! Runs the program of a regular expression over a text, all of its states at once.
//!
//! What a look-around says of each place is found first, in one pass over the text: forward for what stands before a place,
//! backward for what follows it. So the time grows with the length of the text, and no pattern makes it grow faster.

use crate::compiler::pattern::pattern_program::{Look, Program, State};

/// Whether some part of `text` matches.
pub(crate) fn is_match(program: &Program, text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    forward(program, &characters, |_| true)
}

/// Runs `program` from every place on; `found` hears of each place where a match ends, and says whether that is enough.
fn forward(program: &Program, text: &[char], mut found: impl FnMut(usize) -> bool) -> bool {
    let looks = places(&program.looks, text);
    let mut current = StateSet::new(program.states.len());
    let mut next = StateSet::new(program.states.len());
    let mut open = Vec::new();
    for place in 0..=text.len() {
        let at = Place {
            text,
            place,
            looks: &looks,
        };
        if place == 0 || !program.is_anchored {
            current.reach(program, 0, at, &mut open);
        }
        if current.list.is_empty() && program.is_anchored {
            return false;
        }
        if current.is_match && found(place) {
            return true;
        }
        let Some(character) = text.get(place) else {
            break;
        };
        let after = Place {
            text,
            place: place + 1,
            looks: &looks,
        };
        next.clear();
        for state in &current.list {
            if let State::Take(set) = &program.states[*state]
                && set.contains(*character)
            {
                next.reach(program, state + 1, after, &mut open);
            }
        }
        std::mem::swap(&mut current, &mut next);
    }
    false
}

/// For each of `looks`, whether it matches at each place of `text`.
fn places(looks: &[Look], text: &[char]) -> Vec<Vec<bool>> {
    let one = |look: &Look| {
        if look.is_behind {
            let mut places = vec![false; text.len() + 1];
            forward(&look.program, text, |place| {
                places[place] = true;
                false
            });
            places
        } else {
            backward(&look.program, text)
        }
    };
    looks.iter().map(one).collect()
}

/// Whether a match of `program` starts at each place of `text`.
fn backward(program: &Program, text: &[char]) -> Vec<bool> {
    let looks = places(&program.looks, text);
    let states = &program.states;
    // From where each state is reached without a character.
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); states.len()];
    for (index, state) in states.iter().enumerate() {
        match state {
            State::Split(one, other) => {
                before[*one].push(index);
                if one != other {
                    before[*other].push(index);
                }
            }
            State::Start | State::End | State::Boundary { .. } | State::Look { .. } => {
                before[index + 1].push(index);
            }
            State::Take(_) | State::Match => {}
        }
    }
    let mut starts = vec![false; text.len() + 1];
    // Whether the end is reached from each state at the place that was looked at last.
    let mut later = vec![false; states.len()];
    let mut open = Vec::new();
    for place in (0..=text.len()).rev() {
        let at = Place {
            text,
            place,
            looks: &looks,
        };
        let mut now = vec![false; states.len()];
        for (index, state) in states.iter().enumerate() {
            let reaches = match state {
                State::Match => true,
                State::Take(set) => text
                    .get(place)
                    .is_some_and(|c| later[index + 1] && set.contains(*c)),
                _ => false,
            };
            if reaches {
                now[index] = true;
                open.push(index);
            }
        }
        while let Some(index) = open.pop() {
            for earlier in &before[index] {
                if !now[*earlier] && at.allows(&states[*earlier]) {
                    now[*earlier] = true;
                    open.push(*earlier);
                }
            }
        }
        starts[place] = now[0];
        later = now;
    }
    starts
}

/// A place of a text.
#[derive(Clone, Copy)]
struct Place<'t> {
    text: &'t [char],
    place: usize,
    looks: &'t [Vec<bool>],
}

impl Place<'_> {
    /// Whether `state`, which takes no character, lets the program go on here.
    fn allows(self, state: &State) -> bool {
        let is_word = |index: Option<usize>| {
            let character = index.and_then(|index| self.text.get(index));
            character.is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_')
        };
        match state {
            State::Start => self.place == 0,
            State::End => self.place == self.text.len(),
            State::Boundary { negated } => {
                let is_boundary = is_word(self.place.checked_sub(1)) != is_word(Some(self.place));
                is_boundary != *negated
            }
            State::Look { index, negated } => self.looks[*index][self.place] != *negated,
            State::Split(..) | State::Take(_) | State::Match => true,
        }
    }
}

/// The states that a program is in at one place.
struct StateSet {
    list: Vec<usize>,
    has: Vec<bool>,
    is_match: bool,
    /// Every state that was looked at, so that clearing costs no more than filling did.
    seen: Vec<usize>,
}

impl StateSet {
    fn new(states: usize) -> Self {
        Self {
            list: Vec::new(),
            has: vec![false; states],
            is_match: false,
            seen: Vec::new(),
        }
    }

    fn clear(&mut self) {
        for state in self.seen.drain(..) {
            self.has[state] = false;
        }
        self.list.clear();
        self.is_match = false;
    }

    /// Adds `state`, and all that is reached from it without a character.
    fn reach(&mut self, program: &Program, state: usize, at: Place<'_>, open: &mut Vec<usize>) {
        open.push(state);
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut self.has[index], true) {
                continue;
            }
            self.seen.push(index);
            match &program.states[index] {
                State::Take(_) => self.list.push(index),
                State::Match => {
                    self.is_match = true;
                    self.list.push(index);
                }
                State::Split(one, other) => open.extend([*other, *one]),
                assertion => {
                    if at.allows(assertion) {
                        open.push(index + 1);
                    }
                }
            }
        }
    }
}

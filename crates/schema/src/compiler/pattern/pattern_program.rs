//! Turns the tree of a regular expression into a program: a table of states.

use std::sync::Arc;

use crate::compiler::pattern::PatternFault;
use crate::compiler::pattern::character_set::CharacterSet;
use crate::compiler::pattern::pattern_parser::Tree;

/// The most states of a program, those of its look-around included.
const MAX_STATES: usize = 20_000;

/// A compiled regular expression: its states, of which the first is where it starts.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) states: Vec<State>,
    /// What must follow or stand before, one for each [`State::Look`].
    pub(crate) looks: Vec<Look>,
    /// Whether it can match from the start of the text alone.
    pub(crate) is_anchored: bool,
}

/// What follows or stands before a place.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) program: Program,
    pub(crate) is_behind: bool,
}

/// One state of a program.
#[derive(Debug)]
pub(crate) enum State {
    /// Takes one character, and goes on to the next state.
    Take(Arc<CharacterSet>),
    /// Goes on to both.
    Split(usize, usize),
    /// Goes on to the next state at the start of the text.
    Start,
    /// Goes on to the next state at its end.
    End,
    /// Goes on to the next state where a word begins or ends, or where none does.
    Boundary { negated: bool },
    /// Goes on to the next state where the look-around with this index matches, or where it does not.
    Look { index: usize, negated: bool },
    /// Everything matched.
    Match,
}

/// The program of `tree`.
pub(crate) fn compile(tree: &Tree) -> Result<Program, PatternFault> {
    let mut budget = MAX_STATES;
    compile_within(tree, &mut budget)
}

fn compile_within(tree: &Tree, budget: &mut usize) -> Result<Program, PatternFault> {
    let mut compiler = Compiler {
        states: Vec::new(),
        looks: Vec::new(),
        budget,
    };
    compiler.add(tree)?;
    compiler.push(State::Match)?;
    Ok(Program {
        states: compiler.states,
        looks: compiler.looks,
        is_anchored: is_anchored(tree),
    })
}

fn is_anchored(tree: &Tree) -> bool {
    match tree {
        Tree::Start => true,
        Tree::Sequence(parts) => parts.first().is_some_and(is_anchored),
        Tree::Choice(choices) => choices.iter().all(is_anchored),
        _ => false,
    }
}

struct Compiler<'b> {
    states: Vec<State>,
    looks: Vec<Look>,
    budget: &'b mut usize,
}

impl Compiler<'_> {
    fn push(&mut self, state: State) -> Result<usize, PatternFault> {
        *self.budget = self
            .budget
            .checked_sub(1)
            .ok_or_else(|| PatternFault::Unsupported("it repeats too much".to_owned()))?;
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    /// Adds the states of `tree`; what follows is the next state.
    fn add(&mut self, tree: &Tree) -> Result<(), PatternFault> {
        match tree {
            Tree::Set(set) => self.push(State::Take(set.clone())).map(|_| ()),
            Tree::Start => self.push(State::Start).map(|_| ()),
            Tree::End => self.push(State::End).map(|_| ()),
            Tree::Boundary { negated } => {
                let negated = *negated;
                self.push(State::Boundary { negated }).map(|_| ())
            }
            Tree::Sequence(parts) => parts.iter().try_for_each(|part| self.add(part)),
            Tree::Choice(choices) => self.add_choice(choices),
            Tree::Repeat { part, least, most } => self.add_repeat(part, *least, *most),
            Tree::Look {
                part,
                behind,
                negated,
            } => {
                let program = compile_within(part, self.budget)?;
                let index = self.looks.len();
                self.looks.push(Look {
                    program,
                    is_behind: *behind,
                });
                let negated = *negated;
                self.push(State::Look { index, negated }).map(|_| ())
            }
        }
    }

    fn add_choice(&mut self, choices: &[Tree]) -> Result<(), PatternFault> {
        let mut ends = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            if index + 1 == choices.len() {
                self.add(choice)?;
                break;
            }
            let split = self.push(State::Split(0, 0))?;
            self.add(choice)?;
            ends.push(self.push(State::Split(0, 0))?);
            self.states[split] = State::Split(split + 1, self.states.len());
        }
        let after = self.states.len();
        for end in ends {
            self.states[end] = State::Split(after, after);
        }
        Ok(())
    }

    fn add_repeat(
        &mut self,
        part: &Tree,
        least: u32,
        most: Option<u32>,
    ) -> Result<(), PatternFault> {
        for _ in 0..least {
            let before = self.states.len();
            self.add(part)?;
            // More of nothing is nothing.
            if self.states.len() == before {
                return Ok(());
            }
        }
        match most {
            None => {
                let split = self.push(State::Split(0, 0))?;
                self.add(part)?;
                self.push(State::Split(split, split))?;
                self.states[split] = State::Split(split + 1, self.states.len());
            }
            Some(most) => {
                let mut splits = Vec::new();
                for _ in least..most {
                    splits.push(self.push(State::Split(0, 0))?);
                    let before = self.states.len();
                    self.add(part)?;
                    if self.states.len() == before {
                        break;
                    }
                }
                let after = self.states.len();
                for split in splits {
                    self.states[split] = State::Split(split + 1, after);
                }
            }
        }
        Ok(())
    }
}

//! The text of an agent's prompt: of the program itself, or of an agent that was loaded.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The text of a prompt.
#[derive(Clone, Copy)]
pub struct Prompt(Place);

#[derive(Clone, Copy)]
enum Place {
    Program(&'static str),
    Loaded(&'static Cell),
}

/// A place for the prompt of an agent that was loaded. It is used again once that prompt is given back, so that a program that
/// loads its agents over and over has no more of them than agents.
type Cell = RwLock<Arc<str>>;

/// The cells that hold no prompt.
static FREE: Mutex<Vec<&'static Cell>> = Mutex::new(Vec::new());

impl Prompt {
    /// A prompt of the program itself.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(Place::Program(text))
    }

    /// The text, byte for byte.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        match self.0 {
            Place::Program(text) => match replaced(text) {
                Some(new) => Cow::Owned(new.as_ref().to_owned()),
                None => Cow::Borrowed(text),
            },
            Place::Loaded(cell) => Cow::Owned(read(cell).as_ref().to_owned()),
        }
    }

    /// The number of its bytes.
    pub(crate) fn len(&self) -> usize {
        match self.0 {
            Place::Program(text) => replaced(text).map_or(text.len(), |new| new.len()),
            Place::Loaded(cell) => read(cell).len(),
        }
    }
}

/// What stands in place of the program's own prompts during development, by the texts they were compiled with.
static REPLACED: RwLock<BTreeMap<&'static str, Arc<str>>> = RwLock::new(BTreeMap::new());
/// Whether there is any: a service in operation does not look.
static IS_REPLACED: AtomicBool = AtomicBool::new(false);

fn replaced(text: &'static str) -> Option<Arc<str>> {
    if !IS_REPLACED.load(Ordering::Relaxed) {
        return None;
    }
    let replaced = REPLACED.read().unwrap_or_else(PoisonError::into_inner);
    replaced.get(text).cloned()
}

/// Has `new` stand in place of a prompt of the program itself.
pub(crate) fn replace(prompt: Prompt, new: &str) {
    let Place::Program(text) = prompt.0 else {
        return;
    };
    let mut replaced = REPLACED.write().unwrap_or_else(PoisonError::into_inner);
    replaced.insert(text, Arc::from(new));
    IS_REPLACED.store(true, Ordering::Relaxed);
}

fn read(cell: &Cell) -> Arc<str> {
    Arc::clone(&cell.read().unwrap_or_else(PoisonError::into_inner))
}

/// Owns the prompt of an agent that was loaded: with it, the text is given back. A service keeps it for as long as it has runs.
pub(crate) struct LoadedPrompt(&'static Cell);

impl LoadedPrompt {
    pub(crate) fn new(text: &str) -> Self {
        let text = Arc::from(text);
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(cell) => {
                *cell.write().unwrap_or_else(PoisonError::into_inner) = text;
                Self(cell)
            }
            None => Self(Box::leak(Box::new(RwLock::new(text)))),
        }
    }

    pub(crate) fn prompt(&self) -> Prompt {
        Prompt(Place::Loaded(self.0))
    }
}

impl Drop for LoadedPrompt {
    fn drop(&mut self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::from("");
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.0);
    }
}

impl PartialEq for Prompt {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{LoadedPrompt, Prompt, replace};

    #[test]
    fn a_prompt_of_the_program_is_replaced_during_development() {
        const OWN: Prompt = Prompt::new("Be the prompt of this test.");
        replace(OWN, "Be another one.");
        assert_eq!(OWN.text(), "Be another one.");
        assert_eq!(OWN.len(), 15);
        assert_eq!(Prompt::new("Be kind.").text(), "Be kind.");
    }

    #[test]
    fn a_prompt_is_there_until_it_is_given_back() {
        let loaded = LoadedPrompt::new("Be kind.");
        let prompt = loaded.prompt();
        assert_eq!(prompt, Prompt::new("Be kind."));
        assert_eq!(prompt.len(), 8);
        drop(loaded);
        assert_ne!(prompt, Prompt::new("Be kind."));
    }
}

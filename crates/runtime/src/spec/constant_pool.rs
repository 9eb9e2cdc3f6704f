//! The constants of agents that were loaded: each is made once and stays, however often it is loaded.
//!
//! Names, schemas and steps are few, and most are the same after a reload. What changes all the time is the prompt, which is not
//! kept here ([`LoadedPrompt`](crate::spec::prompt::LoadedPrompt)).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Constants of one type, by a key that most of them have alone.
pub(crate) struct Pool<T: ?Sized + 'static>(Mutex<BTreeMap<&'static str, Vec<&'static T>>>);

impl<T: ?Sized + PartialEq> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The constant that equals `value`.
    pub(crate) fn constant(&self, key: &'static str, value: Box<T>) -> &'static T {
        let mut constants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = constants.entry(key).or_default();
        if let Some(constant) = same.iter().find(|constant| ***constant == *value) {
            return constant;
        }
        let constant = &*Box::leak(value);
        same.push(constant);
        constant
    }
}

/// The text as a constant.
pub(crate) fn text(text: &str) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(constant) = texts.get(text) {
        return constant;
    }
    let constant = &*Box::leak(Box::<str>::from(text));
    texts.insert(constant);
    constant
}

/// The texts as a constant.
pub(crate) fn texts(texts: &[String]) -> &'static [&'static str] {
    static LISTS: Pool<[&'static str]> = Pool::new();
    let texts: Box<[&'static str]> = texts.iter().map(|one| text(one)).collect();
    LISTS.constant(texts.first().unwrap_or(&""), texts)
}

#[cfg(test)]
mod tests {
    use super::{text, texts};

    #[test]
    fn equal_constants_are_one() {
        let lists = || texts(&["user".to_owned(), "admin".to_owned()]);
        assert!(std::ptr::eq(lists(), lists()));
        assert!(std::ptr::eq(text("user"), lists()[0]));
        assert_ne!(lists(), texts(&["user".to_owned()]));
    }
}

//! Counts what callers hold at a time, such as event streams: a limit for all of them, and one for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A number of places, of which one caller may hold a part. The caller's keys are its address and its subject.
#[derive(Debug)]
pub(crate) struct Places {
    total: usize,
    /// The most places of one key.
    each: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// By the order in which they were taken.
    places: BTreeMap<u64, Holder>,
    by_key: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Holder {
    keys: Vec<String>,
    /// Learns why the place went to another request.
    displaced: Option<oneshot::Sender<Full>>,
}

/// A place. Dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    All,
    /// The caller has as many as one may have.
    Caller,
}

impl Places {
    /// `total` places, of which one caller may hold `share`, and one at least.
    pub(crate) fn new(total: usize, share: f64) -> Arc<Self> {
        let each = (total as f64 * share).ceil() as usize;
        Arc::new(Self {
            total,
            each: each.max(1),
            held: Mutex::default(),
        })
    }

    /// A place for the caller with these keys.
    pub(crate) fn take(self: &Arc<Self>, keys: Vec<String>) -> Result<Place, Full> {
        let mut held = self.lock();
        match self.full(&held, &keys) {
            Some((full, _)) => Err(full),
            None => Ok(self.insert(&mut held, keys, None)),
        }
    }

    /// A place for the caller with these keys, and what learns that it is lost. If there is none, the one that has been
    /// held longest is taken away: from this caller if it has its share, or else from any.
    pub(crate) fn take_or_displace(
        self: &Arc<Self>,
        keys: Vec<String>,
    ) -> (Place, oneshot::Receiver<Full>) {
        let mut held = self.lock();
        while let Some((full, oldest)) = self.full(&held, &keys) {
            let Some(oldest) = oldest else { break };
            if let Some(displaced) = held.remove(oldest).and_then(|holder| holder.displaced) {
                let _ = displaced.send(full);
            }
        }
        let (displaced, is_displaced) = oneshot::channel();
        (self.insert(&mut held, keys, Some(displaced)), is_displaced)
    }

    /// Why there is no place for these keys, and which of those in the way has been held longest.
    fn full(&self, held: &Held, keys: &[String]) -> Option<(Full, Option<u64>)> {
        let has_share = |key: &&String| held.by_key.get(*key).is_some_and(|n| *n >= self.each);
        if self.each < self.total
            && let Some(key) = keys.iter().find(has_share)
        {
            let mut places = held.places.iter();
            let oldest = places.find(|(_, holder)| holder.keys.contains(key));
            return Some((Full::Caller, oldest.map(|(number, _)| *number)));
        }
        let oldest = held.places.keys().next().copied();
        (held.places.len() >= self.total).then_some((Full::All, oldest))
    }

    fn insert(
        self: &Arc<Self>,
        held: &mut Held,
        keys: Vec<String>,
        displaced: Option<oneshot::Sender<Full>>,
    ) -> Place {
        let number = held.next;
        held.next += 1;
        for key in &keys {
            *held.by_key.entry(key.clone()).or_default() += 1;
        }
        held.places.insert(number, Holder { keys, displaced });
        Place {
            places: Arc::clone(self),
            number,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, number: u64) -> Option<Holder> {
        let holder = self.places.remove(&number)?;
        for key in &holder.keys {
            if let Some(count) = self.by_key.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    self.by_key.remove(key);
                }
            }
        }
        Some(holder)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Places};

    fn keys(address: &str) -> Vec<String> {
        vec![address.to_owned()]
    }

    #[test]
    fn one_caller_gets_its_share_and_the_oldest_place_gives_way() {
        let places = Places::new(4, 0.5);
        let (_first, mut first) = places.take_or_displace(keys("a"));
        let second = places.take(keys("a")).unwrap();
        assert_eq!(places.take(keys("a")).unwrap_err(), Full::Caller);
        let _b = places.take(keys("b")).unwrap();
        let (_third, mut third) = places.take_or_displace(keys("a"));
        assert_eq!(first.try_recv(), Ok(Full::Caller));
        drop(second);
        let _more = [
            places.take(keys("c")).unwrap(),
            places.take(keys("d")).unwrap(),
        ];
        assert_eq!(places.take(keys("e")).unwrap_err(), Full::All);
        // Without limit for one caller, as those that have no address.
        let _e = places.take_or_displace(Vec::new());
        let _f = places.take_or_displace(Vec::new());
        assert_eq!(third.try_recv(), Ok(Full::All));
        assert_eq!(places.lock().places.len(), 4);
    }

    #[test]
    fn what_is_freed_leaves_nothing_behind() {
        let places = Places::new(2, 1.0);
        let (place, mut displaced) = places.take_or_displace(keys("a"));
        let second = places.take_or_displace(keys("a"));
        let third = places.take_or_displace(keys("c"));
        assert_eq!(displaced.try_recv(), Ok(Full::All));
        // Dropping a lost place frees no other.
        drop(place);
        assert_eq!(places.lock().places.len(), 2);
        drop((second, third));
        let held = places.lock();
        assert!(held.places.is_empty() && held.by_key.is_empty());
    }
}

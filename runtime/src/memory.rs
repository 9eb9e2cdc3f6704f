//! Sessions kept in memory: gone with the process, and never more than a fixed number.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::provider::Message;
use crate::session::{SessionKey, SessionStore, Stored};

/// How many sessions are kept at most.
const MOST_SESSIONS: usize = 10_000;

/// A [`SessionStore`] in memory. With 10,000 sessions in it, a new one takes the place of the one longest unused.
#[derive(Debug, Default)]
pub struct MemorySessions {
    sessions: Mutex<BTreeMap<SessionKey, Kept>>,
}

#[derive(Debug)]
struct Kept {
    messages: Vec<Message>,
    used: Instant,
    ttl: Duration,
}

impl Kept {
    fn is_over(&self) -> bool {
        self.used.elapsed() >= self.ttl
    }
}

impl SessionStore for MemorySessions {
    fn load<'a>(&'a self, key: &'a SessionKey) -> Stored<'a, Option<Vec<Message>>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sessions.get(key).filter(|kept| !kept.is_over());
        Box::pin(ready(Ok(kept.map(|kept| kept.messages.clone()))))
    }

    fn save<'a>(
        &'a self,
        key: &'a SessionKey,
        messages: Vec<Message>,
        ttl: Duration,
    ) -> Stored<'a, ()> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MOST_SESSIONS && !sessions.contains_key(key) {
            make_room(&mut sessions);
        }
        sessions.insert(
            key.clone(),
            Kept {
                messages,
                used: Instant::now(),
                ttl,
            },
        );
        Box::pin(ready(Ok(())))
    }
}

fn make_room(sessions: &mut BTreeMap<SessionKey, Kept>) {
    sessions.retain(|_, kept| !kept.is_over());
    if sessions.len() >= MOST_SESSIONS {
        let oldest = sessions
            .iter()
            .min_by_key(|(_, kept)| kept.used)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            sessions.remove(&oldest);
        }
    }
}

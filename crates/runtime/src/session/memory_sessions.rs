//! Sessions kept in memory: gone with the process, and never more than a fixed number.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::AgentError;
use crate::session::session_store::{
    Conversation, Lease, PastMessage, SessionFacts, SessionKey, SessionStore, Stored, Turn, busy,
    fitting, overtaken,
};

/// How many sessions are kept at most.
const MOST_SESSIONS: usize = 10_000;
/// How many go when there are as many.
const MAKES_ROOM: usize = 1_000;

/// A [`SessionStore`] in memory. Of each session it keeps what the next turn needs. When there are 10,000 sessions in
/// it, those that have expired make room for a new one, or else the 1,000 longest unused.
#[derive(Debug, Default)]
pub struct MemorySessions {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: BTreeMap<SessionKey, Session>,
    leases: BTreeMap<SessionKey, (Lease, SystemTime)>,
}

#[derive(Debug)]
struct Session {
    version: u64,
    messages: Vec<PastMessage>,
    created_at: SystemTime,
    updated_at: SystemTime,
    expires_at: SystemTime,
}

impl Session {
    fn is_over(&self) -> bool {
        self.expires_at <= now()
    }

    fn facts(&self, key: &SessionKey) -> SessionFacts {
        SessionFacts {
            id: key.id.clone(),
            agent: key.agent.clone(),
            messages: self.messages.len() as u64,
            created_at: self.created_at,
            updated_at: self.updated_at,
            expires_at: self.expires_at,
        }
    }
}

impl Kept {
    fn find(&self, key: &SessionKey) -> Option<&Session> {
        self.sessions.get(key).filter(|session| !session.is_over())
    }

    fn lease(&mut self, key: &SessionKey, lease: &Lease) -> Result<(), AgentError> {
        let now = now();
        match self.leases.get(key) {
            Some((other, end)) if other.holder != lease.holder && *end > now => Err(busy()),
            _ => {
                self.leases
                    .insert(key.clone(), (lease.clone(), now + lease.lasts));
                Ok(())
            }
        }
    }

    fn release(&mut self, key: &SessionKey, lease: &Lease) {
        if self
            .leases
            .get(key)
            .is_some_and(|(held, _)| held.turn == lease.turn)
        {
            self.leases.remove(key);
        }
    }

    fn commit(&mut self, key: &SessionKey, turn: Turn) -> Result<(), AgentError> {
        let now = now();
        if turn.version == 0 {
            if self.sessions.get(key).is_some_and(Session::is_over) {
                self.sessions.remove(key);
            }
            self.make_room();
        }
        let known = self.sessions.get_mut(key);
        if known.as_ref().map_or(0, |session| session.version) != turn.version {
            return Err(overtaken());
        }
        let session = match known {
            Some(session) => session,
            None => self.sessions.entry(key.clone()).or_insert(Session {
                version: 0,
                messages: Vec::new(),
                created_at: now,
                updated_at: now,
                expires_at: now,
            }),
        };
        session.version += 1;
        session.updated_at = now;
        session.expires_at = now.checked_add(turn.ttl).unwrap_or(session.expires_at);
        let last = session.messages.last().map_or(0, |message| message.number);
        for (number, message) in (last + 1..).zip(turn.messages) {
            session.messages.push(PastMessage {
                number,
                message,
                created_at: now,
            });
        }
        let messages = session.messages.iter().map(|past| &past.message);
        // The last turn is kept even if the model won't be told of it: the numbers go on from there.
        let needed = fitting(messages, turn.history_tokens).max(2);
        session
            .messages
            .drain(..session.messages.len().saturating_sub(needed));
        if let Some(lease) = &turn.lease {
            self.release(key, lease);
        }
        Ok(())
    }

    /// Many go at once, since looking for them takes a while.
    fn make_room(&mut self) {
        if self.sessions.len() < MOST_SESSIONS || self.purge(MOST_SESSIONS) >= MAKES_ROOM as u64 {
            return;
        }
        let used = self.sessions.values().map(|session| session.updated_at);
        let mut used = used.collect::<Vec<_>>();
        let (_, last, _) = used.select_nth_unstable(MAKES_ROOM - 1);
        let (last, mut gone) = (*last, 0);
        self.sessions.retain(|_, session| {
            let goes = gone < MAKES_ROOM && session.updated_at <= last;
            gone += usize::from(goes);
            !goes
        });
    }

    fn purge(&mut self, most: usize) -> u64 {
        let now = now();
        self.leases.retain(|_, (_, end)| *end > now);
        let Self { sessions, leases } = self;
        let mut gone = 0;
        sessions.retain(|key, session| {
            let goes = gone < most && session.is_over() && !leases.contains_key(key);
            gone += usize::from(goes);
            !goes
        });
        gone as u64
    }
}

impl MemorySessions {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This moment to the millisecond, as cursors tell it.
fn now() -> SystemTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn at_once<'a, T: Send + 'a>(result: Result<T, AgentError>) -> Stored<'a, T> {
    Box::pin(ready(result))
}

impl SessionStore for MemorySessions {
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a Lease,
        history_tokens: u64,
    ) -> Stored<'a, Option<Conversation>> {
        let mut kept = self.lock();
        at_once(kept.lease(key, lease).map(|()| {
            let session = kept.find(key)?;
            let messages = session.messages.iter().map(|past| &past.message);
            let skipped = session.messages.len() - fitting(messages.clone(), history_tokens);
            Some(Conversation {
                version: session.version,
                messages: messages.skip(skipped).cloned().collect(),
            })
        }))
    }

    fn renew<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, ()> {
        if let Some((held, end)) = self.lock().leases.get_mut(key)
            && held.turn == lease.turn
        {
            *end = now() + lease.lasts;
        }
        at_once(Ok(()))
    }

    fn release<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, ()> {
        self.lock().release(key, lease);
        at_once(Ok(()))
    }

    fn release_all<'a>(&'a self, holder: &'a str) -> Stored<'a, ()> {
        let mut kept = self.lock();
        kept.leases.retain(|_, (lease, _)| lease.holder != holder);
        at_once(Ok(()))
    }

    fn commit<'a>(&'a self, key: &'a SessionKey, turn: Turn) -> Stored<'a, ()> {
        at_once(self.lock().commit(key, turn))
    }

    fn facts<'a>(&'a self, key: &'a SessionKey) -> Stored<'a, Option<SessionFacts>> {
        let kept = self.lock();
        at_once(Ok(kept.find(key).map(|session| session.facts(key))))
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        agent: &'a str,
        after: Option<(SystemTime, &'a str)>,
        limit: u32,
    ) -> Stored<'a, Vec<SessionFacts>> {
        let first = SessionKey {
            subject: subject.to_owned(),
            agent: agent.to_owned(),
            id: String::new(),
        };
        let kept = self.lock();
        let own = kept
            .sessions
            .range(first..)
            .take_while(|(key, _)| key.subject == subject && key.agent == agent)
            .filter(|(_, session)| !session.is_over())
            .map(|(key, session)| session.facts(key));
        let mut own = own
            .filter(|facts| after.is_none_or(|after| (facts.created_at, &*facts.id) < after))
            .collect::<Vec<_>>();
        own.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        own.truncate(limit as usize);
        at_once(Ok(own))
    }

    fn messages<'a>(
        &'a self,
        key: &'a SessionKey,
        after: u64,
        limit: u32,
    ) -> Stored<'a, Option<Vec<PastMessage>>> {
        let kept = self.lock();
        at_once(Ok(kept.find(key).map(|session| {
            let rest = session.messages.iter().filter(|past| past.number > after);
            rest.take(limit as usize).cloned().collect()
        })))
    }

    fn delete<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, bool> {
        let mut kept = self.lock();
        at_once(kept.lease(key, lease).map(|()| {
            kept.leases.remove(key);
            kept.sessions
                .remove(key)
                .is_some_and(|session| !session.is_over())
        }))
    }

    fn purge(&self, most: u32) -> Stored<'_, u64> {
        at_once(Ok(self.lock().purge(most as usize)))
    }
}

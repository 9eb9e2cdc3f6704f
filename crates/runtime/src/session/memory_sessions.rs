//! Sessions in memory: they end with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::session::session_store::{
    Conversation, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore, Turn, fitting,
    lease_conflict, version_conflict,
};
use crate::unix_time::now;

/// How many sessions are stored at most.
const MAX_SESSIONS: usize = 10_000;
/// How many sessions are evicted at once when there are as many.
const EVICTED: usize = 1_000;

/// A [`SessionStore`] in memory. It keeps of each session what the next turn needs. When it has 10,000 sessions, it
/// evicts the expired ones, or else the 1,000 least recently updated.
#[derive(Debug, Default)]
pub struct MemorySessions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<SessionKey, Session>,
    leases: BTreeMap<SessionKey, (SessionLease, SystemTime)>,
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
    fn is_expired(&self) -> bool {
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

impl State {
    fn find(&self, key: &SessionKey) -> Option<&Session> {
        self.sessions
            .get(key)
            .filter(|session| !session.is_expired())
    }

    fn take_lease(&mut self, key: &SessionKey, lease: &SessionLease) -> Result<(), StoreError> {
        let now = now();
        match self.leases.get(key) {
            Some((other, end)) if other.owner != lease.owner && *end > now => Err(lease_conflict()),
            _ => {
                self.leases
                    .insert(key.clone(), (lease.clone(), now + lease.ttl));
                Ok(())
            }
        }
    }

    fn release(&mut self, key: &SessionKey, lease: &SessionLease) {
        if self
            .leases
            .get(key)
            .is_some_and(|(held, _)| held.turn == lease.turn)
        {
            self.leases.remove(key);
        }
    }

    fn commit(&mut self, key: &SessionKey, turn: Turn) -> Result<(), StoreError> {
        let now = now();
        if turn.version == 0 {
            if self.sessions.get(key).is_some_and(Session::is_expired) {
                self.sessions.remove(key);
            }
            self.make_room();
        }
        let existing = self.sessions.get_mut(key);
        if existing.as_ref().map_or(0, |session| session.version) != turn.version {
            return Err(version_conflict());
        }
        let session = match existing {
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
        // The last turn stays even if it is too long for the model: the next message is numbered after it.
        let needed = fitting(messages, turn.history_tokens).max(2);
        session
            .messages
            .drain(..session.messages.len().saturating_sub(needed));
        if let Some(lease) = &turn.lease {
            self.release(key, lease);
        }
        Ok(())
    }

    /// Evicts many sessions at once, since finding them takes a scan.
    fn make_room(&mut self) {
        if self.sessions.len() < MAX_SESSIONS || self.purge(MAX_SESSIONS) >= EVICTED as u64 {
            return;
        }
        let used = self.sessions.values().map(|session| session.updated_at);
        let mut used = used.collect::<Vec<_>>();
        let (_, last, _) = used.select_nth_unstable(EVICTED - 1);
        let (last, mut evicted) = (*last, 0);
        self.sessions.retain(|_, session| {
            let is_evicted = evicted < EVICTED && session.updated_at <= last;
            evicted += usize::from(is_evicted);
            !is_evicted
        });
    }

    fn purge(&mut self, limit: usize) -> u64 {
        let now = now();
        self.leases.retain(|_, (_, end)| *end > now);
        let Self { sessions, leases } = self;
        let mut purged = 0;
        sessions.retain(|key, session| {
            let is_purged = purged < limit && session.is_expired() && !leases.contains_key(key);
            purged += usize::from(is_purged);
            !is_purged
        });
        purged as u64
    }
}

impl MemorySessions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for MemorySessions {
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
        history_tokens: u64,
    ) -> BoxFuture<'a, Result<Option<Conversation>, StoreError>> {
        let mut state = self.lock();
        boxed_ready(state.take_lease(key, lease).map(|()| {
            let session = state.find(key)?;
            let messages = session.messages.iter().map(|past| &past.message);
            let skipped = session.messages.len() - fitting(messages.clone(), history_tokens);
            Some(Conversation {
                version: session.version,
                messages: messages.skip(skipped).cloned().collect(),
            })
        }))
    }

    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if let Some((held, end)) = self.lock().leases.get_mut(key)
            && held.turn == lease.turn
        {
            *end = now() + lease.ttl;
        }
        boxed_ready(Ok(()))
    }

    fn release<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().release(key, lease);
        boxed_ready(Ok(()))
    }

    fn release_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        state.leases.retain(|_, (lease, _)| lease.owner != owner);
        boxed_ready(Ok(()))
    }

    fn commit<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: Turn,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        boxed_ready(self.lock().commit(key, turn))
    }

    fn facts<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>> {
        let state = self.lock();
        boxed_ready(Ok(state.find(key).map(|session| session.facts(key))))
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        agent: &'a str,
        after: Option<(SystemTime, &'a str)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, StoreError>> {
        let first = SessionKey {
            subject: subject.to_owned(),
            agent: agent.to_owned(),
            id: String::new(),
        };
        let state = self.lock();
        let own = state
            .sessions
            .range(first..)
            .take_while(|(key, _)| key.subject == subject && key.agent == agent)
            .filter(|(_, session)| !session.is_expired())
            .map(|(key, session)| session.facts(key));
        let mut own = own
            .filter(|facts| after.is_none_or(|after| (facts.created_at, &*facts.id) < after))
            .collect::<Vec<_>>();
        own.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        own.truncate(limit as usize);
        boxed_ready(Ok(own))
    }

    fn messages<'a>(
        &'a self,
        key: &'a SessionKey,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<PastMessage>>, StoreError>> {
        let state = self.lock();
        boxed_ready(Ok(state.find(key).map(|session| {
            let rest = session.messages.iter().filter(|past| past.number > after);
            rest.take(limit as usize).cloned().collect()
        })))
    }

    fn delete<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut state = self.lock();
        boxed_ready(state.take_lease(key, lease).map(|()| {
            state.leases.remove(key);
            state
                .sessions
                .remove(key)
                .is_some_and(|session| !session.is_expired())
        }))
    }

    fn purge(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        boxed_ready(Ok(self.lock().purge(limit as usize)))
    }
}

//! Sessions in memory: they end with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::model::{Message, Role};
use crate::session::session_store::{
    History, MessageStatus, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore,
    Turn, lease_conflict, lost_lease,
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
    leases: BTreeMap<SessionKey, HeldLease>,
}

#[derive(Debug)]
struct HeldLease {
    lease: SessionLease,
    began_at: SystemTime,
    expires_at: SystemTime,
    /// `None` while the session is deleted.
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Session {
    messages: Vec<PastMessage>,
    created_at: SystemTime,
    updated_at: SystemTime,
    expires_at: SystemTime,
}

impl Session {
    fn is_expired(&self) -> bool {
        self.expires_at <= now()
    }

    fn history(&self, tokens: u64) -> History {
        let mut history = History::new(tokens);
        for past in self.messages.iter().rev() {
            if !history.push(past.message.clone()) {
                break;
            }
        }
        history
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

    fn take_lease(
        &mut self,
        key: &SessionKey,
        lease: &SessionLease,
        turn: Option<&Turn>,
    ) -> Result<(), StoreError> {
        // What the same owner left there has failed, since its turns follow each other.
        if self
            .leases
            .get(key)
            .is_some_and(|held| held.lease.owner == lease.owner)
        {
            self.leases.remove(key);
        }
        self.settle(|settled| settled == key);
        let now = now();
        if let Some(held) = self.leases.get(key)
            && held.expires_at > now
        {
            return Err(lease_conflict());
        }
        let held = HeldLease {
            lease: lease.clone(),
            began_at: now,
            expires_at: now + lease.ttl,
            turn: turn.cloned(),
        };
        self.leases.insert(key.clone(), held);
        Ok(())
    }

    /// Ends the lease, if it is still the one of `key`.
    fn end_lease(&mut self, key: &SessionKey, lease: &SessionLease) -> Option<HeldLease> {
        let held = self.leases.get(key)?;
        (held.lease.turn == lease.turn)
            .then(|| self.leases.remove(key))
            .flatten()
    }

    /// Adds the questions of interrupted turns to their sessions.
    fn settle(&mut self, of: impl Fn(&SessionKey) -> bool) {
        let now = now();
        let interrupted = self
            .leases
            .extract_if(.., |key, held| held.expires_at <= now && of(key));
        for (key, held) in interrupted.collect::<Vec<_>>() {
            if let Some(turn) = held.turn {
                self.append(&key, held.began_at, &turn, None);
            }
        }
    }

    /// Adds a turn that began at `began_at`.
    fn append(
        &mut self,
        key: &SessionKey,
        began_at: SystemTime,
        turn: &Turn,
        answer: Option<&str>,
    ) {
        let now = now();
        if !self.sessions.contains_key(key) {
            self.make_room();
        }
        let session = self.sessions.entry(key.clone()).or_insert(Session {
            messages: Vec::new(),
            created_at: now,
            updated_at: now,
            expires_at: now,
        });
        // It had expired when the turn began, which therefore begins a new one.
        if session.expires_at <= began_at {
            session.messages.clear();
            session.created_at = now;
        }
        session.updated_at = now;
        session.expires_at = now.checked_add(turn.ttl).unwrap_or(session.expires_at);
        let (status, created_at) = match answer {
            Some(_) => (MessageStatus::Completed, now),
            None => (MessageStatus::Interrupted, began_at),
        };
        let answer = answer.map(|answer| (Role::Assistant, answer));
        for (role, text) in [(Role::User, &*turn.question)].into_iter().chain(answer) {
            let last = session.messages.last().map_or(0, |message| message.number);
            session.messages.push(PastMessage {
                number: last + 1,
                message: Message {
                    role,
                    text: text.to_owned(),
                },
                status,
                created_at,
            });
        }
        // The last turn stays even if it is too long for the model: the next message is numbered after it.
        let needed = session.history(turn.history_tokens).len().max(2);
        session
            .messages
            .drain(..session.messages.len().saturating_sub(needed));
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
        self.settle(|_| true);
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
        turn: &'a Turn,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        let mut state = self.lock();
        boxed_ready(state.take_lease(key, &turn.lease, Some(turn)).map(|()| {
            let session = state.find(key);
            session.map_or(Vec::new(), |session| {
                session.history(turn.history_tokens).into_messages()
            })
        }))
    }

    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if let Some(held) = self.lock().leases.get_mut(key)
            && held.lease.turn == lease.turn
        {
            held.expires_at = now() + lease.ttl;
        }
        boxed_ready(Ok(()))
    }

    fn release<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().end_lease(key, lease);
        boxed_ready(Ok(()))
    }

    fn release_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        state.leases.retain(|_, held| held.lease.owner != owner);
        boxed_ready(Ok(()))
    }

    fn commit<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        boxed_ready(match state.end_lease(key, &turn.lease) {
            Some(held) => {
                state.append(key, held.began_at, turn, Some(answer));
                Ok(())
            }
            None => Err(lost_lease()),
        })
    }

    fn facts<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>> {
        let mut state = self.lock();
        state.settle(|settled| settled == key);
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
        let mut state = self.lock();
        state.settle(|key| key.subject == subject && key.agent == agent);
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
        let mut state = self.lock();
        state.settle(|settled| settled == key);
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
        boxed_ready(state.take_lease(key, lease, None).map(|()| {
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

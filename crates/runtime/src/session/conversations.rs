//! Conversations that go on: one turn at a time, in this process and in all others that use the store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::AgentError;
use crate::model::{Message, Role};
use crate::schema::new_uuid_v4;
use crate::session::session_store::{Lease, SessionKey, SessionStore, Turn, busy};
use crate::spec::agent_spec::Policy;

/// How much history goes to the model where the policy says nothing, in estimated tokens.
pub const DEFAULT_HISTORY_TOKENS: u64 = 32_000;
/// After how long an idle session is forgotten where the policy says nothing.
pub const DEFAULT_SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest id that a caller may choose for a session, in characters.
pub(crate) const LONGEST_SESSION_ID: usize = 128;
/// For how long a session stays closed to others after its process was killed.
const LEASE: Duration = Duration::from_secs(30);

/// Which session a turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// One that must be there.
    Known,
    /// One that begins if it isn't there.
    KnownOrNew,
    /// One whose id was made just now, so that nobody else can know it.
    New,
}

/// The sessions of a service.
pub(crate) struct Sessions {
    store: Arc<dyn SessionStore>,
    /// Names this process to the store.
    holder: String,
    busy: Mutex<BTreeSet<SessionKey>>,
}

/// The right to add one turn to a session; held by one request at a time, and given back by dropping it.
pub(crate) struct SessionTurn {
    hold: Hold,
    lease: Option<(Lease, JoinHandle<()>)>,
    version: u64,
    /// What was said so far, as far as the model is told.
    pub(crate) history: Vec<Message>,
}

/// A session that no other request of this process can have.
struct Hold {
    sessions: Arc<Sessions>,
    key: SessionKey,
}

impl Sessions {
    /// Sessions that are kept in `store`.
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            holder: new_uuid_v4().to_string(),
            busy: Mutex::default(),
        }
    }

    /// Where they are kept.
    pub(crate) fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// Opens a session for one turn; 404 if it must be there and is not, 409 while another turn is under way.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: SessionKey,
        open: Open,
        policy: &Policy,
    ) -> Result<SessionTurn, AgentError> {
        let mut turn = SessionTurn {
            hold: self.hold(key)?,
            lease: None,
            version: 0,
            history: Vec::new(),
        };
        if open == Open::New {
            return Ok(turn);
        }
        let lease = self.lease();
        let beat = tokio::spawn(keep(Arc::clone(self), turn.hold.key.clone(), lease.clone()));
        // From here on dropping the turn gives the lease back, also if it isn't known yet whether it was got.
        let (lease, _) = &*turn.lease.insert((lease, beat));
        let key = &turn.hold.key;
        let found = self.store.begin(key, lease, history_tokens(policy)).await?;
        match found {
            Some(conversation) => {
                turn.version = conversation.version;
                turn.history = conversation.messages;
            }
            None if open == Open::KnownOrNew => {}
            None => return Err(no_such_session()),
        }
        Ok(turn)
    }

    /// Forgets a session; 404 if there is none, 409 while a turn of it is under way.
    pub(crate) async fn delete(self: &Arc<Self>, key: SessionKey) -> Result<(), AgentError> {
        let hold = self.hold(key)?;
        match self.store.delete(&hold.key, &self.lease()).await? {
            true => Ok(()),
            false => Err(no_such_session()),
        }
    }

    /// Gives all sessions back when the process ends: the next one need not wait until their leases do.
    pub(crate) async fn end(&self) {
        if let Err(error) = self.store.release_all(&self.holder).await {
            tracing::warn!(%error, "the leases of sessions can't be given back");
        }
    }

    fn lease(&self) -> Lease {
        Lease {
            holder: self.holder.clone(),
            turn: new_uuid_v4().to_string(),
            lasts: LEASE,
        }
    }

    fn hold(self: &Arc<Self>, key: SessionKey) -> Result<Hold, AgentError> {
        let mut held = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.insert(key.clone()) {
            return Err(busy());
        }
        let sessions = Arc::clone(self);
        Ok(Hold { sessions, key })
    }
}

impl SessionTurn {
    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        &self.hold.key.id
    }

    /// Adds what was said; 409 if the session went on elsewhere meanwhile.
    pub(crate) async fn commit(
        mut self,
        said: String,
        answer: String,
        policy: &Policy,
    ) -> Result<(), AgentError> {
        let message = |role, text| Message { role, text };
        let turn = Turn {
            version: self.version,
            messages: vec![message(Role::User, said), message(Role::Assistant, answer)],
            history_tokens: history_tokens(policy),
            ttl: policy
                .session_ttl_seconds
                .map_or(DEFAULT_SESSION_TTL, Duration::from_secs),
            lease: self.lease.as_ref().map(|(lease, _)| lease.clone()),
        };
        let hold = &self.hold;
        hold.sessions.store.commit(&hold.key, turn).await?;
        if let Some((_, beat)) = self.lease.take() {
            beat.abort();
        }
        Ok(())
    }
}

/// What is said of a session that isn't there, or is another caller's.
pub(crate) fn no_such_session() -> AgentError {
    AgentError::not_found("there is no such session")
}

fn history_tokens(policy: &Policy) -> u64 {
    policy.history_tokens.unwrap_or(DEFAULT_HISTORY_TOKENS)
}

/// Renews a lease for as long as its turn takes.
async fn keep(sessions: Arc<Sessions>, key: SessionKey, lease: Lease) {
    loop {
        tokio::time::sleep(lease.lasts / 3).await;
        if let Err(error) = sessions.store.renew(&key, &lease).await {
            tracing::warn!(%error, "the lease of a session can't be renewed");
        }
    }
}

impl Drop for SessionTurn {
    fn drop(&mut self) {
        let Some((lease, beat)) = self.lease.take() else {
            return;
        };
        beat.abort();
        // The session is free for this process at once, and for others as soon as the store knows.
        let (sessions, key) = (Arc::clone(&self.hold.sessions), self.hold.key.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = sessions.store.release(&key, &lease).await {
                    tracing::warn!(%error, "the lease of a session can't be given back");
                }
            });
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let held = self.sessions.busy.lock();
        held.unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

//! Turns of conversations: one at a time, in this process and in all others that use the store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::AgentError;
use crate::model::{Message, Role};
use crate::schema::new_uuid_v4;
use crate::session::session_store::{SessionKey, SessionLease, SessionStore, Turn, lease_conflict};
use crate::spec::agent_spec::Policy;

/// How much history the model gets if the policy does not say, in estimated tokens.
pub const DEFAULT_HISTORY_TOKENS: u64 = 32_000;
/// How long after its last turn a session expires if the policy does not say.
pub const DEFAULT_SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest session id, in characters.
pub(crate) const LONGEST_SESSION_ID: usize = 128;
/// How long a session stays locked after its process was killed.
const LEASE_TTL: Duration = Duration::from_secs(30);

/// Whether the session of a turn must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// It must exist.
    Existing,
    /// It is created if it does not exist.
    GetOrCreate,
    /// It is new: its id was just generated, so nobody else can know it and no lease is needed.
    Create,
}

/// The sessions of a service.
pub(crate) struct Sessions {
    store: Arc<dyn SessionStore>,
    /// This process, unique among all that share the store.
    owner: String,
    locked: Mutex<BTreeSet<SessionKey>>,
}

/// The right to add one turn to a session. One request at a time has it; dropping it releases it.
pub(crate) struct SessionTurn {
    local_lock: LocalLock,
    lease: Option<(SessionLease, JoinHandle<()>)>,
    version: u64,
    /// The messages so far that the model gets.
    pub(crate) history: Vec<Message>,
}

/// Excludes other requests of this process from the session, until it is dropped.
struct LocalLock {
    sessions: Arc<Sessions>,
    key: SessionKey,
}

impl Sessions {
    /// Sessions in `store`.
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            owner: new_uuid_v4().to_string(),
            locked: Mutex::default(),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// Opens a session for one turn; 404 if it must be there and is not, 409 while another turn is under way.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: SessionKey,
        mode: OpenMode,
        policy: &Policy,
    ) -> Result<SessionTurn, AgentError> {
        let mut turn = SessionTurn {
            local_lock: self.lock(key)?,
            lease: None,
            version: 0,
            history: Vec::new(),
        };
        if mode == OpenMode::Create {
            return Ok(turn);
        }
        let lease = self.new_lease();
        let heartbeat = tokio::spawn(renew_until_aborted(
            Arc::clone(self),
            turn.local_lock.key.clone(),
            lease.clone(),
        ));
        // From here on dropping the turn releases the lease, even if the store has not answered yet.
        let (lease, _) = &*turn.lease.insert((lease, heartbeat));
        let key = &turn.local_lock.key;
        let found = self.store.begin(key, lease, history_tokens(policy)).await?;
        match found {
            Some(conversation) => {
                turn.version = conversation.version;
                turn.history = conversation.messages;
            }
            None if mode == OpenMode::GetOrCreate => {}
            None => return Err(no_such_session()),
        }
        Ok(turn)
    }

    /// Deletes a session; 404 if there is none, 409 while a turn of it is under way.
    pub(crate) async fn delete(self: &Arc<Self>, key: SessionKey) -> Result<(), AgentError> {
        let lock = self.lock(key)?;
        if self.store.delete(&lock.key, &self.new_lease()).await? {
            Ok(())
        } else {
            Err(no_such_session())
        }
    }

    /// Releases all leases when the process ends, so that other processes need not wait until they expire.
    pub(crate) async fn end(&self) {
        if let Err(error) = self.store.release_all(&self.owner).await {
            tracing::warn!(%error, "the leases of sessions can't be released");
        }
    }

    fn new_lease(&self) -> SessionLease {
        SessionLease {
            owner: self.owner.clone(),
            turn: new_uuid_v4().to_string(),
            ttl: LEASE_TTL,
        }
    }

    fn lock(self: &Arc<Self>, key: SessionKey) -> Result<LocalLock, AgentError> {
        let mut locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
        if !locked.insert(key.clone()) {
            return Err(lease_conflict().into());
        }
        let sessions = Arc::clone(self);
        Ok(LocalLock { sessions, key })
    }
}

impl SessionTurn {
    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        &self.local_lock.key.id
    }

    /// Adds the question and the answer; 409 if another turn was added meanwhile.
    pub(crate) async fn commit(
        mut self,
        question: String,
        answer: String,
        policy: &Policy,
    ) -> Result<(), AgentError> {
        let message = |role, text| Message { role, text };
        let turn = Turn {
            version: self.version,
            messages: vec![
                message(Role::User, question),
                message(Role::Assistant, answer),
            ],
            history_tokens: history_tokens(policy),
            ttl: policy
                .session_ttl_seconds
                .map_or(DEFAULT_SESSION_TTL, Duration::from_secs),
            lease: self.lease.as_ref().map(|(lease, _)| lease.clone()),
        };
        let LocalLock { sessions, key } = &self.local_lock;
        sessions.store.commit(key, turn).await?;
        if let Some((_, heartbeat)) = self.lease.take() {
            heartbeat.abort();
        }
        Ok(())
    }
}

/// The error for a session that does not exist or is another caller's.
pub(crate) fn no_such_session() -> AgentError {
    AgentError::not_found("there is no such session")
}

fn history_tokens(policy: &Policy) -> u64 {
    policy.history_tokens.unwrap_or(DEFAULT_HISTORY_TOKENS)
}

/// Renews a lease until the task is aborted, which the end of the turn does.
async fn renew_until_aborted(sessions: Arc<Sessions>, key: SessionKey, lease: SessionLease) {
    loop {
        tokio::time::sleep(lease.ttl / 3).await;
        if let Err(error) = sessions.store.renew(&key, &lease).await {
            tracing::warn!(%error, "the lease of a session can't be renewed");
        }
    }
}

impl Drop for SessionTurn {
    fn drop(&mut self) {
        let Some((lease, heartbeat)) = self.lease.take() else {
            return;
        };
        heartbeat.abort();
        // This process can use the session at once, others when the store has released the lease.
        let (sessions, key) = (
            Arc::clone(&self.local_lock.sessions),
            self.local_lock.key.clone(),
        );
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = sessions.store.release(&key, &lease).await {
                    tracing::warn!(%error, "the lease of a session can't be released");
                }
            });
        }
    }
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        let locked = self.sessions.locked.lock();
        locked
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

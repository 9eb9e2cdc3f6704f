//! Turns of conversations: one at a time, in this process and in all others that use the store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::AgentError;
use crate::error::store_error::StoreError;
use crate::model::{Message, Role};
use crate::schema::new_uuid_v4;
use crate::session::session_store::{SessionKey, SessionLease, SessionStore, Turn, lease_conflict};
use crate::spec::agent_spec::Policy;

/// How much history the model gets if the policy does not say, in estimated tokens.
pub const DEFAULT_HISTORY_TOKENS: u64 = 32_000;
/// How long after its last turn a session expires if the policy does not say.
pub const DEFAULT_SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the first turn of a session whose id only this process knows goes on before it begins in the store. Most of what is over
/// by then leaves one write there instead of two.
const UNSTORED: Duration = Duration::from_millis(20);
/// How long a session stays locked after its process was killed.
const LEASE_TTL: Duration = Duration::from_secs(30);

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
    turn: Arc<Turn>,
    /// Renews the lease, and ends only if the turn could not begin; `None` once the turn is committed.
    heartbeat: Option<JoinHandle<StoreError>>,
    stage: Arc<tokio::sync::Mutex<Stage>>,
    /// The messages so far that the model gets.
    pub(crate) history: Vec<Message>,
}

/// What the store knows of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing.
    Unstored,
    /// It may have a lease.
    Begun,
    /// Nothing, and it stays so.
    Over,
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

    /// The same sessions, for turns that `owner` has the leases of.
    pub(crate) fn of_owner(&self, owner: String) -> Self {
        Self {
            store: Arc::clone(&self.store),
            owner,
            locked: Mutex::default(),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// Begins a turn of a session, which is created if it does not exist; 409 while another turn is under way.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        key: SessionKey,
        question: String,
        policy: &Policy,
    ) -> Result<SessionTurn, AgentError> {
        // From here on dropping the turn releases the lease, even if the store has not answered yet.
        let mut turn = self.new_turn(key, question, policy, Stage::Begun)?;
        turn.history = self.store.begin(&turn.local_lock.key, &turn.turn).await?;
        Ok(turn)
    }

    /// Begins the first turn of a session under an id that was made for it. The store learns of it when it ends, or after a while.
    pub(crate) fn begin_first(
        self: &Arc<Self>,
        key: SessionKey,
        question: String,
        policy: &Policy,
    ) -> Result<SessionTurn, AgentError> {
        self.new_turn(key, question, policy, Stage::Unstored)
    }

    fn new_turn(
        self: &Arc<Self>,
        key: SessionKey,
        question: String,
        policy: &Policy,
        stage: Stage,
    ) -> Result<SessionTurn, AgentError> {
        let local_lock = self.lock(key)?;
        let turn = Arc::new(Turn {
            lease: self.new_lease(),
            question,
            history_tokens: policy.history_tokens.unwrap_or(DEFAULT_HISTORY_TOKENS),
            ttl: policy
                .session_ttl_seconds
                .map_or(DEFAULT_SESSION_TTL, Duration::from_secs),
        });
        let stage = Arc::new(tokio::sync::Mutex::new(stage));
        let heartbeat = tokio::spawn(renew_until_aborted(
            Arc::clone(self),
            local_lock.key.clone(),
            Arc::clone(&turn),
            Arc::clone(&stage),
        ));
        Ok(SessionTurn {
            local_lock,
            turn,
            heartbeat: Some(heartbeat),
            stage,
            history: Vec::new(),
        })
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

    /// The messages for the model: those so far and then `question`. Several questions of the user in a row, of which all but the
    /// last were interrupted, become one, since many models insist that user and assistant take turns.
    pub(crate) fn messages(&self, question: String) -> Vec<Message> {
        let question = Message {
            role: Role::User,
            text: question,
        };
        let history = self.history.iter().cloned().chain([question]);
        history.fold(Vec::new(), |mut messages, message| {
            match messages.last_mut() {
                Some(Message { role, text }) if *role == message.role => {
                    text.push_str("\n\n");
                    text.push_str(&message.text);
                }
                _ => messages.push(message),
            }
            messages
        })
    }

    /// Does the work of the turn. Fails as soon as the store can't take the question: an answer that can't be stored costs too.
    pub(crate) async fn hold<T>(
        &mut self,
        work: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        let Some(heartbeat) = &mut self.heartbeat else {
            return work.await;
        };
        tokio::select! {
            biased;
            done = work => done,
            failed = heartbeat => match failed {
                Ok(error) => Err(error.into()),
                Err(error) => Err(AgentError::internal(error)),
            },
        }
    }

    /// Adds the question and the answer; 409 if the session was changed meanwhile.
    pub(crate) async fn commit(mut self, answer: &str) -> Result<(), AgentError> {
        let LocalLock { sessions, key } = &self.local_lock;
        {
            // If the turn is about to begin in the store, this waits until it has.
            let mut stage = self.stage.lock().await;
            if *stage == Stage::Unstored {
                *stage = Stage::Over;
                sessions.store.create(key, &self.turn, answer).await?;
            } else {
                sessions.store.commit(key, &self.turn, answer).await?;
            }
        }
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
        }
        Ok(())
    }
}

/// The error for a session that does not exist or is another caller's.
pub(crate) fn no_such_session() -> AgentError {
    AgentError::not_found("there is no such session")
}

/// Renews the lease of a turn until the task is aborted, which the end of the turn does. Returns only if the turn should have begun in
/// the store after a while, and could not.
async fn renew_until_aborted(
    sessions: Arc<Sessions>,
    key: SessionKey,
    turn: Arc<Turn>,
    stage: Arc<tokio::sync::Mutex<Stage>>,
) -> StoreError {
    let is_unstored = *stage.lock().await == Stage::Unstored;
    if is_unstored {
        tokio::time::sleep(UNSTORED).await;
        let mut stage = stage.lock().await;
        if *stage == Stage::Unstored {
            *stage = Stage::Begun;
            if let Err(error) = sessions.store.begin(&key, &turn).await {
                *stage = Stage::Unstored;
                return error;
            }
        }
    }
    loop {
        tokio::time::sleep(turn.lease.ttl / 3).await;
        if let Err(error) = sessions.store.renew(&key, &turn.lease).await {
            tracing::warn!(%error, "the lease of a session can't be renewed");
        }
    }
}

impl Drop for SessionTurn {
    fn drop(&mut self) {
        let Some(heartbeat) = self.heartbeat.take() else {
            return;
        };
        heartbeat.abort();
        if let Ok(mut stage) = self.stage.try_lock()
            && *stage != Stage::Begun
        {
            *stage = Stage::Over;
            return;
        }
        let turn = Arc::clone(&self.turn);
        // This process can use the session at once, others when the store has released the lease.
        let (sessions, key) = (
            Arc::clone(&self.local_lock.sessions),
            self.local_lock.key.clone(),
        );
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = sessions.store.release(&key, &turn.lease).await {
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

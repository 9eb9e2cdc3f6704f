//! The lending desk: which books are out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agentgen_runtime::{AgentError, RunContext};

use crate::agents::lending_desk::{
    GiveBackError, GiveBackRequest, LendAlreadyLent, LendError, LendRequest, LendResponse,
    LendingDesk, LoansRequest, LoansResponse,
};

/// The highest number of a book.
const LAST_BOOK: i64 = 4;
/// For how long a book is lent.
const USUAL_DAYS: i64 = 28;

/// The books that are out, by their numbers, in memory.
#[derive(Debug, Default)]
pub struct Loans(Mutex<BTreeMap<i64, LendResponse>>);

impl Loans {
    fn books(&self) -> MutexGuard<'_, BTreeMap<i64, LendResponse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LendingDesk for Loans {
    async fn lend(
        &self,
        _cx: &RunContext,
        request: LendRequest,
    ) -> Result<LendResponse, AgentError> {
        let book = request.book_id;
        if !(1..=LAST_BOOK).contains(&book) {
            return Err(LendError::NoSuchBook.with_detail(format!("there is no book {book}")));
        }
        let mut books = self.books();
        if let Some(LendResponse { branch, days, .. }) = books.get(&book).cloned() {
            return Err(LendError::AlreadyLent(LendAlreadyLent { branch, days }).into());
        }
        let loan = LendResponse {
            book,
            branch: request.x_branch,
            days: request.x_days.unwrap_or(USUAL_DAYS),
        };
        books.insert(book, loan.clone());
        Ok(loan)
    }

    async fn give_back(
        &self,
        _cx: &RunContext,
        request: GiveBackRequest,
    ) -> Result<(), AgentError> {
        match self.books().remove(&request.book_id) {
            Some(_) => Ok(()),
            None => Err(GiveBackError::NotLent.into()),
        }
    }

    async fn loans(
        &self,
        _cx: &RunContext,
        request: LoansRequest,
    ) -> Result<LoansResponse, AgentError> {
        let limit = request.limit.and_then(|limit| usize::try_from(limit).ok());
        let books = self.books();
        let wanted = books.values().filter(|loan| {
            request
                .branch
                .as_ref()
                .is_none_or(|branch| loan.branch == *branch)
        });
        let books = wanted
            .map(|loan| loan.book)
            .take(limit.unwrap_or(usize::MAX));
        Ok(LoansResponse {
            books: books.collect(),
        })
    }
}

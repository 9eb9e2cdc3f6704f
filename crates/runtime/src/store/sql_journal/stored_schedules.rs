//! When the runs of schedules are due, in a database.

use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::store::sql_database::{Row, query};
use crate::store::sql_store::SqlStore;
use crate::unix_time::{from_millis, to_millis};
use crate::workflow::journal::schedule_store::{DueSchedule, ScheduleStore};

const NOW: &str = "SELECT {now} AS now";
pub(super) const DECLARE_SCHEDULE: &str = "INSERT INTO workflow_schedules (workflow, definition, due_at) VALUES ($1, $2, $3) \
     ON CONFLICT (workflow) DO UPDATE SET definition = $2, due_at = $3 WHERE workflow_schedules.definition <> $2";
pub(super) const END_SCHEDULE: &str = "DELETE FROM workflow_schedules WHERE workflow = $1";
pub(super) const DUE_SCHEDULES: &str = "SELECT workflow, definition, due_at, {now} AS now FROM workflow_schedules \
     WHERE due_at <= {now} ORDER BY due_at, workflow";
pub(super) const ADVANCE_SCHEDULE: &str = "UPDATE workflow_schedules SET due_at = $4 WHERE workflow = $1 AND definition = $2 AND due_at = $3";

impl ScheduleStore for SqlStore {
    fn now(&self) -> BoxFuture<'_, Result<SystemTime, StoreError>> {
        Box::pin(async move {
            let row = self.database.query(NOW);
            let row = row.fetch_optional(self.database.read()).await?;
            let row = row.ok_or_else(|| StoreError::internal("the database has no clock"))?;
            Ok(from_millis(row.integer("now")?))
        })
    }

    fn declare_schedule<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
        due_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query(DECLARE_SCHEDULE)
                .bind(workflow)
                .bind(definition)
                .bind(to_millis(due_at))
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn end_schedule<'a>(&'a self, workflow: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let end = query(END_SCHEDULE).bind(workflow);
            end.execute(self.database.write()).await?;
            Ok(())
        })
    }

    fn due_schedules(&self) -> BoxFuture<'_, Result<Vec<DueSchedule>, StoreError>> {
        Box::pin(async move {
            let rows = self.database.query(DUE_SCHEDULES);
            let rows = rows.fetch_all(self.database.read()).await?;
            let due = |row: &Row| {
                Ok(DueSchedule {
                    workflow: row.text("workflow")?,
                    definition: row.text("definition")?,
                    due_at: from_millis(row.integer("due_at")?),
                    now: from_millis(row.integer("now")?),
                })
            };
            rows.iter().map(due).collect()
        })
    }

    fn advance_schedule<'a>(
        &'a self,
        due: &'a DueSchedule,
        next: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let advanced = query(ADVANCE_SCHEDULE)
                .bind(&due.workflow)
                .bind(&due.definition)
                .bind(to_millis(due.due_at))
                .bind(to_millis(next))
                .execute(self.database.write())
                .await?;
            Ok(advanced > 0)
        })
    }
}

//! Schedules: when the runs of a workflow are due, and who starts them.
//!
//! Invariant: the store knows when the next run is due, on its own clock. A run that a schedule starts has the moment at which it was due as
//! its idempotency key, so that of several processes one starts it. Only then the store is told of the next moment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agentgen_schema::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime as LocalTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::auth::claims::Caller;
use crate::error::store_error::StoreError;
use crate::schema::DateTime;
use crate::spec::workflow_spec::{Missed, ScheduleSpec, WorkflowSpec};
use crate::workflow::journal::schedule_store::{DueSchedule, subject_of};
use crate::workflow::run_start::start_run;
use crate::workflow::workflow_service::WorkflowService;

/// How late a run may start and was not missed.
const GRACE: Duration = Duration::from_secs(60);
/// How many missed runs start at once. The next ones follow when the schedule is looked at again.
const STARTED_AT_ONCE: usize = 100;
/// How far it is looked for a moment: 29 February is a Sunday within 40 years.
const DAYS_AHEAD: u32 = 41 * 366;

/// When something is due.
#[derive(Debug, Clone)]
pub(crate) struct Timetable {
    cron: Cron,
    zone: TimeZone,
    /// Changes with the two.
    definition: String,
}

impl Timetable {
    /// That of `schedule`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(schedule: &ScheduleSpec) -> Result<Self, String> {
        let (cron, zone) = (schedule.cron, schedule.zone);
        Ok(Self {
            cron: cron.parse().map_err(|error| format!("`{cron}`: {error}"))?,
            zone: TimeZone::get(zone).map_err(|_| {
                format!("there is no time zone `{zone}`; an example is Europe/Berlin")
            })?,
            definition: format!("{cron} {zone}"),
        })
    }

    /// The first moment after `after`.
    ///
    /// A local time that the clock leaves out, because it is set forward, is the moment at which that happens. Of one that comes twice,
    /// because the clock is set back, the first is meant.
    pub(crate) fn next(&self, after: SystemTime) -> Option<SystemTime> {
        let after = Timestamp::try_from(after).ok()?;
        let mut day = self.zone.to_datetime(after).date().yesterday().ok()?;
        for _ in 0..DAYS_AHEAD {
            let weekday = day.weekday().to_sunday_zero_offset();
            let [month, number, weekday] = [day.month(), day.day(), weekday].map(i8::unsigned_abs);
            if self.cron.is_due_on(month, number, weekday) {
                let times = self.cron.times();
                let times = times.map(|(hour, minute)| day.at(hour as i8, minute as i8, 0, 0));
                let mut moments = times.filter_map(|time| self.moment(time));
                if let Some(next) = moments.find(|moment| *moment > after) {
                    return Some(next.into());
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn moment(&self, time: LocalTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                let before_gap = after.to_timestamp(time).ok()?;
                let mut changes = self.zone.following(before_gap);
                changes.next().map(|change| change.timestamp())
            }
        }
    }
}

/// Tells the store which workflows have a schedule, and with `ends` also which have none.
pub(crate) async fn declare(service: &WorkflowService, ends: bool) -> Result<(), StoreError> {
    if ends {
        for name in service.specs.keys() {
            if !service.timetables.contains_key(name) {
                service.journal.end_schedule(name).await?;
            }
        }
    }
    if service.timetables.is_empty() {
        return Ok(());
    }
    let now = service.journal.now().await?;
    for (name, timetable) in &service.timetables {
        if let Some(first) = timetable.next(now) {
            let declared = service
                .journal
                .declare_schedule(name, &timetable.definition, first);
            declared.await?;
        }
    }
    Ok(())
}

/// Starts the runs that are due.
pub(crate) async fn start_due(service: &Arc<WorkflowService>) -> Result<(), StoreError> {
    for due in service.journal.due_schedules().await? {
        let spec = service.specs.get(&*due.workflow).copied();
        let timetable = service.timetables.get(&*due.workflow);
        let own = timetable.filter(|timetable| timetable.definition == due.definition);
        if let (Some(spec), Some(timetable)) = (spec, own)
            && let Some(schedule) = spec.schedule
        {
            follow(service, spec, &schedule, timetable, &due).await?;
        }
    }
    Ok(())
}

/// Starts the runs of one schedule that are due, and says when the next one is.
async fn follow(
    service: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    schedule: &ScheduleSpec,
    timetable: &Timetable,
    due: &DueSchedule,
) -> Result<(), StoreError> {
    let mut moments = vec![due.due_at];
    let mut next = timetable.next(due.now);
    match schedule.missed {
        Missed::One => {}
        // One that is due now is not missed, whatever was before.
        Missed::Skip => {
            let in_time = timetable.next(due.now - GRACE);
            if in_time.is_none_or(|in_time| in_time > due.now) {
                tracing::info!(
                    workflow = spec.name,
                    "a scheduled run was missed, and is left out"
                );
                moments.clear();
            }
        }
        Missed::All => {
            next = timetable.next(due.due_at);
            while let Some(moment) = next.filter(|next| *next <= due.now)
                && moments.len() < STARTED_AT_ONCE
            {
                moments.push(moment);
                next = timetable.next(moment);
            }
        }
    }
    for moment in moments {
        let key = DateTime::from(moment).to_string();
        let caller = Caller {
            subject: subject_of(spec.name),
            roles: None,
        };
        let input = serde_json::from_str(schedule.input).unwrap_or_default();
        if let Err(error) = start_run(service, spec, input, caller, Some(key), None).await {
            // It stays due.
            tracing::warn!(workflow = spec.name, %error, "a scheduled run can't start now");
            return Ok(());
        }
    }
    match next {
        Some(next) => service.journal.advance_schedule(due, next).await.map(drop),
        None => service.journal.end_schedule(spec.name).await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::Timetable;
    use crate::schema::DateTime;
    use crate::spec::workflow_spec::{Missed, ScheduleSpec};

    /// The moments after `after` that such a schedule has, as many as are expected.
    fn assert_due(cron: &'static str, zone: &'static str, after: &str, expected: &[&str]) {
        let schedule = ScheduleSpec {
            cron,
            zone,
            missed: Missed::One,
            input: "{}",
        };
        let timetable = Timetable::read(&schedule).unwrap();
        let mut after = SystemTime::from(after.parse::<DateTime>().unwrap());
        for expected in expected {
            after = timetable.next(after).unwrap();
            let moment = DateTime::from(after).to_string();
            assert_eq!(moment, *expected, "{cron} {zone}");
        }
    }

    #[test]
    fn a_local_time_keeps_its_hour_over_the_year() {
        let workdays = "0 7 * * 1-5";
        assert_due(
            workdays,
            "Europe/Berlin",
            "2026-03-27T05:00:00Z",
            &[
                "2026-03-27T06:00:00Z",
                "2026-03-30T05:00:00Z",
                "2026-03-31T05:00:00Z",
            ],
        );
        assert_due(
            workdays,
            "UTC",
            "2026-03-27T07:00:00Z",
            &["2026-03-30T07:00:00Z"],
        );
        // A zone that is set back at midnight.
        assert_due(
            "30 23 * * *",
            "America/Asuncion",
            "2024-03-22T12:00:00Z",
            &[
                "2024-03-23T02:30:00Z",
                "2024-03-24T02:30:00Z",
                "2024-03-25T03:30:00Z",
            ],
        );
    }

    #[test]
    fn what_the_clock_leaves_out_is_due_once_right_after_the_gap() {
        // On 29 March 2026, 2:00 is followed by 3:00.
        assert_due(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            &[
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-30T00:30:00Z",
            ],
        );
        assert_due(
            "*/20 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            &[
                "2026-03-29T01:00:00Z",
                "2026-03-29T01:20:00Z",
                "2026-03-29T01:40:00Z",
                "2026-03-30T00:00:00Z",
            ],
        );
    }

    #[test]
    fn what_comes_twice_is_due_the_first_time() {
        // On 25 October 2026, 3:00 is followed by 2:00.
        assert_due(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
        assert_due(
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-26T01:00:00Z",
            ],
        );
    }

    #[test]
    fn rare_days_are_found_and_unknown_zones_refused() {
        let leap_days = ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"];
        assert_due("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &leap_days);
        let next_century = ["2104-02-29T00:00:00Z"];
        assert_due("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &next_century);
        let schedule = ScheduleSpec {
            cron: "0 0 * * *",
            zone: "Europe/Bielefeld",
            missed: Missed::One,
            input: "{}",
        };
        let error = Timetable::read(&schedule).unwrap_err();
        assert!(error.contains("no time zone `Europe/Bielefeld`"), "{error}");
    }
}

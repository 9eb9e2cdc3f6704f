//! Cron expressions of five fields, as crontab(5) has them: `minute hour day-of-month month day-of-week`.
//!
//! Invariant: an expression that is read is due on some day.

use std::fmt;
use std::str::FromStr;

/// The minutes at which something is due, on the clock of a place.
///
/// ```
/// use agentgen_schema::Cron;
///
/// let workdays: Cron = "30 7 * * mon-fri".parse()?;
/// assert_eq!(workdays.times().collect::<Vec<_>>(), [(7, 30)]);
/// // 1 April, a Wednesday.
/// assert!(workdays.is_due_on(4, 1, 3));
/// assert!("0 0 30 2 *".parse::<Cron>().is_err());
/// # Ok::<(), agentgen_schema::CronError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    /// Each field has a bit for each of its values.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether one of the day of the month and the day of the week is enough. Else both have to be right.
    is_either_day: bool,
}

/// What is wrong with a cron expression, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError(String);

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CronError {}

/// A field: its name, its lowest and highest value, and the names of values from the lowest on.
struct Field {
    name: &'static str,
    lowest: u32,
    highest: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        lowest: 0,
        highest: 59,
        names: &[],
    },
    Field {
        name: "hour",
        lowest: 0,
        highest: 23,
        names: &[],
    },
    Field {
        name: "day of the month",
        lowest: 1,
        highest: 31,
        names: &[],
    },
    Field {
        name: "month",
        lowest: 1,
        highest: 12,
        names: MONTHS,
    },
    // Sunday is 0, and 7 too.
    Field {
        name: "day of the week",
        lowest: 0,
        highest: 7,
        names: WEEKDAYS,
    },
];
/// The days of each month, from January, in a leap year.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Whether something is due on this day: `month` from 1, `day` from 1, `weekday` from 0, which is Sunday.
    #[must_use]
    pub fn is_due_on(&self, month: u8, day: u8, weekday: u8) -> bool {
        let is_day = has(self.days, day.into());
        let is_weekday = has(self.weekdays, weekday.into());
        has(self.months, month.into())
            && match self.is_either_day {
                true => is_day || is_weekday,
                false => is_day && is_weekday,
            }
    }

    /// The hours and minutes at which something is due, in order.
    pub fn times(&self) -> impl Iterator<Item = (u8, u8)> {
        let (hours, minutes) = (self.hours, self.minutes);
        let hours = (0..24).filter(move |hour| has(hours, *hour));
        hours.flat_map(move |hour| {
            let minutes = (0..60).filter(move |minute| has(minutes, *minute));
            minutes.map(move |minute| (hour as u8, minute as u8))
        })
    }
}

fn has(bits: u64, value: u32) -> bool {
    bits >> value & 1 == 1
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let texts = text.split_ascii_whitespace().collect::<Vec<_>>();
        let Ok(texts) = <[&str; 5]>::try_from(texts) else {
            let count = text.split_ascii_whitespace().count();
            let fields = "minute, hour, day of the month, month, day of the week";
            return Err(CronError(format!("it has {count} fields, not 5: {fields}")));
        };
        let mut bits = [0; 5];
        for ((bits, field), text) in bits.iter_mut().zip(&FIELDS).zip(texts) {
            *bits = read_field(field, text)?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        // Of a day of the month and a day of the week that are both narrowed down, one is enough.
        let is_either_day = !texts[2].starts_with('*') && !texts[4].starts_with('*');
        let exists = |month: u32| {
            let last = MONTH_DAYS[month as usize - 1];
            has(months, month) && (1..=last).any(|day| has(days, day))
        };
        if !is_either_day && !(1..=12).any(exists) {
            return Err(CronError("there is no such day in any month".to_owned()));
        }
        Ok(Self {
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays | weekdays >> 7,
            is_either_day,
        })
    }
}

/// The bits of a field: a list of values, ranges and steps.
fn read_field(field: &Field, text: &str) -> Result<u64, CronError> {
    let wrong = |part: &str, what: String| CronError(format!("{}: `{part}` {what}", field.name));
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => {
                let step = step.parse::<u32>().ok();
                let step = step.filter(|step| (1..=field.highest).contains(step));
                let step = step.ok_or_else(|| {
                    wrong(part, format!("has no step from 1 to {}", field.highest))
                })?;
                (range, Some(step))
            }
        };
        let value =
            |text: &str| read_value(field, text).ok_or_else(|| wrong(part, expected(field)));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (field.lowest, field.highest),
            Some((first, last)) => (value(first)?, value(last)?),
            None => {
                let first = value(range)?;
                // From there on, where there is a step.
                (first, step.map_or(first, |_| field.highest))
            }
        };
        if first > last {
            return Err(wrong(part, "ends before it begins".to_owned()));
        }
        for value in (first..=last).step_by(step.unwrap_or(1) as usize) {
            bits |= 1 << value;
        }
    }
    Ok(bits)
}

fn read_value(field: &Field, text: &str) -> Option<u32> {
    let named = field
        .names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text));
    if let Some(place) = named {
        return Some(field.lowest + place as u32);
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse::<u32>().ok().filter(|_| is_number)?;
    (field.lowest..=field.highest)
        .contains(&value)
        .then_some(value)
}

fn expected(field: &Field) -> String {
    let (lowest, highest) = (field.lowest, field.highest);
    let names = match field.names {
        [first, .., last] => format!(", or {first} to {last}"),
        _ => String::new(),
    };
    format!("is not from {lowest} to {highest}{names}")
}

#[cfg(test)]
mod tests {
    use super::Cron;

    fn read(text: &str) -> Cron {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn lists_ranges_and_steps_are_the_times_they_say() {
        let times = |text| read(text).times().collect::<Vec<_>>();
        assert_eq!(times("0 7 * * *"), [(7, 0)]);
        assert_eq!(times("*/20 1,3 * * *").len(), 6);
        assert_eq!(times("5-10/5 0 * * *"), [(0, 5), (0, 10)]);
        assert_eq!(times("50/5 23 * * *"), [(23, 50), (23, 55)]);
        assert_eq!(times("* * * * *").len(), 24 * 60);
    }

    #[test]
    fn a_day_of_the_month_and_a_day_of_the_week_are_alternatives_when_both_are_given() {
        let both = read("0 0 13 * fri");
        assert!(both.is_due_on(1, 13, 1) && both.is_due_on(1, 2, 5));
        assert!(!both.is_due_on(1, 14, 1));
        let odd = read("0 0 */2 * fri");
        assert!(odd.is_due_on(1, 3, 5) && !odd.is_due_on(1, 3, 4) && !odd.is_due_on(1, 4, 5));
        let sunday = read("0 0 * jan 7");
        assert!(sunday.is_due_on(1, 4, 0) && !sunday.is_due_on(2, 1, 0));
        assert_eq!(read("0 0 * * 0"), read("0 0 * * SUN"));
        assert!(read("0 0 * * 5-7").is_due_on(3, 1, 0));
    }

    #[test]
    fn what_is_never_due_or_says_nothing_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "it has 0 fields, not 5"),
            ("0 0 * * * *", "it has 6 fields, not 5"),
            ("@daily", "it has 1 fields, not 5"),
            ("60 * * * *", "minute: `60` is not from 0 to 59"),
            ("* 24 * * *", "hour: `24` is not from 0 to 23"),
            ("* * 0 * *", "day of the month: `0` is not from 1 to 31"),
            (
                "* * * foo *",
                "month: `foo` is not from 1 to 12, or jan to dec",
            ),
            (
                "* * * * 8",
                "day of the week: `8` is not from 0 to 7, or sun to sat",
            ),
            ("*/0 * * * *", "minute: `*/0` has no step from 1 to 59"),
            ("9-5 * * * *", "minute: `9-5` ends before it begins"),
            ("+5 * * * *", "minute: `+5` is not"),
            ("1,,2 * * * *", "minute: `` is not"),
            ("0 0 30 2 *", "there is no such day in any month"),
            ("0 0 31 4,6 *", "there is no such day in any month"),
        ] {
            let error = text.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(read("0 0 29 2 *").is_due_on(2, 29, 4));
        assert!(read("0 0 30 2 mon").is_due_on(2, 2, 1));
    }
}

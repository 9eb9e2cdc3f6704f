//! Days and moments as RFC 3339 writes them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::formats::{Format, FormatError};

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// A day as RFC 3339 writes it: `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The year, the month from 1 and the day from 1; `None` if there is no such day. Years have up to 4 digits.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let exists = year <= 9999 && (1..=days).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// The year, 0 to 9999.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else {
            return None;
        };
        let century = u16::from(two_digits([y0, y1])?);
        let year = century * 100 + u16::from(two_digits([y2, y3])?);
        Self::new(year, two_digits([m0, m1])?, two_digits([d0, d1])?)
    }

    /// Days since 1970-01-01. Years start in March here, so that the leap day is the last one
    /// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    fn days_since_epoch(self) -> i64 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The inverse of [`Self::days_since_epoch`]; `None` outside of the years 0 to 9999.
    fn from_days_since_epoch(days: i64) -> Option<Self> {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = (shifted_month + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self::new(
            u16::try_from(year).ok()?,
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        )
    }
}

impl FromStr for Date {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text.as_bytes()).ok_or(FormatError(Format::Date))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A moment as RFC 3339 writes it; it keeps the offset it came with. Two of them are equal if they are the same
/// moment, whatever their offsets.
#[derive(Debug, Clone, Copy)]
pub struct DateTime {
    /// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
    seconds: i64,
    /// Nanoseconds within the second; in a leap second they go on from a whole second.
    nanos: u32,
    /// What local time is ahead of UTC.
    offset_minutes: i16,
}

impl DateTime {
    /// The present moment in UTC.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let (b'T' | b't', time) = rest.split_first()? else {
            return None;
        };
        let time = Time::parse(time)?;
        let local = Date::parse(date)?.days_since_epoch() * SECONDS_PER_DAY + time.seconds_of_day();
        Some(Self {
            seconds: local - i64::from(time.offset_minutes) * 60,
            nanos: time.nanos,
            offset_minutes: time.offset_minutes,
        })
    }
}

impl From<SystemTime> for DateTime {
    /// In UTC. Moments before the year 0 and after the year 9999, which RFC 3339 can't write, are moved to its ends.
    fn from(time: SystemTime) -> Self {
        const FIRST: i64 = -62_167_219_200;
        const LAST: i64 = 253_402_300_799;
        let (seconds, nanos) = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => (whole_seconds(since), since.subsec_nanos()),
            Err(before) => match (
                whole_seconds(before.duration()),
                before.duration().subsec_nanos(),
            ) {
                (seconds, 0) => (-seconds, 0),
                (seconds, nanos) => (-seconds - 1, NANOS_PER_SECOND - nanos),
            },
        };
        Self {
            seconds: seconds.clamp(FIRST, LAST),
            nanos,
            offset_minutes: 0,
        }
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    // Half of the range is enough for every year that can be written, and can be negated.
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 2)
}

impl From<DateTime> for SystemTime {
    fn from(moment: DateTime) -> Self {
        let seconds = Duration::from_secs(moment.seconds.unsigned_abs());
        let whole = if moment.seconds < 0 {
            Self::UNIX_EPOCH - seconds
        } else {
            Self::UNIX_EPOCH + seconds
        };
        whole + Duration::from_nanos(moment.nanos.into())
    }
}

impl FromStr for DateTime {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text.as_bytes()).ok_or(FormatError(Format::DateTime))
    }
}

impl fmt::Display for DateTime {
    /// With as many groups of three digits of a second as needed, and `Z` for UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds + i64::from(self.offset_minutes) * 60;
        let days = local.div_euclid(SECONDS_PER_DAY);
        let date = Date::from_days_since_epoch(days).ok_or(fmt::Error)?;
        let second_of_day = local.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);
        let second = second_of_day % 60 + i64::from(self.nanos / NANOS_PER_SECOND);
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}")?;
        match self.nanos % NANOS_PER_SECOND {
            0 => {}
            nanos if nanos % 1_000_000 == 0 => write!(f, ".{:03}", nanos / 1_000_000)?,
            nanos if nanos % 1_000 == 0 => write!(f, ".{:06}", nanos / 1_000)?,
            nanos => write!(f, ".{nanos:09}")?,
        }
        if self.offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let offset = self.offset_minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DateTime {}

impl Hash for DateTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.seconds, self.nanos).hash(state);
    }
}

/// Whether `text` is the full time of RFC 3339: `23:20:50.52Z`.
pub(crate) fn is_time(text: &str) -> bool {
    Time::parse(text.as_bytes()).is_some()
}

/// What follows the `T` of a moment.
struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    /// Goes on from a whole second in a leap second, where `second` stays 59.
    nanos: u32,
    offset_minutes: i16,
}

impl Time {
    fn parse(text: &[u8]) -> Option<Self> {
        let (clock, rest) = text.split_at_checked(8)?;
        let [h0, h1, b':', m0, m1, b':', s0, s1] = *clock else {
            return None;
        };
        let hour = two_digits([h0, h1]).filter(|hour| *hour < 24)?;
        let minute = two_digits([m0, m1]).filter(|minute| *minute < 60)?;
        let second = two_digits([s0, s1]).filter(|second| *second <= 60)?;
        let (fraction, offset) = split_fraction(rest)?;
        let offset_minutes = parse_offset(offset)?;
        let is_leap = second == 60;
        let utc_minute = i16::from(hour) * 60 + i16::from(minute) - offset_minutes;
        // A leap second is the last second of a day in UTC.
        if is_leap && utc_minute.rem_euclid(24 * 60) != 23 * 60 + 59 {
            return None;
        }
        Some(Self {
            hour,
            minute,
            second: second.min(59),
            nanos: fraction + if is_leap { NANOS_PER_SECOND } else { 0 },
            offset_minutes,
        })
    }

    fn seconds_of_day(&self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// The nanoseconds of a fraction such as `.52`, if there is one, and what follows it. Digits after the ninth are cut off.
fn split_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else {
        return Some((0, text));
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(count);
    let nanos = (0..9).fold(0, |nanos, place| {
        nanos * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'))
    });
    (count > 0).then_some((nanos, rest))
}

/// The minutes of an offset such as `Z` or `+05:30`.
fn parse_offset(text: &[u8]) -> Option<i16> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let hours = two_digits([h0, h1]).filter(|hours| *hours < 24)?;
            let minutes = two_digits([m0, m1]).filter(|minutes| *minutes < 60)?;
            let offset = i16::from(hours) * 60 + i16::from(minutes);
            Some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn two_digits([tens, ones]: [u8; 2]) -> Option<u8> {
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    is_number.then(|| (tens - b'0') * 10 + (ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_the_epoch_and_back() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("0000-01-01", -719_528),
            ("9999-12-31", 2_932_896),
        ] {
            let date: Date = text.parse().expect("a date");
            assert_eq!(date.days_since_epoch(), days);
            assert_eq!(Date::from_days_since_epoch(days), Some(date));
            assert_eq!(date.to_string(), text);
        }
        assert_eq!(Date::from_days_since_epoch(2_932_897), None);
    }

    #[test]
    fn moments_are_written_as_they_were_read() {
        for text in [
            "1963-06-19T08:30:06.283185Z",
            "2016-12-31T23:59:60Z",
            "1998-12-31T15:59:60.123-08:00",
            "0000-01-01T00:00:00+23:59",
            "2026-11-21T12:00:00.000000001Z",
        ] {
            let moment: DateTime = text.parse().expect("a moment");
            assert_eq!(moment.to_string(), text);
        }
    }

    #[test]
    fn moments_are_compared_as_moments() {
        let parse = |text: &str| text.parse::<DateTime>().expect("a moment");
        assert_eq!(
            parse("2026-11-21T12:00:00+02:00"),
            parse("2026-11-21T10:00:00z")
        );
        assert!(parse("2016-12-31T23:59:60Z") > parse("2016-12-31T23:59:59.999Z"));
        assert!(parse("2016-12-31T23:59:60Z") < parse("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn system_times_are_in_utc() {
        let at = |seconds: u64, nanos: u32| {
            DateTime::from(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)).to_string()
        };
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(1_700_000_000, 5_000_000), "2023-11-14T22:13:20.005Z");
        let before = SystemTime::UNIX_EPOCH - Duration::new(1, 500_000_000);
        assert_eq!(
            DateTime::from(before).to_string(),
            "1969-12-31T23:59:58.500Z"
        );
    }
}

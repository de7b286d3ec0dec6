//! Dates as servers read them (wire facts §1.3, §1.6): strictly with an offset, leniently without.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// Reads a date with an offset, as `expires` needs it. Seconds since 1970.
pub(crate) fn parse_strict(text: &str) -> Option<i64> {
    let text = text.strip_suffix("+0000").filter(|rest| rest.ends_with('Z')).unwrap_or(text).to_ascii_uppercase();
    let (date, time) = text.split_once('T')?;
    let date = parse_date(date)?;
    let at = time.find(['Z', '+', '-'])?;
    let (clock, offset) = time.split_at_checked(at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    if fraction.len() == 3 && offset == "+0000" {
        return None;
    }
    Some(OffsetDateTime::new_in_offset(date, parse_time(clock)?, parse_offset(offset)?).unix_timestamp())
}

/// Reads a date as list filters take it: strictly, else by its first ten characters. Seconds since 1970.
pub(crate) fn parse(text: &str) -> Option<i64> {
    parse_strict(text).or_else(|| {
        let mut numbers = text.splitn(3, '-');
        let year: i32 = numbers.next()?.parse().ok()?;
        let month: u8 = numbers.next()?.parse().ok()?;
        let day: String = numbers.next()?.chars().take_while(char::is_ascii_digit).take(2).collect();
        let first = Date::from_calendar_date(year, Month::try_from(month).ok()?, 1).ok()?;
        let start = OffsetDateTime::new_utc(first, Time::MIDNIGHT).unix_timestamp();
        Some(start + (day.parse::<i64>().ok()? - 1) * 86_400)
    })
}

fn parse_date(text: &str) -> Option<Date> {
    let mut numbers = text.split('-').map(str::parse::<u16>);
    let year = numbers.next()?.ok()?;
    let month = u8::try_from(numbers.next()?.ok()?).ok()?;
    let day = u8::try_from(numbers.next()?.ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), Month::try_from(month).ok()?, day).ok()
}

fn parse_time(text: &str) -> Option<Time> {
    let mut numbers = text.split(':').map(str::parse::<u8>);
    let hour = numbers.next()?.ok()?;
    let minute = numbers.next()?.ok()?;
    let second = numbers.next().transpose().ok()?.unwrap_or(0);
    Time::from_hms(hour, minute, second).ok()
}

fn parse_offset(text: &str) -> Option<UtcOffset> {
    if text == "Z" {
        return Some(UtcOffset::UTC);
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let hours: i8 = digits.get(..2)?.parse().ok()?;
    let minutes: i8 = if digits.len() == 4 { digits.get(2..)?.parse().ok()? } else { 0 };
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_needs_an_offset() {
        for accepted in [
            "2027-01-01T00:00:00Z",
            "2027-01-01T05:30:00+05:30",
            "2027-01-01T00:00:00+00",
            "2027-01-01t00:00z",
            "2027-01-01T00:00:00.123456+0000",
            "2027-01-01T00:00:00Z+0000",
        ] {
            assert_eq!(parse_strict(accepted), Some(1_798_761_600), "{accepted}");
        }
        for refused in ["2027-01-01T00:00:00", "2027-01-01", "1798761600", "2027-13-01T00:00:00Z", "", "2027-01-01T00:00:00.123+0000", "2027-01-01T00:00:00UTC"]
        {
            assert_eq!(parse_strict(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_filter_takes_a_date_by_its_beginning() {
        assert_eq!(parse("2026-11-22garbage"), parse("2026-11-22"));
        assert!(parse("2026-02-31").is_some());
        assert_eq!((parse("22.11.2026"), parse("20261122"), parse("yesterday")), (None, None, None));
    }
}

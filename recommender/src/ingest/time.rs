//! Times as they arrive: a number of seconds, milli-, micro- or nanoseconds, or RFC 3339 text.
//!
//! A number's unit is told by its size: below 10^11 it counts seconds (until the year 5138), then each factor
//! of a thousand is the next finer unit. That misreads millisecond times before March 1973 and nothing else.

/// Milliseconds since 1970 UTC of a bare number.
pub fn from_number(value: f64) -> Option<i64> {
    if !value.is_finite() {
        return None;
    }
    let size = value.abs();
    let ms = if size < 1e11 {
        value * 1e3
    } else if size < 1e14 {
        value
    } else if size < 1e17 {
        value / 1e3
    } else {
        value / 1e6
    };
    Some(ms.floor() as i64)
}

/// Milliseconds since 1970 UTC of RFC 3339 text, or of a number written as text.
///
/// Accepted beyond the RFC: a space for the `T`, a missing zone (UTC is meant), a date alone.
pub fn from_text(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    let bytes = text.as_bytes();
    let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?);
    if bytes[4] != b'-' || bytes[7] != b'-' || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    if day > days_in_month(year, month) {
        return None;
    }
    let midnight_ms = days_from_civil(year, month, day) * 86_400_000;
    match bytes.get(10) {
        None => Some(midnight_ms),
        Some(b'T' | b't' | b' ') => Some(midnight_ms + time_of_day_ms(&bytes[11..])?),
        Some(_) => None,
    }
}

/// Milliseconds since 1970 UTC as RFC 3339 with milliseconds and `Z`.
pub fn to_text(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// `hh:mm[:ss[.fraction]][zone]`, the zone taken off.
fn time_of_day_ms(bytes: &[u8]) -> Option<i64> {
    let (hour, minute) = (digits(bytes, 0, 2)?, digits(bytes, 3, 2)?);
    if bytes[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut ms = (hour * 60 + minute) * 60_000;
    let mut rest = &bytes[5..];
    if rest.first() == Some(&b':') {
        let second = digits(rest, 1, 2)?;
        if second > 60 {
            return None;
        }
        ms += second * 1000;
        rest = &rest[3..];
        if rest.first() == Some(&b'.') {
            let length = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            let mut unit = 100;
            for byte in rest[1..].iter().take(length.min(3)) {
                ms += i64::from(byte - b'0') * unit;
                unit /= 10;
            }
            rest = &rest[1 + length..];
        }
    }
    Some(ms - zone_ms(rest)?)
}

fn zone_ms(bytes: &[u8]) -> Option<i64> {
    let sign = match bytes.first() {
        None => return Some(0),
        Some(b'Z' | b'z') if bytes.len() == 1 => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let hour = digits(bytes, 1, 2)?;
    let colon = usize::from(bytes.get(3) == Some(&b':'));
    let minute = digits(bytes, 3 + colon, 2)?;
    let well_formed = bytes.len() == 5 + colon && hour < 24 && minute < 60;
    well_formed.then_some(sign * (hour * 60 + minute) * 60_000)
}

fn digits(bytes: &[u8], from: usize, count: usize) -> Option<i64> {
    let mut value = 0;
    for byte in bytes.get(from..from + count)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, counting years from March so that the
/// leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_their_unit_by_their_size() {
        for (value, ms) in [
            (0.0, 0),
            (881_250_949.0, 881_250_949_000),
            (1_592_337_718.25, 1_592_337_718_250),
            (1_700_000_000_000.0, 1_700_000_000_000),
            (1_700_000_000_000_000.0, 1_700_000_000_000),
            (1_700_000_000_000_000_000.0, 1_700_000_000_000),
        ] {
            assert_eq!(from_number(value), Some(ms), "{value}");
        }
        assert_eq!(from_number(f64::NAN), None);
        assert_eq!(from_number(f64::INFINITY), None);
    }

    #[test]
    fn text_is_rfc_3339() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2011-12-09T12:50:00Z", 1_323_435_000_000),
            ("2011-12-09T12:50:00", 1_323_435_000_000),
            ("2011-12-09 12:50:00.5+01:00", 1_323_431_400_500),
            ("2011-12-09t12:50z", 1_323_435_000_000),
            ("2020-02-29", 1_582_934_400_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2011-12-09T12:50:00.123456789-0530", 1_323_454_800_123),
            ("1599391467000", 1_599_391_467_000),
        ] {
            assert_eq!(from_text(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2021-02-29",
            "2021-13-01",
            "2021-01-01T24:00",
            "2021-01-01T00:00:00+1",
            "2021-01-01T00:00:00.Z",
            "2021-01-01X",
            "2021-00-01",
            "2021-01-00",
            "2021/01/01",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    #[test]
    fn text_comes_back() {
        for ms in [0, -1, 1_323_435_000_123, 951_782_400_000, -62_135_596_800_000, 4_102_444_799_999] {
            assert_eq!(from_text(&to_text(ms)), Some(ms), "{}", to_text(ms));
        }
    }
}

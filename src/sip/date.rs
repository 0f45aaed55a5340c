//! The Date header (RFC 3261 §20.17): an RFC 1123 date, always in GMT.

/// Appends the 29 bytes of a date like `Sat, 13 Nov 2010 23:29:00 GMT`, for seconds since 1970. Years past 9999 stay at the last
/// second of 9999.
pub fn emit_date(unix_s: u64, out: &mut Vec<u8>) {
    let unix_s = unix_s.min(LAST_SECOND);
    let days = unix_s / DAY_S;
    let second = unix_s % DAY_S;
    let (year, month, day) = civil_from_days(days);
    // 1970-01-01 was a Thursday, the first of WEEKDAYS.
    out.extend_from_slice(WEEKDAYS[(days % 7) as usize]);
    out.extend_from_slice(b", ");
    emit_two(day, out);
    out.push(b' ');
    out.extend_from_slice(MONTHS[month as usize]);
    out.push(b' ');
    emit_two(year / 100, out);
    emit_two(year % 100, out);
    out.push(b' ');
    emit_two(second / 3600, out);
    out.push(b':');
    emit_two(second / 60 % 60, out);
    out.push(b':');
    emit_two(second % 60, out);
    out.extend_from_slice(b" GMT");
}

const DAY_S: u64 = 86_400;
/// 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;
const WEEKDAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Year, month (0–11) and day (1–31) of a day since 1970-01-01. Counts from 0000-03-01, so that the leap day is the last of a year, in
/// eras of 400 years, which all have 146,097 days.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months have 153 days, again and again.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, month, day)
}

fn emit_two(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(unix_s: u64) -> String {
        let mut out = Vec::new();
        emit_date(unix_s, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_seconds_have_their_dates() {
        for (unix_s, wanted) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_677_628_799, "Tue, 28 Feb 2023 23:59:59 GMT"),
            (1_677_628_800, "Wed, 01 Mar 2023 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
            (LAST_SECOND, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(date(unix_s), wanted);
        }
    }

    #[test]
    fn days_follow_each_other_for_four_centuries() {
        let lengths = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..146_097 {
            assert_eq!(civil_from_days(days), (year, month, day));
            day += 1;
            if day > lengths(year)[month as usize] {
                (month, day) = (month + 1, 1);
            }
            if month == 12 {
                (year, month) = (year + 1, 0);
            }
        }
    }
}

//! What the values of conditions look like, by operator.

use std::net::IpAddr;

use super::syntax::Test;

/// Whether the values of a test are of the operator's type. A value with a policy variable may be anything.
pub(super) fn fits(test: &Test) -> bool {
    let fits: fn(&str) -> bool = match test.kind() {
        kind if kind.starts_with("Date") => is_date,
        kind if kind.starts_with("Numeric") => |value| value.trim().parse::<f64>().is_ok_and(f64::is_finite),
        "Bool" | "Null" => |value| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        "IpAddress" | "NotIpAddress" => is_network,
        _ => return true,
    };
    test.values.iter().all(|value| value.contains("${") || fits(value))
}

/// An address, or a network in CIDR notation.
fn is_network(value: &str) -> bool {
    let (address, bits) = value.split_once('/').map_or((value, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}

/// Seconds since 1970, or a date of ISO 8601 whose parts may be left out from the right.
fn is_date(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    if !value.contains('t') && !value.contains('-') {
        return value.parse::<i64>().is_ok_and(|seconds| seconds >= 0);
    }
    let (date, time) = value.split_once('t').unwrap_or((&value, ""));
    is_day(date) && is_time(time)
}

/// `2026`, `2026-11` or `2026-11-29`; a year may be negative.
fn is_day(date: &str) -> bool {
    // The years that Java's milliseconds reach.
    const YEARS: std::ops::RangeInclusive<i64> = -292_275_054..=292_278_993;
    let (sign, digits) = date.strip_prefix('-').map_or((1, date), |digits| (-1, digits));
    let parts: Vec<&str> = digits.split('-').collect();
    let year = parts[0].parse::<i64>().is_ok_and(|year| YEARS.contains(&(sign * year)));
    let within = |part: Option<&&str>, most: u8| part.is_none_or(|part| number(part, 1, most));
    year && parts.len() <= 3 && within(parts.get(1), 12) && within(parts.get(2), 31)
}

/// Empty, `20`, `20:15`, `20:15:37`, `20:15:37.593`, and after the seconds `Z`, `+01` or `+01:30`.
fn is_time(time: &str) -> bool {
    let mut parts = time.splitn(3, ':');
    let (hours, minutes, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if hours.is_empty() {
        return minutes.is_none();
    }
    number(hours, 0, 23) && minutes.is_none_or(|minutes| number(minutes, 0, 59)) && rest.is_none_or(is_seconds)
}

fn is_seconds(text: &str) -> bool {
    let (seconds, zone) = match text.find(['z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (whole, fraction) = seconds.split_once('.').map_or((seconds, None), |(whole, part)| (whole, Some(part)));
    let fraction =
        fraction.is_none_or(|part| (1..=9).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit()));
    number(whole, 0, 59) && fraction && is_zone(zone)
}

fn is_zone(zone: &str) -> bool {
    if zone.is_empty() || zone == "z" {
        return true;
    }
    let (hours, minutes) = zone[1..].split_once(':').map_or((&zone[1..], None), |(hours, rest)| (hours, Some(rest)));
    let two = |text: &str, most: u8| text.len() == 2 && number(text, 0, most);
    two(hours, 23) && minutes.is_none_or(|minutes| two(minutes, 59))
}

fn number(text: &str, least: u8, most: u8) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u8>().is_ok_and(|number| (least..=most).contains(&number))
}

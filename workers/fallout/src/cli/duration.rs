//! Durations on the command line: a whole number and its unit.

use std::time::Duration;

/// `500ms`, `90s`, `5m`, `1h` or `90d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ms_per_unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("expected a number with its unit, for example 90s or 5m".to_owned()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "expected a whole number before the unit, for example 90s".to_owned())?;
    let ms = number.checked_mul(ms_per_unit).filter(|ms| *ms > 0);
    ms.map(Duration::from_millis).ok_or_else(|| "expected more than nothing, and less than for ever".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_number_and_a_unit() {
        let table = [
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("2d", Some(172_800_000)),
        ];
        let wrong = [
            ("5", None),
            ("m", None),
            ("0s", None),
            ("-1s", None),
            ("1.5m", None),
            ("5 m", None),
            ("99999999999999999h", None),
            ("5é", None),
        ];
        for (text, ms) in table.into_iter().chain(wrong) {
            assert_eq!(parse_duration(text).ok(), ms.map(Duration::from_millis), "{text}");
        }
    }
}

//! The page of a stack.

use crate::provider::Tenant;

/// Seconds in a day.
const DAY: u64 = 24 * 60 * 60;

/// Fills in the placeholders `{{trialId}}`, `{{leadId}}`, `{{type}}`, `{{stackId}}` and `{{ends}}`. Values are
/// escaped for HTML, and not searched for placeholders; other placeholders stay.
pub(crate) fn render(template: &str, stack_id: &str, tenant: &Tenant) -> String {
    let mut page = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let filled = after.split_once("}}").and_then(|(name, after)| Some((value(name, stack_id, tenant)?, after)));
        match filled {
            Some((value, after)) => {
                page.push_str(&escape(&value));
                rest = after;
            }
            None => {
                page.push_str("{{");
                rest = after;
            }
        }
    }
    page.push_str(rest);
    page
}

/// A time for people, to the minute: `2020-05-13 14:19 UTC`.
pub(crate) fn time(seconds: f64) -> String {
    // Year 9999; a later end is none.
    let seconds = seconds.clamp(0.0, 253_402_300_799.0) as u64;
    let (year, month, day) = date(seconds / DAY);
    let minutes = seconds % DAY / 60;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

fn value(name: &str, stack_id: &str, tenant: &Tenant) -> Option<String> {
    Some(match name {
        "trialId" => tenant.trial_id.clone(),
        "leadId" => tenant.lead_id.clone(),
        "type" => tenant.trial_type.clone(),
        "stackId" => stack_id.to_owned(),
        "ends" => time(tenant.expires_at),
        _ => return None,
    })
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar. Counted from the 1st of March of the year
/// 0, because then the leap day is the last of a year, and the months follow a line.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_escaped() {
        let tenant = Tenant {
            trial_id: "t1".to_owned(),
            lead_id: "{{type}} & \"Söhne\"".to_owned(),
            trial_type: "ACS".to_owned(),
            expires_at: 0.0,
        };
        let template = "{{leadId}}|{{trialId}}|{{type}}|{{stackId}}|{{ends}}|{{other}}|{{{type}}|{{";
        let expected = "{{type}} &amp; &quot;Söhne&quot;|t1|ACS|s1|1970-01-01 00:00 UTC|{{other}}|{{{type}}|{{";
        assert_eq!(render(template, "s1", &tenant), expected);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (951_782_399.0, "2000-02-28 23:59 UTC"),
            (951_782_400.0, "2000-02-29 00:00 UTC"),
            (951_868_800.0, "2000-03-01 00:00 UTC"),
            (1_589_379_579.9, "2020-05-13 14:19 UTC"),
            (1_798_761_599.0, "2026-12-31 23:59 UTC"),
            (1e300, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }
}

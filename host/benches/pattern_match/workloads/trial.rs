//! Events of trials, and rules that route each lead's to somewhere else.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Workload;
use crate::random::Random;

const DETAIL_TYPES: [&str; 4] = ["TrialRequested", "TrialAssigned", "TrialAssignmentFailed", "TrialExpired"];
const TYPES: [&str; 5] = ["ACS", "APS", "AIS", "AGS", "ADW"];
const STATUSES: [&str; 4] = ["REQUESTED", "ASSIGNED", "FAILED", "EXPIRED"];
const SYLLABLES: [&str; 16] =
    ["ba", "cor", "del", "fi", "gan", "hu", "jo", "kel", "lim", "mo", "nur", "pas", "qui", "ro", "ste", "vu"];

/// The first and the last second of a year, in which all trials are requested.
const YEAR: (usize, usize) = (1_577_836_800, 1_609_459_199);

/// What an event says, as far as rules ask for it.
struct Trial {
    detail_type: &'static str,
    lead: String,
    kind: &'static str,
    requested_at: usize,
    status: &'static str,
    note: Option<String>,
}

/// One lead for each rule, whose events have all that the rule asks for or all but one thing. Every other event is of an unknown lead.
pub(crate) fn exact(rules: usize, events: usize) -> Workload {
    let mut random = Random::new(1);
    let leads = leads(rules, &mut random);
    let asked = |index: usize| (DETAIL_TYPES[index % DETAIL_TYPES.len()], TYPES[index % TYPES.len()]);
    let texts = leads.iter().enumerate().map(|(index, lead)| {
        let (detail_type, kind) = asked(index);
        let detail = json!({ "leadId": [lead], "type": [kind] });
        json!({ "source": ["OnlineTrial"], "detail-type": [detail_type], "detail": detail }).to_string()
    });
    let texts = texts.collect();
    let events = (0..events).map(|index| {
        let mut trial = trial(&mut random);
        if index % 2 == 0 {
            let rule = random.below(rules);
            trial.lead.clone_from(&leads[rule]);
            (trial.detail_type, trial.kind) = asked(rule);
            if random.percent(25) {
                trial.kind = random.one_of(&TYPES);
            }
        }
        event(&trial, &mut random)
    });
    Workload { name: "trial".to_owned(), events: events.collect(), rules: texts }
}

/// Seven rules for each lead, with seven kinds of conditions, no two of them the same. Three events of four are of a lead that has rules.
pub(crate) fn mix(rules: usize, events: usize) -> Workload {
    let mut random = Random::new(2);
    let leads = leads(rules.div_ceil(7), &mut random);
    let (begin, end) = YEAR;
    // So wide that an event is in one of the ranges, more or less.
    let width = ((end - begin) / leads.len()).max(1);
    let texts = (0..rules).map(|index| {
        let lead = leads[index / 7].as_str();
        let kind = TYPES[index % TYPES.len()];
        let status = STATUSES[index % STATUSES.len()];
        let from = begin + index / 7 * width;
        let detail: Value = match index % 7 {
            0 => json!({ "leadId": [lead], "type": TYPES }),
            1 => json!({ "leadId": [{ "prefix": &lead[..7] }] }),
            2 => json!({ "leadId": [{ "suffix": &lead[3..] }], "status": [{ "anything-but": [status] }] }),
            3 => json!({ "leadId": [{ "wildcard": format!("{}*{}", &lead[..4], &lead[7..]) }] }),
            4 => json!({ "requestedAt": [{ "numeric": [">=", from, "<", from + width] }], "status": [status] }),
            5 => json!({ "leadId": [{ "prefix": &lead[..8] }], "type": [{ "anything-but": [kind] }] }),
            _ => json!({ "leadId": [lead, { "suffix": &lead[2..] }], "type": [{ "prefix": "A" }], "status": STATUSES }),
        };
        json!({ "source": ["OnlineTrial"], "detail": detail }).to_string()
    });
    let events = (0..events).map(|index| {
        let mut trial = trial(&mut random);
        if index % 4 != 0 {
            trial.lead.clone_from(&leads[random.below(leads.len())]);
        }
        event(&trial, &mut random)
    });
    let events = events.collect();
    Workload { name: "trial-mix".to_owned(), rules: texts.collect(), events }
}

/// A word for each rule, anywhere in a note of eight words, of which two at most are asked for.
pub(crate) fn infix(rules: usize, events: usize) -> Workload {
    let mut random = Random::new(3);
    let mut words: Vec<String> = Vec::new();
    while words.len() < 2 * rules + 1_000 {
        let word = SYLLABLES.map(|_| random.one_of(&SYLLABLES))[..4].concat();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let (asked, others) = words.split_at(rules);
    let texts =
        asked.iter().map(|word| json!({ "detail": { "note": [{ "wildcard": format!("*{word}*") }] } }).to_string());
    let events = (0..events).map(|index| {
        let mut note: Vec<&str> = (0..8).map(|_| others[random.below(others.len())].as_str()).collect();
        for _ in 0..index % 3 {
            note[random.below(8)] = &asked[random.below(rules)];
        }
        let trial = Trial { note: Some(note.join(" ")), ..trial(&mut random) };
        event(&trial, &mut random)
    });
    let events = events.collect();
    Workload { name: "infix".to_owned(), rules: texts.collect(), events }
}

/// So many different ids of leads, of ten digits.
fn leads(count: usize, random: &mut Random) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut leads = Vec::new();
    while leads.len() < count {
        let lead = format!("{:010}", random.below(10_000_000_000));
        if seen.insert(lead.clone()) {
            leads.push(lead);
        }
    }
    leads
}

/// A trial of somebody no rule knows.
fn trial(random: &mut Random) -> Trial {
    Trial {
        detail_type: random.one_of(&DETAIL_TYPES),
        lead: format!("{:010}", random.below(10_000_000_000)),
        kind: random.one_of(&TYPES),
        requested_at: YEAR.0 + random.below(YEAR.1 - YEAR.0),
        status: random.one_of(&STATUSES),
        note: None,
    }
}

/// The envelope as the daemon writes it, with what an assigned trial carries: some 430 bytes without a note.
fn event(trial: &Trial, random: &mut Random) -> Vec<u8> {
    let mut detail = json!({
        "version": "1.0",
        "trialId": random.uuid(),
        "leadId": trial.lead,
        "type": trial.kind,
        "requestedAt": trial.requested_at,
        "status": trial.status,
        "expiresAt": trial.requested_at + 1_209_600,
        "url": format!("https://{}.trials.example.com", &trial.lead[2..]),
    });
    if let Some(note) = &trial.note {
        detail["note"] = json!(note);
    }
    let event = json!({
        "version": "0",
        "id": random.uuid(),
        "detail-type": trial.detail_type,
        "source": "OnlineTrial",
        "account": "111122223333",
        "time": "2020-05-13T14:19:39Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    });
    event.to_string().into_bytes()
}

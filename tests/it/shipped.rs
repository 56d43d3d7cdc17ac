//! The rules.toml that ships, as it is and with everything in it that is switched off.

use crate::support::process::{command, outcome};
use crate::support::repository;

/// Names of the environment that secrets may come from.
const SECRETS: [&str; 3] = ["SLACK_WEBHOOK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Runs `check` on these rules and the shipped plugins. What it prints, what it complains of, and its exit code.
fn check(rules: &str) -> (String, String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rules.toml");
    std::fs::write(&config, rules).unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let mut check = command();
    check.arg("check").arg("--config").arg(&config).arg("--plugins").arg(repository().join("plugins"));
    check.arg("--data").arg(folder.path().join("data"));
    for secret in SECRETS {
        check.env(secret, "https://hooks.slack.com/services/T0/B0/x");
    }
    outcome(&check.output().unwrap())
}

/// The rules with every line that begins with `#` and no blank switched on.
fn switched_on(rules: &str) -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', '#']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    rules.lines().map(|line| on(line) + "\n").collect()
}

#[test]
fn the_shipped_rules_are_good_with_and_without_what_is_optional() {
    let shipped = std::fs::read_to_string(repository().join("rules.toml")).unwrap();
    let (printed, complaints, code) = check(&shipped);
    assert_eq!((complaints.as_str(), code), ("", Some(0)), "{printed}");
    assert!(printed.contains("plugin slack: not used"), "nothing asks for it: {printed}");
    let (printed, complaints, code) = check(&switched_on(&shipped));
    assert_eq!((complaints.as_str(), code), ("", Some(0)), "{printed}");
    assert!(printed.contains("plugin slack 0"), "{printed}");
}

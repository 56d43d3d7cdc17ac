//! The manners of the daemon as a process, and of its command line.

use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, command, outcome};
use crate::support::repository;

#[test]
fn sigterm_drains_and_exits_with_0() {
    let data = tempfile::tempdir().unwrap();
    let mut daemon = Process::shipped(data.path());
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    // The data folder is free again.
    Process::shipped(data.path());
}

#[test]
fn a_second_daemon_on_the_same_data_refuses() {
    let data = tempfile::tempdir().unwrap();
    let _first = Process::shipped(data.path());
    let config = repository().join("rules.toml");
    let second = command()
        .args(["run", "--listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .arg("--data")
        .arg(data.path())
        .arg("--plugins")
        .arg(repository().join("plugins"))
        .output()
        .unwrap();
    let (_, stderr, code) = outcome(&second);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("in use by another trialbridge"), "{stderr}");
}

#[test]
fn wrong_rules_at_start_exit_with_2_and_show_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, "[[rules]]\nname = \"a\"\nevent-patern = { source = [\"x\"] }\ntargets = [\"p\"]\n")
        .unwrap();
    let output =
        command().args(["run", "--config"]).arg(&rules).arg("--data").arg(folder.path().join("data")).output().unwrap();
    let (_, stderr, code) = outcome(&output);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("rules.toml:3:1") && stderr.contains("^^^") && stderr.contains("event-pattern"),
        "{stderr}"
    );
    let check = command()
        .args(["check", "--config"])
        .arg(&rules)
        .arg("--data")
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
}

#[test]
fn beyond_loopback_it_wants_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let output = command()
        .args(["run", "--listen", "0.0.0.0:0", "--config"])
        .arg(repository().join("rules.toml"))
        .arg("--data")
        .arg(folder.path())
        .output()
        .unwrap();
    let (_, stderr, code) = outcome(&output);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("TRIALBRIDGE_TOKEN"), "{stderr}");
}

#[test]
fn the_command_line_tells_the_life_of_a_trial() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Process::shipped(data.path());
    let run = |args: &[&str]| outcome(&daemon.cli(args));
    let json = |args: &[&str]| -> Value {
        let (stdout, stderr, code) = run(args);
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {stdout}"))
    };

    let trial = json(&["trial", "request", "--type", "ACS", "--lead", "1234567890", "--ttl", "1h", "--json"]);
    let id = trial["trialId"].as_str().unwrap();
    let started = std::time::Instant::now();
    while json(&["trial", "get", id, "--json"])["status"] != "ASSIGNED" {
        assert!(started.elapsed() < Duration::from_secs(30), "the trial is assigned");
    }
    let (stdout, _, _) = run(&["trial", "list"]);
    assert!(stdout.contains(id) && stdout.contains("ASSIGNED"), "{stdout}");
    assert_eq!(run(&["trial", "extend", id, "--ttl", "7d"]).2, Some(0));
    let (_, stderr, code) = run(&["trial", "extend", id, "--ttl", "91d"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("ttl") && stderr.contains("90d"), "{stderr}");
    assert_eq!(run(&["trial", "cancel", id]).2, Some(0));
    assert_eq!(run(&["trial", "get", id]).2, Some(1));
    for noun in ["rule", "plugin", "delivery", "event"] {
        json(&[noun, "list", "--json"]);
        assert_eq!(run(&[noun, "list"]).2, Some(0), "{noun} list");
    }
    assert_eq!(run(&["trial", "request", "--type"]).2, Some(2), "usage");
    let (_, stderr, code) =
        outcome(&command().args(["--server", "http://127.0.0.1:9", "trial", "list"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("trialbridge run"), "{stderr}");
}

#[test]
fn check_finds_the_shipped_configuration_good() {
    let data = tempfile::tempdir().unwrap();
    let output = command()
        .args(["check", "--json", "--config"])
        .arg(repository().join("rules.toml"))
        .arg("--plugins")
        .arg(repository().join("plugins"))
        .arg("--data")
        .arg(data.path())
        .output()
        .unwrap();
    let (stdout, stderr, code) = outcome(&output);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
}

#[test]
fn every_command_has_an_example() {
    let commands = [
        "run",
        "check",
        "trial request",
        "trial get",
        "trial list",
        "trial extend",
        "trial cancel",
        "event tail",
        "event list",
        "event put",
        "rule list",
        "rule show",
        "plugin list",
        "plugin show",
        "delivery list",
        "delivery show",
        "delivery redrive",
        "completions",
    ];
    for name in commands {
        let output = command().args(name.split(' ')).arg("--help").output().unwrap();
        let (stdout, _, code) = outcome(&output);
        assert_eq!(code, Some(0), "{name}");
        assert!(stdout.contains("Example"), "{name} has no example:\n{stdout}");
    }
}

//! The rules.toml that ships: as it is, with what is switched off in it, and with what the README says to add.

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

/// A file of the repository.
fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// Checks rules that nothing is to be said against. What is printed.
#[track_caller]
fn good(rules: &str) -> String {
    let (printed, complaints, code) = check(rules);
    assert_eq!((complaints.as_str(), code), ("", Some(0)), "{printed}");
    printed
}

/// The rules with the lines of these plugins switched on: those that begin with `#` and no blank, and stand together with a table of such a plugin, or under
/// one.
fn switched_on(rules: &str, plugins: &[&str]) -> String {
    let is_off = |line: &&str| line.strip_prefix('#').is_some_and(|rest| !rest.starts_with([' ', '#']));
    let (mut on, mut table) = (String::new(), "");
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let mut part = vec![line];
        if is_off(&line) {
            part.extend(std::iter::from_fn(|| lines.next_if(is_off)));
        } else if line.starts_with('[') {
            table = line;
        }
        let tables: Vec<&str> = part.iter().filter_map(|line| line.strip_prefix('#')).chain([table]).collect();
        let of = |plugin: &&str| tables.iter().any(|line| line.starts_with(&format!("[plugins.{plugin}")));
        let switch = is_off(&line) && plugins.iter().any(of);
        for line in part {
            on.push_str(if switch { &line[1..] } else { line });
            on.push('\n');
        }
    }
    on
}

/// The rules with what the README says in the block of TOML that begins like this: what is of a table that they have goes there.
fn with(rules: &str, beginning: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(&format!("```toml\n{beginning}")).unwrap();
    let block = format!("{beginning}{}", rest.split_once("```").unwrap().0);
    block.split("\n\n").fold(rules.to_owned(), |rules, part| {
        let (table, lines) = part.split_once('\n').unwrap();
        match rules.split_once(&format!("\n{table}\n")) {
            Some((before, after)) => format!("{before}\n{table}\n{lines}\n{after}"),
            None => format!("{rules}\n{part}\n"),
        }
    })
}

#[test]
fn the_shipped_rules_are_good_with_and_without_what_is_optional() {
    let shipped = read("rules.toml");
    let printed = good(&shipped);
    for plugin in ["slack", "data-lake"] {
        assert!(printed.contains(&format!("plugin {plugin}: not used")), "nothing asks for it: {printed}");
    }
    let all = ["metrics", "slack", "data-lake"];
    let on = switched_on(&shipped, &all);
    assert!(!on.lines().any(|line| line.starts_with("#[") || line.contains("#http")), "{on}");
    for plugin in all {
        assert!(good(&switched_on(&shipped, &[plugin])).contains(&format!("plugin {plugin} 0")));
    }
    // All at once, and what the README says to add.
    let blocks = [
        "[plugins.slack.config.messages.",
        "[plugins.data-lake.config]",
        "[plugins.data-lake]\nhttp",
        "[plugins.stack-manager]\nhttp",
    ];
    good(&blocks.into_iter().fold(on, |rules, block| with(&rules, block)));
}

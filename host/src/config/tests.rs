//! The shipped file is right, every file of tests/rules/ is wrong in the way its `.stderr` says, and what is left out has its default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::expect_file;

use super::{Access, Config, Diagnostics, Isolation, PluginSettings, Secret};
use crate::pattern::Scratch;
use crate::rules::Input;
use crate::rules::input::Path as EventPath;

fn parse(text: &str) -> Result<Config, Diagnostics> {
    Config::parse(text, "rules.toml", Path::new("/etc/trialbridge"), Path::new("/var/lib/trialbridge"))
}

fn valid(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_shipped_file_is_right() {
    let config = Config::load(&repository().join("rules.toml"), Path::new("/data"));
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));

    assert_eq!(config.trials["ACS"].default_ttl, Duration::from_secs(14 * 24 * 60 * 60));
    assert_eq!(config.stacks.map(|stacks| stacks.folder), Some(PathBuf::from("/data/stacks")));
    assert_eq!(config.deliveries.maximum_depth, 1000);
    assert_eq!(config.plugins["metrics"].limits, PluginSettings::default().limits);
    assert!(config.plugins["metrics"].grants.http.is_empty() && !config.plugins.contains_key("slack"));
    let grants = &config.plugins["stack-manager"].grants;
    assert_eq!(grants.trials, Some(Access::Read));
    assert!(grants.folders["templates"].path.ends_with("templates"));

    let requested = br#"{"source": "OnlineTrial", "detail-type": "TrialRequested", "detail": {}}"#;
    let mut scratch = Scratch::default();
    let matching = config.rules.matching(requested, &mut scratch).expect("an event");
    let names: Vec<&str> = matching.map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["assign-trial", "count-everything"]);
    let scheduled: Vec<String> = config.rules.scheduled().map(|(rule, when)| format!("{} {when}", rule.name)).collect();
    assert_eq!(scheduled, ["reconcile-stacks rate(1 minute)"]);
}

#[test]
fn wrong_files_are_explained() {
    let folder = repository().join("tests/rules").canonicalize().expect("the folder exists");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() >= 32, "only {} files in {}", files.len(), folder.display());
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let text = std::fs::read_to_string(&path).expect("a text");
        let problems = Config::parse(&text, name, Path::new("/base"), Path::new("/data"));
        let problems = problems.err().unwrap_or_else(|| panic!("{name} is not wrong"));
        for problem in problems.iter() {
            assert!(problem.line.is_some() && problem.help.is_some(), "{name}: {problem:?} gives no advice");
        }
        expect_file![path.with_extension("stderr")].assert_eq(&format!("{problems}\n"));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let problems = Config::load(Path::new("/nowhere/rules.toml"), Path::new("/data")).expect_err("no such file");
    assert!(problems.to_string().contains("cannot read /nowhere/rules.toml"), "{problems}");
    assert_eq!(problems.iter().next().and_then(|problem| problem.line), None);
}

#[test]
fn a_file_can_be_read_where_the_secrets_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.toml");
    let text = "[secrets.a]\nfile = 'absent'\n[plugins.p]\nhttp = [{ url = 'https://a', secrets = ['a'], certificate-authority = 'absent' }]\n";
    std::fs::write(&file, text).expect("a file");
    let config = Config::load_without_secrets(&file, folder.path()).expect("the rest is right");
    let stand_in = &config.plugins["p"].grants.http[0].secrets[0];
    assert!(stand_in.is_stand_in() && stand_in.expose() == "https://a", "{}", stand_in.expose());
    let problems = Config::load(&file, folder.path()).expect_err("the secret and the certificate are missing");
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
}

#[test]
fn problems_know_line_and_column() {
    let problems = parse("# ü\n[journal]\nretention = \"ü\"\n\n[[rules]]\n").expect_err("wrong");
    let places: Vec<_> = problems.iter().map(|problem| (problem.message, problem.line, problem.column)).collect();
    assert_eq!(
        places,
        [
            ("`ü` is not a duration".to_owned(), Some(3), Some(13)),
            ("`name` is missing".to_owned(), Some(5), Some(1)),
            ("`targets` is missing".to_owned(), Some(5), Some(1)),
        ]
    );
    assert!(problems.styled().contains("\u{1b}["));
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = valid("");
    assert!(config.trials.is_empty() && config.plugins.is_empty() && config.rules.rules().is_empty());
    assert_eq!(config.stacks, None);
    assert_eq!(config.journal.retention, Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(config.deliveries.maximum_depth, 32);

    let config =
        valid("[trials.A]\ndefault-ttl = 60\n[[rules]]\nname = 'r'\nschedule = 'rate(1 day)'\ntargets = ['p']\n");
    assert_eq!(config.trials["A"].minimum_ttl, Duration::from_secs(1));
    assert_eq!(config.trials["A"].maximum_ttl, Duration::from_secs(90 * 24 * 60 * 60));
    let target = config.rules.target("r", "p").expect("a target");
    assert_eq!((target.retry.maximum_attempts, target.retry.maximum_age), (185, Duration::from_secs(24 * 60 * 60)));
    let rule = config.rules.rule("r").expect("a rule");
    assert!(rule.enabled && rule.pattern.is_none());
}

#[test]
fn everything_can_be_set() {
    let config = valid(
        r#"
        [deliveries]
        maximum-depth = 1000

        [secrets.hook]
        env = "CARGO_PKG_NAME"

        [trust]
        keys = ["RWRMWuCKMfxcoZoANMGg3YhYHx1CyKSTyGqMsFEAfP/54Wxif4EIXs2M"]

        [plugins.p]
        kv = { b = "read" }
        trials = "read-write"
        emit = ["p", "OnlineTrial"]
        http = [
            "https://*.example.com",
            { url = "https://api.example.org/v1/", methods = ["PUT"], addresses = ["10.0.0.0/8"], secrets = ["hook"], time = "1s", request-size = 0, response-size = "64MiB", sign = { aws = { service = "sqs", region = "eu-central-1", access-key-id = "hook", secret-access-key = "hook", session-token = "hook" } } },
        ]
        folders = { here = { path = "sub", access = "read" }, all = { path = "${data}", access = "read-write" }, abs = { path = "/x", access = "read" } }
        commands = { go = { program = "bin/go", arguments = ["a b", "$c"], parameters = ["stackId"], environment = ["HOME", "A=b=c"], folder = "${data}", time = "400ms", output = "1MiB" }, plain = { program = "/bin/true" } }
        limits = { memory = "1MiB", time = "500ms", output = 2048, http-requests = 1024, commands = 2 }
        isolation = "per-event"
        instances = { warm = 2, idle-time = "1m" }
        concurrency = 1
        trust = { sha256 = ["9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"] }
        [plugins.p.config]
        whole = -1
        real = 2.5
        text = "t ${secret:hook}"
        list = [true, { day = 2020-01-02 }]

        [[rules]]
        name = "r"
        description = "d"
        enabled = false
        event-pattern = '{"b": [null, 1.50], "a": ["x"]}'
        schedule = "cron(0 9 ? * MON-FRI *)"
        schedule-timezone = "europe/berlin"
        targets = ["p", { plugin = "p", id = "again", maximum-attempts = 1, maximum-age = "1h", minimum-backoff = "1ms", maximum-backoff = "1s" }]

        [[rules]]
        name = "s"
        event-pattern = { b = [0x10, +1.5], a = [{ prefix = "x" }] }
        targets = [
            { plugin = "p", input = { a = [1.50, 2020-01-02], b = { c = true } } },
            { plugin = "p", id = "path", input-path = "$.detail" },
            { plugin = "p", id = "template", input-transformer = { input-paths = { a = "$.a", b-2 = "$.b" }, template = "[<b-2>]" } },
        ]
        "#,
    );
    assert_eq!(config.deliveries.maximum_depth, 1000);
    let plugin = &config.plugins["p"];
    assert_eq!(plugin.grants.kv["b"], Access::Read);
    assert!(plugin.grants.emit.contains("OnlineTrial"));
    assert!(plugin.grants.http[0].allows("GET", &"https://a.example.com/".parse().expect("a URL")));
    let destination = &plugin.grants.http[1];
    assert_eq!(destination.to_string(), "https://api.example.org/v1");
    assert!(destination.allows("PUT", &"https://api.example.org/v1/x".parse().expect("a URL")));
    assert!(destination.reaches([10, 1, 2, 3].into()) && !destination.reaches([11, 1, 2, 3].into()));
    assert_eq!(
        (destination.time, destination.request_size, destination.response_size),
        (Duration::from_secs(1), 0, 64 << 20)
    );
    assert_eq!(destination.all_secrets().map(Secret::expose).collect::<Vec<_>>(), ["trialbridge"; 4]);
    assert_eq!((plugin.limits.http_requests, plugin.limits.commands), (1024, 2));
    let command = &plugin.grants.commands["go"];
    assert_eq!(command.program, Path::new("/etc/trialbridge/bin/go"));
    assert_eq!((command.arguments.join("|").as_str(), command.parameters.contains("stackId")), ("a b|$c", true));
    let variables = command.environment.iter().map(|variable| (variable.name.as_str(), variable.value.as_deref()));
    assert_eq!(variables.collect::<Vec<_>>(), [("HOME", None), ("A", Some("b=c"))]);
    assert_eq!((command.time, command.output), (Duration::from_millis(400), 1 << 20));
    assert_eq!(command.folder, Path::new("/var/lib/trialbridge"));
    let plain = &plugin.grants.commands["plain"];
    assert_eq!(
        (plain.time, plain.output, plain.folder.as_path()),
        (Duration::from_millis(500), 64 << 10, Path::new("/"))
    );
    assert!(config.trust("p").is_some_and(|trust| trust.keys.is_empty() && trust.sha256[0].starts_with("9f86d0")));
    assert_eq!(config.trust("q").map(|trust| trust.required), Some(1));
    let path = |name: &str| plugin.grants.folders[name].path.display().to_string();
    assert_eq!([path("here"), path("all"), path("abs")], ["/etc/trialbridge/sub", "/var/lib/trialbridge", "/x"]);
    assert_eq!(
        (plugin.limits.memory, plugin.limits.time, plugin.limits.output),
        (1 << 20, Duration::from_millis(500), 2048)
    );
    assert_eq!((plugin.isolation, plugin.concurrency), (Isolation::PerEvent, 1));
    assert_eq!((plugin.instances.warm, plugin.instances.idle_time), (2, Duration::from_secs(60)));
    assert_eq!(
        serde_json::to_string(&plugin.config).expect("JSON"),
        r#"{"whole":-1,"real":2.5,"text":"t ${secret:hook}","list":[true,{"day":"2020-01-02"}]}"#
    );

    let rule = config.rules.rule("r").expect("a rule");
    assert_eq!(rule.pattern_text.as_deref(), Some(r#"{"b":[null,1.50],"a":["x"]}"#));
    let zone = rule.schedule.as_ref().and_then(|schedule| schedule.time_zone());
    assert_eq!(zone.map(|zone| zone.name()), Some("Europe/Berlin"));
    assert_eq!(rule.targets[1].id, "again");
    assert_eq!(rule.targets[1].retry.maximum_backoff, Duration::from_secs(1));
    let input = |id: &str| config.rules.target("s", id).and_then(|target| target.input.clone());
    assert_eq!(input("p"), Some(Input::Constant(r#"{"a":[1.50,"2020-01-02"],"b":{"c":true}}"#.to_owned())));
    assert_eq!(input("path"), EventPath::parse("$.detail").map(Input::Path).ok());
    assert!(matches!(input("template"), Some(Input::Transformer(transformer)) if transformer.paths()[1].0 == "b-2"));
    assert_eq!(rule.targets[0].input, None);
    let mut scratch = Scratch::default();
    let found = config.rules.matching(br#"{"a": "xy", "b": 16.0}"#, &mut scratch).expect("an event");
    assert_eq!(found.map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["s"]);
}

//! What whoever writes a plugin does: new, build, inspect, test.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::process::{Process, command, outcome};
use crate::support::{PATIENCE, repository, target};

/// A folder with the shipped rules and no plugins, the daemon that runs there, and whoever follows README in it.
struct Newcomer {
    folder: tempfile::TempDir,
    daemon: Process,
    /// The log of the daemon.
    _log: tempfile::NamedTempFile,
    lang: &'static str,
}

impl Newcomer {
    /// Does what README's section says, line by line, until the daemon has the plugin and it has done its work.
    fn follow_readme(lang: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plugins", "templates"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::copy(repository().join("rules.toml"), folder.path().join("rules.toml")).unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let daemon = Process::logging(folder.path(), log.path(), &[]);
        let newcomer = Self { folder, daemon, _log: log, lang };

        newcomer.run(&block("trialbridge plugin new"));
        newcomer.wait_until("the daemon has the plugin", || {
            let listed = newcomer.run("trialbridge plugin list");
            listed.lines().any(|line| line.starts_with("lead-greeter ") && line.contains(" ACTIVE "))
        });
        let requests = block("trialbridge trial request");
        newcomer.run(&requests);
        let list = requests.lines().last().unwrap();
        newcomer.wait_until("the plugin has greeted the lead", || {
            let listed = newcomer.run(list);
            listed.replace(' ', "").contains(r#""times":2"#)
        });
        newcomer
    }

    /// Runs lines in the folder as they stand there, but for the language. What cargo builds is kept for the next time.
    fn run(&self, lines: &str) -> String {
        let lines = lines.replace("--lang rust", &format!("--lang {}", self.lang));
        let programs = Path::new(command().get_program()).parent().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &lines]).current_dir(self.folder.path()).env_remove("TRIALBRIDGE_TOKEN");
        shell.env("PATH", format!("{}:{path}", programs.display())).env("CARGO_TARGET_DIR", target().join("scaffold"));
        succeed(shell.env("TRIALBRIDGE_SERVER", &self.daemon.url))
    }

    fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            let listed = || self.run("trialbridge plugin list; trialbridge delivery list");
            assert!(started.elapsed() < PATIENCE * 3, "it does not come to this: {what}\n{}", listed());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The project.
    fn project(&self) -> PathBuf {
        self.folder.path().join("lead-greeter")
    }

    fn test(&self, args: &[&str]) -> Output {
        let events = self.project().join("events");
        let mut test = command();
        test.args(["plugin", "test"]).arg(self.project().join("lead-greeter.wasm"));
        test.arg("--event").arg(events.join("requested.json")).arg("--kv").arg(events.join("kv.json"));
        test.args(args).output().unwrap()
    }

    /// What the project does when it is as it was written.
    fn check(&self) {
        let (stdout, stderr, code) = outcome(&self.test(&["--json"]));
        assert_eq!(code, Some(0), "{stderr}");
        let found: Value = serde_json::from_str(&stdout).unwrap();
        let kept = json!([{ "bucket": "lead-greeter", "key": "1234567890", "value": "2" }]);
        assert_eq!(found["effects"]["kv"], kept, "{stdout}");
        assert_eq!(found["effects"]["events"][0]["detail-type"], "LeadReturned", "{stdout}");
        assert_eq!(found["log"][0]["message"], "a lead has come back", "{stdout}");
        assert_eq!(found["granted"], json!(["kv = { lead-greeter = \"read-write\" }", "emit = [\"lead-greeter\"]"]));
    }
}

/// README's section for whoever writes a plugin.
fn section() -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Write a plugin\n").unwrap();
    section.split("\n## ").next().unwrap().to_owned()
}

/// The block of its lines that begins like this.
fn block(beginning: &str) -> String {
    let section = section();
    let lines = section.lines().map(|line| line.strip_prefix("    "));
    let lines: Vec<&str> =
        lines.skip_while(|line| line.is_none_or(|line| !line.starts_with(beginning))).map_while(|line| line).collect();
    assert!(!lines.is_empty(), "README has no block that begins with {beginning:?}");
    lines.join("\n")
}

/// Runs a command that must succeed.
fn succeed(command: &mut Command) -> String {
    let (stdout, stderr, code) = outcome(&command.output().unwrap());
    assert_eq!(code, Some(0), "{command:?}: {stdout}{stderr}");
    stdout
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_newcomer_writes_a_plugin_in_rust() {
    let newcomer = Newcomer::follow_readme("rust");
    let project = newcomer.project();
    for file in ["README.md", "rules.toml", ".gitignore", "events/requested.json", "wit/world.wit"] {
        assert!(project.join(file).is_file(), "{file}");
    }
    newcomer.check();
    newcomer.run("cd lead-greeter && cargo test");

    // A trap names the file and the line.
    let source = project.join("src/lib.rs");
    let written = std::fs::read_to_string(&source).unwrap();
    let line = written.lines().position(|line| line.contains("let detail = event.detail()?;")).unwrap() + 1;
    std::fs::write(&source, written.replace("let detail = event.detail()?;", "let detail: Result<(), _> = Err(event.source.as_str()); detail.expect(\"to trap\"); let detail = event.detail()?;")).unwrap();
    newcomer.run("trialbridge plugin build lead-greeter");
    let (stdout, stderr, code) = outcome(&newcomer.test(&[]));
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stderr.contains("the guest trapped: wasm trap: wasm `unreachable` instruction executed"), "{stderr}");
    assert!(stderr.contains(&format!("handle at src/lib.rs:{line}")), "{stderr}");
    assert!(stdout.contains("to trap: \"OnlineTrial\""), "the words of the panic are in the log: {stdout}");

    // What README shows of Rust is a whole plugin.
    let section = section();
    let (_, shown) = section.split_once("```rust\n").unwrap();
    std::fs::write(&source, shown.split("```").next().unwrap()).unwrap();
    newcomer.run("trialbridge plugin build lead-greeter");
    let expired = write(
        &project,
        "expired.json",
        r#"{ "source": "OnlineTrial", "detail-type": "TrialExpired", "detail": {
        "version": "1.0", "trialId": "40ea41b6-4b85-40c0-a185-1ad825d8dc13", "leadId": "1", "type": "ACS", "requestedAt": 1589379579, "status": "ASSIGNED"
    } }"#,
    );
    let mut test = command();
    test.args(["plugin", "test", "--json"]).arg(project.join("lead-greeter.wasm")).arg("--event").arg(expired);
    let found: Value = serde_json::from_str(&succeed(&mut test)).unwrap();
    assert!(found["effects"].to_string().contains("ended_total"), "{found}");
}

#[test]
fn a_newcomer_writes_a_plugin_in_javascript() {
    let newcomer = Newcomer::follow_readme("javascript");
    newcomer.check();
    newcomer.run("cd lead-greeter && node --test");
}

#[test]
fn a_newcomer_writes_a_plugin_in_python() {
    let newcomer = Newcomer::follow_readme("python");
    newcomer.check();
    newcomer.run("cd lead-greeter && python3 -m unittest discover tests -t .");
}

#[test]
fn a_build_in_rust_installs_the_target_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    succeed(command().args(["plugin", "new", "lead-greeter", "--lang", "rust"]).current_dir(folder.path()));
    // Tools that only say what they were asked.
    let said = folder.path().join("said");
    for tool in ["rustup", "cargo"] {
        let script = format!("#!/bin/sh\necho \"{tool} $*\" >> '{}'\n[ {tool} = rustup ]\n", said.display());
        let tool = write(folder.path(), tool, &script);
        std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut build = command();
    build.args(["plugin", "build", "lead-greeter"]).current_dir(folder.path());
    let built = build.env("PATH", folder.path()).env_remove("CARGO").output().unwrap();
    let (_, stderr, code) = outcome(&built);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("installing the target wasm32-wasip2 with rustup"), "{stderr}");
    let said = std::fs::read_to_string(said).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said[..2], ["rustup target list --installed", "rustup target add wasm32-wasip2"]);
    assert!(said[2].starts_with("cargo build --release --target wasm32-wasip2"), "{said:?}");
}

#[test]
fn new_refuses_names_and_places_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (args, said) in [
        (["plugin", "new", "Lead_Greeter", "--lang", "rust"], "`Lead_Greeter` cannot be the id of a plugin"),
        (["plugin", "new", "taken", "--lang", "rust"], "taken exists"),
    ] {
        std::fs::create_dir_all(folder.path().join("taken")).unwrap();
        let (_, stderr, code) = outcome(&command().args(args).current_dir(folder.path()).output().unwrap());
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn inspect_says_what_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = repository().join("plugins").join("assign-trial.wasm");
    let inspect = |config: &Path| {
        let mut inspect = command();
        inspect.args(["plugin", "inspect", "--json", "--config"]).arg(config).arg(&plugin);
        serde_json::from_str::<Value>(&succeed(&mut inspect)).unwrap()
    };
    let of = |found: &Value, name: &str| {
        let imports = found["imports"].as_array().unwrap();
        imports.iter().find(|import| import["name"] == name).unwrap()["verdict"].clone()
    };
    let nothing = inspect(&write(folder.path(), "nothing.toml", ""));
    assert_eq!(nothing["world"], "0.1.0");
    assert_eq!(nothing["hash"].as_str().unwrap().len(), 64);
    assert_eq!(nothing["exports"], json!(["trialbridge:plugin/checks@0.1.0", "trialbridge:plugin/handler@0.1.0"]));
    assert_eq!(of(&nothing, "trialbridge:plugin/trials@0.1.0"), "denied");
    assert!(nothing["needs"].as_array().unwrap().iter().any(|needed| needed["granted"] == false));
    let rules = "[plugins.assign-trial]\ntrials = \"read-write\"\n";
    let granted = inspect(&write(folder.path(), "rules.toml", rules));
    assert_eq!(of(&granted, "trialbridge:plugin/trials@0.1.0"), "granted");

    let module = write(folder.path(), "module.wasm", "\0asm\x01\0\0\0");
    let mut inspect = command();
    inspect.args(["plugin", "inspect"]).arg(module).current_dir(folder.path());
    let (_, stderr, code) = outcome(&inspect.output().unwrap());
    assert_eq!(code, Some(2));
    assert!(stderr.contains("core WebAssembly module and not a component"), "{stderr}");
}

#[test]
fn a_test_runs_one_event_with_recorded_answers_and_shows_where_a_trap_was() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = target().join("guests").join("misbehave.wasm");
    let rules = "[plugins.misbehave]\nkv = { counters = \"read-write\" }\nhttp = [\"https://api.example\"]\n";
    let rules = write(folder.path(), "rules.toml", rules);
    let kv = write(folder.path(), "kv.json", r#"{"counters": {"n": "41"}}"#);
    let http = r#"[{"request": {"url": "https://api.example/a"}, "response": {"status": 418}}]"#;
    let http = write(folder.path(), "http.json", http);
    let run = |detail: Value| {
        let event = json!({ "source": "test", "detail-type": "Do", "detail": detail });
        let event = write(folder.path(), "event.json", &event.to_string());
        let mut test = command();
        test.args(["plugin", "test", "--json", "--now", "2020-05-13T14:19:39Z", "--config"]).arg(&rules).arg(&wasm);
        test.arg("--event").arg(event).arg("--kv").arg(&kv).arg("--http").arg(&http);
        let (stdout, stderr, code) = outcome(&test.output().unwrap());
        (serde_json::from_str::<Value>(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")), stderr, code)
    };
    let (counted, _, code) = run(json!({ "do": "counter", "key": "n" }));
    assert_eq!(code, Some(0));
    assert_eq!(counted["effects"]["kv"], json!([{ "bucket": "counters", "key": "n", "value": "42" }]));
    assert!(counted["memory"].as_u64().unwrap() > 0 && counted["seconds"].as_f64().unwrap() > 0.0);

    // The guest tells what it was answered by a permanent failure.
    let (answered, stderr, code) = run(json!({ "do": "http", "url": "https://api.example/a" }));
    assert_eq!((code, &answered["outcome"]), (Some(1), &json!("permanent")));
    assert!(stderr.contains("418"), "{stderr}");
    let (asked, stderr, _) = run(json!({ "do": "http", "url": "https://api.example/b" }));
    assert!(stderr.contains("no answer is recorded for GET https://api.example/b"), "{stderr}");
    let request = json!({ "method": "GET", "url": "https://api.example/b" });
    assert_eq!((&asked["requests"][0]["request"], &asked["requests"][0]["status"]), (&request, &Value::Null));

    let (_, _, code) = run(json!({ "do": "clock" }));
    assert_eq!(code, Some(1));
    let (trapped, stderr, code) = run(json!({ "do": "panic" }));
    assert_eq!((code, &trapped["outcome"]), (Some(1), &json!("trap")));
    assert!(stderr.contains("misbehave::Misbehave::handle"), "{stderr}");
}

#[test]
fn a_test_with_a_configuration_refuses_what_a_daemon_would() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = target().join("guests").join("misbehave.wasm");
    // Nothing is sent, so that the secrets need not be there.
    let rules = write(
        folder.path(),
        "rules.toml",
        r#"
        [secrets.hook]
        env = "TRIALBRIDGE_TEST_ABSENT"

        [secrets.token]
        file = "absent"

        [plugins.misbehave]
        http = [
            "https://api.example/v1/",
            { url = "https://key.example", secrets = ["token"] },
            { url = "https://hooks.example/services/", methods = ["POST"], secrets = ["hook"], sign = { aws = { service = "s3", region = "x" } } },
        ]
        config = { hook = "${secret:hook}", token = "${secret:token}" }
        "#,
    );
    let post = |url: &str, body: &str| json!({ "do": "http", "url": url, "method": "POST", "body": body });
    let get = |url: &str| json!({ "do": "http", "url": url });
    let cases = [
        (get("https://api.example/v1/a"), "https://api.example/v1/a", "status 200"),
        (get("https://api.example/v1/../v2"), "https://api.example/v1/../v2", "HttpRequestDenied"),
        (get("https://api.example/v2"), "https://api.example/v2", "HttpRequestDenied"),
        (get("https://elsewhere.example/"), "https://elsewhere.example/", "HttpRequestDenied"),
        (get("https://hooks.example/services/x"), "https://hooks.example/services/x", "HttpRequestDenied"),
        (post("https://hooks.example/services/x", "{}"), "https://hooks.example/services/x", "status 200"),
        (post("${config:hook}", "{}"), "[secret hook]/", "status 200"),
        (get("https://key.example/bot${config:token}/x"), "https://key.example/bot[secret token]/x", "status 200"),
        (post("https://key.example/", "${config:token}"), "https://key.example/", "status 200"),
        (get("https://api.example/v1/${config:token}"), "https://api.example/v1/[secret token]", "HttpRequestDenied"),
        (post("https://api.example/v1/a", "${config:token}"), "https://api.example/v1/a", "HttpRequestDenied"),
    ];
    for (order, shown, expected) in cases {
        let recorded = json!([{ "request": { "method": order["method"].as_str().unwrap_or("GET"), "url": shown }, "response": {} }]);
        let http = write(folder.path(), "http.json", &recorded.to_string());
        let event = json!({ "source": "test", "detail-type": "Do", "detail": order });
        let event = write(folder.path(), "event.json", &event.to_string());
        let mut test = command();
        test.args(["plugin", "test", "--json", "--config"]).arg(&rules).arg(&wasm);
        test.arg("--event").arg(event).arg("--http").arg(&http);
        let (stdout, stderr, _) = outcome(&test.output().unwrap());
        assert!(stderr.contains(expected), "{order}: {stdout}{stderr}");
        let found: Value = serde_json::from_str(&stdout).unwrap();
        let request = &found["requests"][0];
        assert_eq!((&request["request"]["url"], &request["denied"]), (&json!(shown), &json!(expected != "status 200")));
        assert!(!stdout.contains("secret-"), "placeholders are of no use to anybody: {stdout}");
    }

    let mut inspect = command();
    inspect.args(["plugin", "inspect", "--config"]).arg(&rules).arg(&wasm);
    assert!(succeed(&mut inspect).contains("3 destinations"));
}

#[test]
fn a_shipped_plugin_that_has_a_secret_can_be_tested_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(repository().join("rules.toml")).unwrap();
    let lines: Vec<&str> = shipped.lines().skip_while(|line| *line != "#[secrets.slack]").collect();
    let lines = lines.iter().take_while(|line| line.starts_with('#')).map(|line| &line[1..]);
    let rules = write(folder.path(), "rules.toml", &lines.collect::<Vec<_>>().join("\n"));
    let detail = json!({ "trialId": "t", "leadId": "1", "type": "ACS", "status": "ASSIGNED", "requestedAt": 1, "url": "https://x" });
    let event = json!({ "source": "OnlineTrial", "detail-type": "TrialAssigned", "detail": detail });
    let event = write(folder.path(), "event.json", &event.to_string());
    let recorded = json!([{ "request": { "method": "POST", "url": "[secret slack]/" }, "response": { "body": "ok" } }]);
    let http = write(folder.path(), "http.json", &recorded.to_string());
    let mut test = command();
    test.args(["plugin", "test", "--json", "--config"]).arg(&rules).arg(repository().join("plugins/slack.wasm"));
    test.arg("--event").arg(event).arg("--http").arg(http).env_remove("SLACK_WEBHOOK");
    let found: Value = serde_json::from_str(&succeed(&mut test)).unwrap();
    assert_eq!((&found["outcome"], &found["requests"][0]["status"]), (&json!("ok"), &json!(200)), "{found:#}");
}

/// A process that is killed when this is dropped, and the lines that it prints.
struct Watching(Child, mpsc::Receiver<String>);

impl Watching {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = mpsc::channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let (mut lines, sender) = (BufReader::new(pipe).lines().map_while(Result::ok), sender.clone());
            std::thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
        }
        Self(child, receiver)
    }

    /// Waits for a line with all of these in it.
    fn wait_for(&self, parts: &[&str]) {
        let has_all = |line: &String| parts.iter().all(|part| line.contains(part));
        while !has_all(&self.1.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{parts:?} is never printed"))) {}
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_test_that_watches_runs_again_when_a_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = write(folder.path(), "misbehave.wasm", "half a file");
    let event = |detail_type: &str| {
        let event = json!({ "source": "test", "detail-type": detail_type, "detail": { "do": "ok" } });
        write(folder.path(), "event.json", &event.to_string())
    };
    let mut test = command();
    test.args(["plugin", "test", "--watch"]).arg(&wasm).arg("--event").arg(event("First"));
    let watching = Watching::start(&mut test);
    watching.wait_for(&["error: ", "not a WebAssembly component"]);
    std::fs::copy(target().join("guests").join("misbehave.wasm"), &wasm).unwrap();
    watching.wait_for(&["misbehave", "First: ok"]);
    event("Second");
    watching.wait_for(&["misbehave", "Second: ok"]);
}

//! What the daemon and the plugin metrics expose, against what dashboard and alerts ask for; and CloudWatch.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge::trials::Request;

use crate::slack::{Here, eventually, settle};
use crate::support::moto::Moto;
use crate::support::process::{Process, outcome};
use crate::support::promtool::promtool;
use crate::support::{World, guest, install, of_type, plugin, repository};

/// What is a name in an expression and no metric.
const WORDS: [&str; 10] = ["sum", "max", "by", "or", "and", "unless", "offset", "on", "without", "ignoring"];

/// What Prometheus itself adds.
const ADDED: &str = "up";

#[test]
fn alerts_are_well_formed_and_fire_when_they_should() {
    let folder = repository().join("docs").join("prometheus");
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let (printed, complaints, code) = outcome(&promtool(&folder, &args));
        assert_eq!(code, Some(0), "{printed}{complaints}");
    }
}

#[test]
fn what_the_dashboard_asks_is_understood() {
    // What Grafana puts in.
    let filled = |expression: String| {
        let filled = expression.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$type", ".*");
        assert!(!filled.contains('$'), "`{expression}` has a variable that this test does not know");
        filled
    };
    let expressions = expressions_of_dashboard().into_iter().map(filled);
    let rules = expressions
        .enumerate()
        .map(|(number, expression)| json!({ "record": format!("dashboard:{number}"), "expr": expression }));
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules.collect::<Vec<_>>() }] });
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    std::fs::write(folder.path().join("dashboard.yml"), rules.to_string()).unwrap();
    let (printed, complaints, code) = outcome(&promtool(folder.path(), &["check", "rules", "dashboard.yml"]));
    assert_eq!(code, Some(0), "{printed}{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_alerts_ask_for_what_is_exposed() {
    let exposed = exposed_after_a_lifecycle().await;
    let mut expressions = expressions_of_dashboard();
    let alerts = std::fs::read_to_string(repository().join("docs/prometheus/alerts.yml")).unwrap();
    let of_alerts = expressions_of_alerts(&alerts);
    assert_eq!(of_alerts.len(), alerts.matches("- alert:").count());
    expressions.extend(of_alerts);
    let mut asked = BTreeSet::new();
    for expression in &expressions {
        let names = metrics(expression);
        assert!(!names.is_empty(), "{expression}");
        for name in names.into_iter().filter(|name| *name != ADDED) {
            assert!(exposed.contains(name), "`{name}` of `{expression}` is not among {exposed:#?}");
            asked.insert(name.to_owned());
        }
    }
    // Both know of everything that the plugin measures, in one form or another.
    for name in ["active_trials", "expiry_lateness_seconds", "pool_starvation_seconds", "time_in_state_seconds"] {
        assert!(asked.iter().any(|asked| asked.starts_with(name)), "nobody asks for {name}");
    }
}

/// The names of all series after trials were assigned, expired, cancelled and failed, a pool was empty, and a stack failed.
async fn exposed_after_a_lifecycle() -> BTreeSet<String> {
    let rules = std::fs::read_to_string(repository().join("rules.toml")).unwrap();
    let templates = repository().join("templates");
    let rules = rules.replace("path = \"templates\"", &format!("path = \"{}\"", templates.display()));
    let plugins = ["assign-trial", "stack-manager", "metrics"].map(|name| (name, plugin(name)));
    let plugins: Vec<(&str, &[u8])> = plugins.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let world = World::new(&rules, &plugins).await;
    std::fs::write(world.folder.path().join("rules.toml"), format!("{rules}\n")).unwrap();
    world.wait_for_event("RulesReloaded").await;
    world.wait_for("warm stacks", |journal| of_type(journal, "StackWarm").len() == 3).await;
    let mut ids = Vec::new();
    for lead in 0..6 {
        let request = Request {
            lead_id: format!("lead-{lead}"),
            trial_type: "ACS".to_owned(),
            ttl: Some(Duration::from_secs(60)),
            ..Request::default()
        };
        ids.push(world.host.trials().request(request).await.unwrap().trial.trial_id);
    }
    world.wait_for("all are assigned", |journal| of_type(journal, "TrialAssigned").len() == 6).await;
    world.host.trials().cancel(&ids[0]).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    world.wait_for("all have expired", |journal| of_type(journal, "TrialExpired").len() == 5).await;
    // A pool that is emptied and filled, whatever the machine's speed made of the one above.
    for (source, what, stack) in [
        ("stack-manager", "StackWarm", "1"),
        ("assign-trial", "StackReserved", "1"),
        ("stack-manager", "StackWarm", "2"),
    ] {
        world.publish(source, what, json!({ "type": "other", "stackId": stack, "state": "WARM" })).await;
        settle(&world).await;
    }
    world
        .publish("stack-manager", "StackFailed", json!({ "type": "other", "stackId": "3", "state": "CREATING" }))
        .await;
    let failed = json!({ "version": "1.0", "trialId": "none", "leadId": "l", "type": "other", "requestedAt": 1_589_379_579,
        "status": "FAILED", "reason": "no warm stack of type other within 600 s" });
    world.publish("OnlineTrial", "TrialAssignmentFailed", failed).await;
    settle(&world).await;
    let url = format!("http://{}/metrics", world.host.address());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    world.host.shutdown().await;
    let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    // A histogram of the daemon is described by its own name.
    let daemon = described.filter(|name| name.starts_with("trialbridge_"));
    series.chain(daemon).map(str::to_owned).collect()
}

fn expressions_of_dashboard() -> Vec<String> {
    let dashboard = std::fs::read_to_string(repository().join("docs/grafana/trialbridge.json")).unwrap();
    let mut expressions = Vec::new();
    strings(&serde_json::from_str(&dashboard).unwrap(), "expr", &mut expressions);
    assert!(expressions.len() > 15);
    expressions
}

/// The values of all members of this name, wherever they are.
fn strings(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| strings(element, name, found)),
        Value::Object(members) => {
            found.extend(members.get(name).and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| strings(member, name, found));
        }
        _ => {}
    }
}

/// The expressions of a file of alerts, of one line or of several.
fn expressions_of_alerts(text: &str) -> Vec<String> {
    let mut lines = text.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(rest) = line.trim_start().strip_prefix("expr: ") else { continue };
        let mut expression = rest.trim_start_matches('|').to_owned();
        let depth = line.len() - line.trim_start().len();
        while let Some(more) = lines.next_if(|more| more.len() - more.trim_start().len() > depth) {
            expression.push_str(more);
        }
        found.push(expression);
    }
    found
}

/// The metrics that an expression names.
fn metrics(expression: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    let (mut depth, mut labels, mut rest) = (0, false, expression);
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, behind) = rest.split_at(end);
        match first {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ')' => labels = false,
            _ if depth > 0 || labels || !first.is_ascii_lowercase() => {}
            _ if word == "by" => labels = true,
            _ if !behind.starts_with('(') && !WORDS.contains(&word) => {
                found.insert(word);
            }
            _ => {}
        }
        rest = behind;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_after_long_computing_still_says_for_which_delivery() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rules = "[plugins.misbehave]\n\n[[rules]]\nname = \"all\"\nevent-pattern = { source = [\"test\"] }\ntargets = [\"misbehave\"]\n";
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    install(&folder.path().join("plugins"), "misbehave", &guest("misbehave"));
    let log = logs.path().join("log");
    let mut daemon = Process::logging(folder.path(), &log, &[]);
    let event =
        json!({ "source": "test", "detail-type": "Test", "detail": { "do": "say", "millis": 20, "text": "at last" } });
    let answer = reqwest::Client::new().post(format!("{}/events", daemon.url)).json(&event).send().await.unwrap();
    assert!(answer.status().is_success());
    let said =
        || std::fs::read_to_string(&log).unwrap().lines().find(|line| line.contains("at last")).map(str::to_owned);
    let line = eventually("the guest logs", said).await;
    daemon.kill();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["span"]["rule"], &line["span"]["delivery"]),
        (&json!("all"), &line["fields"]["delivery"]),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudwatch_gets_what_prometheus_gets() {
    let moto = Moto::start().await;
    let endpoint = format!("http://127.0.0.1:{}", moto.port);
    let rules = format!(
        r#"
        [secrets.key-id]
        file = "key-id"

        [secrets.key]
        file = "key"

        [plugins.metrics]
        kv = {{ metrics = "read-write", metrics-even = "read-write", metrics-odd = "read-write" }}
        emit = ["metrics"]
        http = [{{ url = "{endpoint}", sign = {{ aws = {{ service = "monitoring", region = "eu-central-1", access-key-id = "key-id", secret-access-key = "key" }} }} }}]

        [plugins.metrics.config.cloudwatch]
        endpoint = "{endpoint}"
        namespace = "trialbridge/test"
        dimensions = {{ Stage = "test" }}

        [[rules]]
        name = "count-everything"
        event-pattern = {{ source = [{{ anything-but = ["metrics"] }}] }}
        targets = ["metrics"]

        [[rules]]
        name = "send-metrics"
        schedule = "rate(1 minute)"
        event-pattern = {{ source = ["metrics"], detail-type = ["MetricsBatched", "MetricsContinued"] }}
        targets = [{{ plugin = "metrics", input = '{{ "send": "cloudwatch" }}' }}]
        "#
    );
    let files = [("key-id", "AKIDEXAMPLE"), ("key", "wJalrXUtnFEMI")];
    let network = std::sync::Arc::new(Here);
    let world = World::with_network(&rules, &[("metrics", &plugin("metrics"))], &files, network).await;
    for seconds in [0.5, 1.5, 4.0] {
        let detail = json!({ "type": "ACS", "secondsToAssign": seconds });
        world.publish("OnlineTrial", "TrialAssigned", detail).await;
    }
    settle(&world).await;
    for _ in 0..2 {
        let before = world.journal().len();
        world.clock.advance(Duration::from_secs(60));
        world.wait_for("the schedule fires", |journal| journal.len() > before).await;
        settle(&world).await;
    }
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    // The clock of the daemon began in 2020.
    let text = statistics(&endpoint, "time_to_assignment_seconds").await;
    assert!(text.contains("<SampleCount>3.0</SampleCount>") && text.contains("<Sum>6.0</Sum>"), "{text}");
    assert!(text.contains("<Minimum>0.5</Minimum>") && text.contains("<Maximum>4.0</Maximum>"), "{text}");
    world.host.shutdown().await;
}

/// What CloudWatch knows of a metric in the first ten minutes.
async fn statistics(endpoint: &str, metric: &str) -> String {
    let scope =
        "AWS4-HMAC-SHA256 Credential=x/20200513/eu-central-1/monitoring/aws4_request, SignedHeaders=host, Signature=x";
    let form = format!(
        "Action=GetMetricStatistics&Version=2010-08-01&Namespace=trialbridge%2Ftest&MetricName={metric}&Period=600\
         &StartTime=2020-05-13T14:10:00Z&EndTime=2020-05-13T14:30:00Z&Statistics.member.1=SampleCount&Statistics.member.2=Sum\
         &Statistics.member.3=Minimum&Statistics.member.4=Maximum\
         &Dimensions.member.1.Name=Stage&Dimensions.member.1.Value=test&Dimensions.member.2.Name=type&Dimensions.member.2.Value=ACS"
    );
    let request = reqwest::Client::new().post(format!("{endpoint}/")).header("Authorization", scope);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
    request.send().await.unwrap().text().await.unwrap()
}

//! What can be written into rules.toml, field by field. Unknown fields are errors.
//!
//! Durations are written `"500ms"`, `"30s"`, `"10m"`, `"12h"`, `"14d"`, or as a whole number of seconds; sizes `"64KiB"`, `"64MiB"`,
//! `"1GiB"`, or as a whole number of bytes. Paths are relative to the folder of rules.toml; `${data}` at the beginning of one stands for
//! the daemon's data folder.

use std::time::Duration;

use super::grants::Access;
use super::settings::Isolation;
use crate::pattern::value::{Span, Value};

/// Something, and where it is written.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// Where.
    pub span: Span,
    /// What.
    pub value: T,
}

/// A table whose keys are names that the author chooses.
pub type Named<T> = Vec<(Spanned<String>, T)>;

/// The whole file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The types of trials that can be requested.
    ///
    /// ```toml
    /// [trials.ACS]
    /// default-ttl = "14d"
    /// ```
    pub trials: Named<TrialType>,
    /// What is served at /stacks/; nothing unless it is written.
    ///
    /// ```toml
    /// [stacks]
    /// folder = "${data}/stacks"
    /// ```
    pub stacks: Option<Stacks>,
    /// The journal of events.
    ///
    /// ```toml
    /// [journal]
    /// retention = "7d"
    /// ```
    pub journal: Option<Journal>,
    /// All deliveries together; what concerns some of them is said with their targets.
    ///
    /// ```toml
    /// [deliveries]
    /// maximum-depth = 32
    /// ```
    pub deliveries: Option<Deliveries>,
    /// Secrets, by the names that destinations and configurations call them by.
    ///
    /// ```toml
    /// [secrets.slack]
    /// env = "SLACK_WEBHOOK"
    /// ```
    pub secrets: Named<Spanned<Secret>>,
    /// Which plugin files are believed, for plugins that do not say so themselves. Default: whatever lies in the folder.
    ///
    /// ```toml
    /// [trust]
    /// keys = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]
    /// ```
    pub trust: Option<Trust>,
    /// What plugins may do, by the stem of the plugin's file. A plugin without a table may do nothing but handle events.
    ///
    /// ```toml
    /// [plugins.assign-trial]
    /// trials = "read-write"
    /// ```
    pub plugins: Named<Plugin>,
    /// The rules.
    ///
    /// ```toml
    /// [[rules]]
    /// name = "assign-trial"
    /// event-pattern = { source = ["OnlineTrial"], detail-type = ["TrialRequested"] }
    /// targets = ["assign-trial"]
    /// ```
    pub rules: Vec<Rule>,
}

/// A type of trial: `[trials.NAME]`.
///
/// The name has 1 to 63 letters, digits, `_`, `.` and `-`, and begins with a letter or digit.
#[derive(Clone, Debug)]
pub struct TrialType {
    /// How long a trial lives whose request does not say. Required.
    ///
    /// ```toml
    /// default-ttl = "14d"
    /// ```
    pub default_ttl: Spanned<Duration>,
    /// The shortest life that can be requested. Default: `"1s"`.
    ///
    /// ```toml
    /// minimum-ttl = "1h"
    /// ```
    pub minimum_ttl: Option<Spanned<Duration>>,
    /// The longest life that can be requested. Default: `"90d"`.
    ///
    /// ```toml
    /// maximum-ttl = "30d"
    /// ```
    pub maximum_ttl: Option<Spanned<Duration>>,
}

/// The stacks that are served: `[stacks]`.
#[derive(Clone, Debug)]
pub struct Stacks {
    /// The folder whose subfolders are served at /stacks/ID/. Required.
    ///
    /// ```toml
    /// folder = "${data}/stacks"
    /// ```
    pub folder: Spanned<String>,
}

/// The journal of events: `[journal]`.
#[derive(Clone, Debug)]
pub struct Journal {
    /// How long events can be read back: `"1m"` to `"3653d"`. Default: `"7d"`.
    ///
    /// ```toml
    /// retention = "30d"
    /// ```
    pub retention: Option<Spanned<Duration>>,
}

/// All deliveries together: `[deliveries]`.
#[derive(Clone, Debug)]
pub struct Deliveries {
    /// How many handlings, each of an event that the one before had emitted, may lead to an event that is delivered: 1 to 1000.
    /// What comes from outside or from the daemon has none behind it. The deliveries of an event with more become dead letters
    /// without an attempt, so that rules that go round in circles stop. Plugins that go from one thing to the next by events make a
    /// chain as long as the queue they work off, and need more. Default: 32.
    ///
    /// ```toml
    /// maximum-depth = 100
    /// ```
    pub maximum_depth: Option<Spanned<u32>>,
}

/// Where a secret is: `[secrets.NAME]`, in exactly one place. It is read when rules.toml is, and again at SIGHUP.
///
/// The name has 1 to 63 lower-case letters, digits and `-`, and begins with a letter or digit.
///
/// No plugin ever has a secret. Where a plugin's configuration says `${secret:NAME}` the plugin finds a placeholder, which means
/// nothing and is another one after each start. The host puts the secret in its place in the URL, the headers and the body of a request
/// to a destination that lists the secret in its `secrets`; to any other destination a request with a placeholder is refused. In
/// responses and in what the plugin logs, a secret is shown as `[secret NAME]`.
///
/// If a secret is a whole URL, so is its placeholder: whether the request may be sent is decided by the URL that the secret is.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The variable of the daemon's environment that holds it.
    ///
    /// ```toml
    /// env = "SLACK_WEBHOOK"
    /// ```
    pub env: Option<Spanned<String>>,
    /// The file that holds it, without the line break at its end.
    ///
    /// ```toml
    /// file = "secrets/slack"
    /// ```
    pub file: Option<Spanned<String>>,
}

/// What a plugin may do: `[plugins.NAME]`.
///
/// The name has 1 to 63 lower-case letters, digits and `-`, and begins with a letter or digit.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Buckets of the key-value store, each `"read"` or `"read-write"`. Plugins that are granted the same bucket share it.
    ///
    /// ```toml
    /// kv = { pool = "read-write", stacks = "read" }
    /// ```
    pub kv: Named<Access>,
    /// The trials: `"read"` or `"read-write"`.
    ///
    /// ```toml
    /// trials = "read"
    /// ```
    pub trials: Option<Access>,
    /// The sources the plugin may emit events as; not `trialbridge`, and none that begins with `aws.`.
    ///
    /// ```toml
    /// emit = ["OnlineTrial", "assign-trial"]
    /// ```
    pub emit: Vec<Spanned<String>>,
    /// Where its HTTP requests may go: a URL, or a table where there is more to say. A URL has a scheme, a host or `*.` and a domain, a
    /// port if it is not the usual one, and perhaps the beginning of a path, in whole segments. What a name stands for is
    /// looked up by the host: addresses that are not public, such as 127.0.0.1 and 10.0.0.1, are refused unless the URL itself has the
    /// address or the destination lists it. Redirects are not followed: a plugin that follows one asks like for any other URL. Where several
    /// destinations allow a request, the one that says most closely where counts.
    ///
    /// ```toml
    /// http = ["https://*.example.com:8443", { url = "https://hooks.slack.com/services/", methods = ["POST"], secrets = ["slack"] }]
    /// ```
    pub http: Vec<Destination>,
    /// The programs of the operator that it may have run, each under the name it calls it. The program gets its arguments as they are
    /// written, and what the plugin has to say on its standard input, as a JSON object of the parameters that are named here.
    ///
    /// ```toml
    /// [plugins.stack-manager.commands.create]
    /// program = "/usr/local/bin/stack"
    /// arguments = ["create"]
    /// parameters = ["stackId", "type"]
    /// ```
    pub commands: Named<Command>,
    /// The folders it sees, each under its name: `/templates`.
    ///
    /// ```toml
    /// [plugins.stack-manager.folders]
    /// templates = { path = "templates", access = "read" }
    /// ```
    pub folders: Named<Folder>,
    /// What the plugin is told. Any table; the plugin gets it as JSON. In a string, `${secret:NAME}` is a placeholder for a secret, which
    /// one of the plugin's destinations must list.
    ///
    /// ```toml
    /// [plugins.assign-trial.config]
    /// wait-seconds = 600
    /// ```
    pub config: Named<Value>,
    /// How much of the machine it may take.
    ///
    /// ```toml
    /// limits = { memory = "128MiB", time = "30s" }
    /// ```
    pub limits: Option<Limits>,
    /// `"reuse"` keeps instances for later events, `"per-event"` makes one for each. Default: `"reuse"`.
    ///
    /// ```toml
    /// isolation = "per-event"
    /// ```
    pub isolation: Option<Isolation>,
    /// Which instances are kept, unless isolation is `"per-event"`.
    ///
    /// ```toml
    /// instances = { warm = 2, idle-time = "1m" }
    /// ```
    pub instances: Option<Instances>,
    /// How many of its handlers may run at once, each on an instance of its own: 1 to 256. Default: 16.
    ///
    /// ```toml
    /// concurrency = 4
    /// ```
    pub concurrency: Option<Spanned<u32>>,
    /// Which files are believed to be this plugin. Default: what `[trust]` says of all plugins.
    ///
    /// ```toml
    /// trust = { sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"] }
    /// ```
    pub trust: Option<Trust>,
}

/// Which instances of a plugin are kept for later events.
#[derive(Clone, Debug)]
pub struct Instances {
    /// How many are made before the first event, and kept however long they wait: 0 to 256. Default: 1.
    ///
    /// ```toml
    /// warm = 2
    /// ```
    pub warm: Option<Spanned<u32>>,
    /// How long any other waits for an event before it is dropped and its memory is free: `"1s"` to `"24h"`. Default: `"5m"`.
    ///
    /// ```toml
    /// idle-time = "1m"
    /// ```
    pub idle_time: Option<Spanned<Duration>>,
}

/// Which files are believed to be a plugin: those with a listed hash, and those with enough signatures by listed keys. Any other
/// file is refused, and what it was to replace stays in force.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The SHA-256 of files, in hexadecimal, as `sha256sum` prints them. Default: none.
    ///
    /// ```toml
    /// sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
    /// ```
    pub sha256: Vec<Spanned<String>>,
    /// Public keys of minisign, the second line of a `minisign.pub`. The signatures of `NAME.wasm` lie beside it, as
    /// `NAME.wasm.minisig`, and if there are several as `NAME.wasm.ANYTHING.minisig`. Default: none.
    ///
    /// ```toml
    /// keys = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]
    /// ```
    pub keys: Vec<Spanned<String>>,
    /// How many of the keys must have signed: 1 to as many as there are. Default: 1.
    ///
    /// ```toml
    /// required = 2
    /// ```
    pub required: Option<Spanned<u32>>,
}

/// A destination of HTTP requests: a URL, or a table where there is more to say.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Where. Required.
    ///
    /// ```toml
    /// url = "https://hooks.slack.com/services/"
    /// ```
    pub url: Spanned<String>,
    /// The methods. Default: all but `CONNECT` and `TRACE`, which are never allowed.
    ///
    /// ```toml
    /// methods = ["GET", "POST"]
    /// ```
    pub methods: Option<Spanned<Vec<Spanned<String>>>>,
    /// The addresses, or ranges of them, that are not public and that the host's name may stand for. Default: none.
    ///
    /// ```toml
    /// addresses = ["10.0.0.5", "fd00::/8"]
    /// ```
    pub addresses: Vec<Spanned<String>>,
    /// The secrets that it may receive. It is trusted not to give them back in disguise. Default: none.
    ///
    /// ```toml
    /// secrets = ["slack"]
    /// ```
    pub secrets: Vec<Spanned<String>>,
    /// What the host signs requests with, so that the plugin needs no credentials.
    ///
    /// ```toml
    /// sign = { aws = { service = "s3", region = "eu-central-1" } }
    /// ```
    pub sign: Option<Sign>,
    /// A file of certificates, in PEM: authorities that are believed beside the public ones.
    ///
    /// ```toml
    /// certificate-authority = "ca.pem"
    /// ```
    pub certificate_authority: Option<Spanned<String>>,
    /// The longest that a request may last, from the plugin's call to the end of the answer: `"1ms"` to `"1h"`. Default: `"10s"`.
    ///
    /// ```toml
    /// time = "30s"
    /// ```
    pub time: Option<Spanned<Duration>>,
    /// The largest body of a request: `"0"` to `"64MiB"`. Default: `"1MiB"`.
    ///
    /// ```toml
    /// request-size = "64KiB"
    /// ```
    pub request_size: Option<Spanned<Bytes>>,
    /// The largest body of a response: `"0"` to `"64MiB"`. Default: `"4MiB"`.
    ///
    /// ```toml
    /// response-size = "64KiB"
    /// ```
    pub response_size: Option<Spanned<Bytes>>,
}

/// A program that a plugin may have run. No shell reads any of it. It has a process group of its own, which is killed if it takes too
/// long or writes too much, and when the handler or the daemon ends meanwhile. What it leaves running when it ends stays.
///
/// The name has 1 to 63 lower-case letters, digits and `-`, and begins with a letter or digit.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program, with its path. Required.
    ///
    /// ```toml
    /// program = "/usr/local/bin/stack"
    /// ```
    pub program: Spanned<String>,
    /// Its arguments. Default: none.
    ///
    /// ```toml
    /// arguments = ["create", "--quiet"]
    /// ```
    pub arguments: Vec<Spanned<String>>,
    /// What the plugin may tell it on its standard input: names of members of a JSON object. Default: none.
    ///
    /// ```toml
    /// parameters = ["stackId", "type"]
    /// ```
    pub parameters: Vec<Spanned<String>>,
    /// Its environment: `"NAME"` for a variable of the daemon's, `"NAME=value"` for another. Default: none at all, not even `PATH`.
    ///
    /// ```toml
    /// environment = ["HOME", "PATH=/usr/bin:/bin"]
    /// ```
    pub environment: Vec<Spanned<String>>,
    /// The folder it runs in. Default: `"/"`.
    ///
    /// ```toml
    /// folder = "compose"
    /// ```
    pub folder: Option<Spanned<String>>,
    /// The longest it may run: `"1ms"` to `"1h"`, and no longer than the plugin's handlers may last. Default: `"60s"`, or what those may.
    ///
    /// ```toml
    /// time = "30s"
    /// ```
    pub time: Option<Spanned<Duration>>,
    /// The most it may write to standard output, and as much to standard error: `"1"` to `"16MiB"`. Default: `"64KiB"`.
    ///
    /// ```toml
    /// output = "1MiB"
    /// ```
    pub output: Option<Spanned<Bytes>>,
}

/// How requests are signed.
#[derive(Clone, Debug)]
pub struct Sign {
    /// For AWS, with Signature Version 4. Required.
    ///
    /// ```toml
    /// aws = { service = "s3", region = "eu-central-1" }
    /// ```
    pub aws: Spanned<Aws>,
}

/// A signature for AWS. The credentials are the daemon's `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if it is set,
/// `AWS_SESSION_TOKEN`, unless secrets are named.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The service, as signatures name it. Required.
    ///
    /// ```toml
    /// service = "s3"
    /// ```
    pub service: Spanned<String>,
    /// The region. Required.
    ///
    /// ```toml
    /// region = "eu-central-1"
    /// ```
    pub region: Spanned<String>,
    /// The secret that is the access key's id. With `secret-access-key`, or not at all.
    ///
    /// ```toml
    /// access-key-id = "aws-id"
    /// ```
    pub access_key_id: Option<Spanned<String>>,
    /// The secret that is the access key. With `access-key-id`, or not at all.
    ///
    /// ```toml
    /// secret-access-key = "aws-key"
    /// ```
    pub secret_access_key: Option<Spanned<String>>,
    /// The secret that temporary credentials have beside those two.
    ///
    /// ```toml
    /// session-token = "aws-session"
    /// ```
    pub session_token: Option<Spanned<String>>,
}

/// A folder of the machine that a plugin sees.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is. Required.
    ///
    /// ```toml
    /// path = "${data}/stacks"
    /// ```
    pub path: Spanned<String>,
    /// What the plugin may do there: `"read"` or `"read-write"`. Required.
    ///
    /// ```toml
    /// access = "read-write"
    /// ```
    pub access: Access,
}

/// How much of the machine a plugin may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most memory of an instance: `"1MiB"` to `"4GiB"`. Default: `"64MiB"`.
    ///
    /// ```toml
    /// memory = "128MiB"
    /// ```
    pub memory: Option<Spanned<Bytes>>,
    /// The longest that handling an event may last: `"1ms"` to `"1h"`. Default: `"10s"`.
    ///
    /// ```toml
    /// time = "30s"
    /// ```
    pub time: Option<Spanned<Duration>>,
    /// The most that it may log and print while it handles an event: `"1KiB"` to `"1GiB"`. Default: `"1MiB"`.
    ///
    /// ```toml
    /// output = "64KiB"
    /// ```
    pub output: Option<Spanned<Bytes>>,
    /// The most HTTP requests that all its handlers together may have under way, and beyond which they wait: 1 to 1024. Default: 16.
    ///
    /// ```toml
    /// http-requests = 4
    /// ```
    pub http_requests: Option<Spanned<u32>>,
    /// The most commands that all its handlers together may have under way, and beyond which they wait: 1 to 256. Default: 4.
    ///
    /// ```toml
    /// commands = 1
    /// ```
    pub commands: Option<Spanned<u32>>,
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(
    /// How many.
    pub u64,
);

/// A rule: `[[rules]]`. It has an event pattern, a schedule, or both.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, which no other rule has: 1 to 64 letters, digits, `.`, `-` and `_`. Required.
    ///
    /// ```toml
    /// name = "assign-trial"
    /// ```
    pub name: Spanned<String>,
    /// What it is for. Shown, and nothing else.
    ///
    /// ```toml
    /// description = "A trial that was requested gets a stack"
    /// ```
    pub description: Option<String>,
    /// Whether it works. Default: true.
    ///
    /// ```toml
    /// enabled = false
    /// ```
    pub enabled: Option<bool>,
    /// The events it wants: EventBridge's event pattern, as a table or as JSON text.
    ///
    /// ```toml
    /// event-pattern = { source = ["OnlineTrial"], detail = { type = [{ prefix = "AC" }] } }
    /// ```
    ///
    /// ```toml
    /// event-pattern = '{"source": ["OnlineTrial"], "detail": {"url": [null]}}'
    /// ```
    pub event_pattern: Option<Value>,
    /// When it fires by itself: `rate(N unit)`, again and again; `cron(minutes hours day-of-month month day-of-week year)`, by the
    /// calendar; or `at(yyyy-mm-ddThh:mm:ss)`, once, unless that has passed when it is first seen.
    ///
    /// ```toml
    /// schedule = "rate(5 minutes)"
    /// ```
    ///
    /// In a `cron()` one of day-of-month and day-of-week is `?`. There are `*`, `,`, `-` and `/`; in day-of-month `L` (the last), `15W`
    /// (the weekday closest to the 15th) and `LW`; in day-of-week `6L` (the last Friday of the month) and `3#2` (the second Tuesday),
    /// where 1 is Sunday.
    ///
    /// ```toml
    /// schedule = "cron(0 9 ? * MON-FRI *)"
    /// ```
    ///
    /// ```toml
    /// schedule = "at(2030-12-24T18:00:00)"
    /// ```
    pub schedule: Option<Spanned<String>>,
    /// The time zone of a `cron()` or an `at()`, by its IANA name: the `ScheduleExpressionTimezone` of EventBridge. A time of a `cron()`
    /// that the clocks skip does not fire on that day, one that they show twice fires the first time only. Default: `"UTC"`.
    ///
    /// ```toml
    /// schedule-timezone = "Europe/Berlin"
    /// ```
    pub schedule_timezone: Option<Spanned<String>>,
    /// Who gets the events: 1 to 100 targets. Required.
    ///
    /// ```toml
    /// targets = ["assign-trial", { plugin = "metrics", maximum-attempts = 3 }]
    /// ```
    pub targets: Vec<Target>,
}

/// A target: a plugin's name, or a table where there is more to say.
#[derive(Clone, Debug)]
pub struct Target {
    /// The plugin. It need not be there yet: deliveries wait for it. Required.
    ///
    /// ```toml
    /// plugin = "slack"
    /// ```
    pub plugin: Spanned<String>,
    /// What tells it from the rule's other targets. Default: the plugin's name.
    ///
    /// ```toml
    /// id = "slack-sales"
    /// ```
    pub id: Option<Spanned<String>>,
    /// What the plugin gets beside every event: JSON text as a string, or any other value, which becomes JSON; at most 8192
    /// characters. Of `input`, `input-path` and `input-transformer` a target has at most one. Default: none, and the plugin gets
    /// the event alone.
    ///
    /// ```toml
    /// input = { channel = "sales", urgent = true }
    /// ```
    ///
    /// ```toml
    /// input = '{"channel": "sales", "urgent": null}'
    /// ```
    pub input: Option<Value>,
    /// The part of the event that the plugin gets beside it: EventBridge's subset of JSONPath, at most 256 characters. Null where
    /// the event has no such part.
    ///
    /// ```toml
    /// input-path = "$.detail"
    /// ```
    pub input_path: Option<Spanned<String>>,
    /// What the plugin gets beside the event: a template, filled in with parts of the event.
    ///
    /// ```toml
    /// input-transformer = { input-paths = { type = "$.detail.type" }, template = '{"text": "a trial of <type>"}' }
    /// ```
    pub input_transformer: Option<Spanned<InputTransformer>>,
    /// How often a delivery is tried before it becomes a dead letter: 1 to 10000. Default: 185.
    ///
    /// ```toml
    /// maximum-attempts = 5
    /// ```
    pub maximum_attempts: Option<Spanned<u32>>,
    /// How old an event may be when it is tried: `"1s"` to `"3653d"`. Default: `"24h"`.
    ///
    /// ```toml
    /// maximum-age = "1h"
    /// ```
    pub maximum_age: Option<Spanned<Duration>>,
    /// The longest wait before the second attempt, which doubles from then on: `"1ms"` to `"1d"`. Default: `"1s"`.
    ///
    /// ```toml
    /// minimum-backoff = "200ms"
    /// ```
    pub minimum_backoff: Option<Spanned<Duration>>,
    /// The wait that is never exceeded: `minimum-backoff` to `"1d"`. Default: `"5m"`.
    ///
    /// ```toml
    /// maximum-backoff = "1m"
    /// ```
    pub maximum_backoff: Option<Spanned<Duration>>,
}

/// A template and what its placeholders stand for.
#[derive(Clone, Debug)]
pub struct InputTransformer {
    /// What the placeholders stand for, up to 100: the `InputPathsMap` of EventBridge. A name has 1 to 256 letters, digits, `_` and `-`, and
    /// does not begin with `AWS`. Default: none, which leaves the reserved ones.
    ///
    /// ```toml
    /// input-paths = { type = "$.detail.type", first-resource = "$.resources[0]" }
    /// ```
    pub input_paths: Named<Spanned<String>>,
    /// The `InputTemplate` of EventBridge: JSON with placeholders, at most 8192 characters. Required.
    ///
    /// Outside a string, `<name>` is a value, null where the event does not have it; inside a string it is text, nothing where the event
    /// does not have it. Without a path there are `<aws.events.rule-arn>`, `<aws.events.rule-name>`,
    /// `<aws.events.event.ingestion-time>`, `<aws.events.event>` (without the detail) and `<aws.events.event.json>` (the whole). In a
    /// string, `\<` is a `<` that is meant as such.
    ///
    /// ```toml
    /// template = '{"text": "a trial of <type>", "event": <aws.events.event.json>}'
    /// ```
    ///
    /// Strings on several lines become one string of as many lines:
    ///
    /// ```toml
    /// template = '''
    /// "A lead wants a trial of <type>."
    /// "It was asked for at <aws.events.event.ingestion-time>."
    /// '''
    /// ```
    pub template: Spanned<String>,
}

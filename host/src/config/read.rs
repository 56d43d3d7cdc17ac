//! The tree ─► authored, or what is wrong with its shape.
//!
//! Whatever is wrong is noted, and reading goes on with the rest, so that one run shows as much as possible.

use std::time::Duration;

use super::authored::{
    Aws, Bytes, Command, Config, Deliveries, Destination, Folder, InputTransformer, Instances, Journal, Limits, Named,
    Plugin, Rule, Secret, Sign, Spanned, Stacks, Target, TrialType, Trust,
};
use super::diagnostics::{Problem, Problems};
use super::grants::Access;
use super::settings::Isolation;
use super::{Complaint, duration, size};
use crate::pattern::suggest;
use crate::pattern::value::{Key, Kind, Notation, Span, Value};

/// Reads the whole document, without the parts in which something is wrong.
pub(super) fn config(document: &Value, problems: &mut Problems) -> Config {
    let Some(mut table) = Table::open(document, problems) else { return Config::default() };
    let config = Config {
        trials: table.optional("trials").unwrap_or_default(),
        stacks: table.optional("stacks"),
        journal: table.optional("journal"),
        deliveries: table.optional("deliveries"),
        secrets: table.optional("secrets").unwrap_or_default(),
        trust: table.optional("trust"),
        plugins: table.optional("plugins").unwrap_or_default(),
        rules: table.optional("rules").unwrap_or_default(),
    };
    table.close();
    config
}

/// What can be read from a value. `None` means that something was wrong with it, and has been noted.
trait Read: Sized {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self>;
}

impl Read for TrialType {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let default_ttl = table.required("default-ttl", "\"14d\"");
        let minimum_ttl = table.optional("minimum-ttl");
        let maximum_ttl = table.optional("maximum-ttl");
        table.close()?;
        Some(Self { default_ttl: default_ttl?, minimum_ttl, maximum_ttl })
    }
}

impl Read for Stacks {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let folder = table.required("folder", "\"${data}/stacks\"");
        table.close()?;
        Some(Self { folder: folder? })
    }
}

impl Read for Journal {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let retention = table.optional("retention");
        table.close()?;
        Some(Self { retention })
    }
}

impl Read for Deliveries {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let maximum_depth = table.optional("maximum-depth");
        table.close()?;
        Some(Self { maximum_depth })
    }
}

impl Read for Plugin {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let plugin = Self {
            kv: table.optional("kv").unwrap_or_default(),
            trials: table.optional("trials"),
            emit: table.optional("emit").unwrap_or_default(),
            http: table.optional("http").unwrap_or_default(),
            commands: table.optional("commands").unwrap_or_default(),
            folders: table.optional("folders").unwrap_or_default(),
            config: table.optional("config").unwrap_or_default(),
            limits: table.optional("limits"),
            isolation: table.optional("isolation"),
            instances: table.optional("instances"),
            concurrency: table.optional("concurrency"),
            trust: table.optional("trust"),
        };
        table.close()?;
        Some(plugin)
    }
}

impl Read for Instances {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let instances = Self { warm: table.optional("warm"), idle_time: table.optional("idle-time") };
        table.close()?;
        Some(instances)
    }
}

impl Read for Trust {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let trust = Self {
            sha256: table.optional("sha256").unwrap_or_default(),
            keys: table.optional("keys").unwrap_or_default(),
            required: table.optional("required"),
        };
        table.close()?;
        Some(trust)
    }
}

impl Read for Secret {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let secret = Self { env: table.optional("env"), file: table.optional("file") };
        table.close()?;
        Some(secret)
    }
}

impl Read for Destination {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        if let Kind::String(_) = value.kind {
            return Some(Self {
                url: Read::read(value, problems)?,
                methods: None,
                addresses: Vec::new(),
                secrets: Vec::new(),
                sign: None,
                certificate_authority: None,
                time: None,
                request_size: None,
                response_size: None,
            });
        }
        if !matches!(value.kind, Kind::Object(_)) {
            let help = "write \"https://api.example.com\" or { url = \"https://api.example.com\" }";
            wrong_type(value, "a URL or a table", help, problems);
            return None;
        }
        let mut table = Table::open(value, problems)?;
        let url = table.required("url", "\"https://api.example.com\"");
        let methods = table.optional("methods");
        let addresses = table.optional("addresses").unwrap_or_default();
        let secrets = table.optional("secrets").unwrap_or_default();
        let sign = table.optional("sign");
        let certificate_authority = table.optional("certificate-authority");
        let time = table.optional("time");
        let request_size = table.optional("request-size");
        let response_size = table.optional("response-size");
        table.close()?;
        Some(Self {
            url: url?,
            methods,
            addresses,
            secrets,
            sign,
            certificate_authority,
            time,
            request_size,
            response_size,
        })
    }
}

impl Read for Command {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let program = table.required("program", "\"/usr/local/bin/stack\"");
        let arguments = table.optional("arguments").unwrap_or_default();
        let parameters = table.optional("parameters").unwrap_or_default();
        let environment = table.optional("environment").unwrap_or_default();
        let folder = table.optional("folder");
        let time = table.optional("time");
        let output = table.optional("output");
        table.close()?;
        Some(Self { program: program?, arguments, parameters, environment, folder, time, output })
    }
}

impl Read for Sign {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let aws = table.required("aws", "{ service = \"s3\", region = \"eu-central-1\" }");
        table.close()?;
        Some(Self { aws: aws? })
    }
}

impl Read for Aws {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let service = table.required("service", "\"s3\"");
        let region = table.required("region", "\"eu-central-1\"");
        let access_key_id = table.optional("access-key-id");
        let secret_access_key = table.optional("secret-access-key");
        let session_token = table.optional("session-token");
        table.close()?;
        Some(Self { service: service?, region: region?, access_key_id, secret_access_key, session_token })
    }
}

impl Read for Folder {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let path = table.required("path", "\"${data}/stacks\"");
        let access = table.required("access", "\"read\"");
        table.close()?;
        Some(Self { path: path?, access: access? })
    }
}

impl Read for Limits {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let limits = Self {
            memory: table.optional("memory"),
            time: table.optional("time"),
            output: table.optional("output"),
            http_requests: table.optional("http-requests"),
            commands: table.optional("commands"),
        };
        table.close()?;
        Some(limits)
    }
}

impl Read for Rule {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let name = table.required("name", "\"assign-trial\"");
        let description = table.optional("description");
        let enabled = table.optional("enabled");
        let event_pattern = table.optional("event-pattern");
        let schedule = table.optional("schedule");
        let schedule_timezone = table.optional("schedule-timezone");
        let targets = table.required("targets", "[\"assign-trial\"]");
        table.close()?;
        let (name, targets) = (name?, targets?);
        Some(Self { name, description, enabled, event_pattern, schedule, schedule_timezone, targets })
    }
}

impl Read for Target {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        if let Kind::String(_) = value.kind {
            return Some(Self {
                plugin: Read::read(value, problems)?,
                id: None,
                input: None,
                input_path: None,
                input_transformer: None,
                maximum_attempts: None,
                maximum_age: None,
                minimum_backoff: None,
                maximum_backoff: None,
            });
        }
        if !matches!(value.kind, Kind::Object(_)) {
            wrong_type(value, "the name of a plugin or a table", "write \"slack\" or { plugin = \"slack\" }", problems);
            return None;
        }
        let mut table = Table::open(value, problems)?;
        let plugin = table.required("plugin", "\"slack\"");
        let id = table.optional("id");
        let input = table.optional("input");
        let input_path = table.optional("input-path");
        let input_transformer = table.optional("input-transformer");
        let maximum_attempts = table.optional("maximum-attempts");
        let maximum_age = table.optional("maximum-age");
        let minimum_backoff = table.optional("minimum-backoff");
        let maximum_backoff = table.optional("maximum-backoff");
        table.close()?;
        Some(Self {
            plugin: plugin?,
            id,
            input,
            input_path,
            input_transformer,
            maximum_attempts,
            maximum_age,
            minimum_backoff,
            maximum_backoff,
        })
    }
}

impl Read for InputTransformer {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(value, problems)?;
        let input_paths = table.optional("input-paths").unwrap_or_default();
        let template = table.required("template", "'{\"type\": <type>}'");
        table.close()?;
        Some(Self { input_paths, template: template? })
    }
}

impl Read for Access {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        word(value, [("read", Self::Read), ("read-write", Self::ReadWrite)], problems)
    }
}

impl Read for Isolation {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        word(value, [("reuse", Self::Reuse), ("per-event", Self::PerEvent)], problems)
    }
}

impl Read for Duration {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        quantity(
            value,
            duration::parse,
            ("a duration", "write it like \"500ms\", \"30s\", \"10m\", \"12h\" or \"14d\""),
            problems,
        )
    }
}

impl Read for Bytes {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        quantity(value, size::parse, ("a size", "write it like \"64KiB\", \"64MiB\" or \"1GiB\""), problems).map(Self)
    }
}

impl Read for u32 {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let number = match &value.kind {
            Kind::Number(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            wrong_type(value, "a whole number", "write it without quotes, point and sign, like 16", problems);
        }
        number
    }
}

impl Read for bool {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        if let Kind::Bool(value) = value.kind {
            return Some(value);
        }
        wrong_type(value, "true or false", "write it without quotes", problems);
        None
    }
}

impl Read for String {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        if let Kind::String(text) = &value.kind {
            return Some(text.clone());
        }
        wrong_type(value, "a string", "put it into double quotes", problems);
        None
    }
}

/// As it stands.
impl Read for Value {
    fn read(value: &Value, _problems: &mut Problems) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        Some(Self { span: value.span.clone(), value: T::read(value, problems)? })
    }
}

/// Without the elements in which something is wrong.
impl<T: Read> Read for Vec<T> {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        if let Kind::Array(items) = &value.kind {
            return Some(items.iter().filter_map(|item| T::read(item, problems)).collect());
        }
        let help = match &value.kind {
            Kind::Object(_) => "write it in brackets: [{ ... }], or [[...]] for a table of its own".to_owned(),
            _ => format!("write it in brackets: [{value}]"),
        };
        wrong_type(value, "an array", &help, problems);
        None
    }
}

/// Without the members in which something is wrong.
impl<T: Read> Read for Named<T> {
    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let members = members(value, problems)?;
        let named = |(key, value): &(Key, Value)| {
            Some((Spanned { span: key.span.clone(), value: key.name.clone() }, T::read(value, problems)?))
        };
        Some(members.iter().filter_map(named).collect())
    }
}

/// A table whose fields are read one by one.
struct Table<'v> {
    /// Where it is.
    span: &'v Span,
    /// What is written in it.
    members: &'v [(Key, Value)],
    /// The fields that were asked for.
    known: Vec<&'static str>,
    /// What is wrong, here and elsewhere.
    problems: &'v mut Problems,
    /// How much was wrong before.
    before: usize,
}

impl<'v> Table<'v> {
    fn open(value: &'v Value, problems: &'v mut Problems) -> Option<Self> {
        let members = members(value, problems)?;
        let before = problems.len();
        Some(Self { span: &value.span, members, known: Vec::new(), problems, before })
    }

    /// The field, if it is there and nothing is wrong with it.
    fn optional<T: Read>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let (_, value) = self.members.iter().find(|(key, _)| key.name == name)?;
        T::read(value, self.problems)
    }

    /// The same for a field that must be there; `sample` is what could be written.
    fn required<T: Read>(&mut self, name: &'static str, sample: &str) -> Option<T> {
        if !self.members.iter().any(|(key, _)| key.name == name) {
            let problem = Problem::new(self.span, format!("`{name}` is missing"));
            self.problems.add(problem.help(format!("write {name} = {sample}")));
        }
        self.optional(name)
    }

    /// Complains about the fields that nobody asked for. `None` if anything was wrong since the table was opened.
    fn close(self) -> Option<()> {
        for (key, _) in self.members {
            if !self.known.contains(&key.name.as_str()) {
                let problem = Problem::new(&key.span, format!("there is no field `{}` here", key.name));
                self.problems.add(problem.help(suggest::advice(&key.name, &self.known)));
            }
        }
        (self.problems.len() == self.before).then_some(())
    }
}

fn members<'v>(value: &'v Value, problems: &mut Problems) -> Option<&'v [(Key, Value)]> {
    if let Kind::Object(members) = &value.kind {
        return Some(members);
    }
    wrong_type(value, "a table", "write it in braces, { name = value }, or below a [header]", problems);
    None
}

/// One of a few words.
fn word<T: Copy>(value: &Value, words: [(&'static str, T); 2], problems: &mut Problems) -> Option<T> {
    let names = words.map(|(name, _)| name);
    let help = format!("write \"{}\" or \"{}\"", names[0], names[1]);
    let Kind::String(text) = &value.kind else {
        wrong_type(value, "a string", &help, problems);
        return None;
    };
    let found = words.iter().find(|(name, _)| name == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        problems.add(Problem::new(&value.span, format!("`{text}` is not known here")).help(help));
    }
    found
}

/// A string with a unit, or a whole number without one.
fn quantity<T>(
    value: &Value,
    parse: fn(&str) -> Result<T, Complaint>,
    (wanted, help): (&str, &str),
    problems: &mut Problems,
) -> Option<T> {
    match &value.kind {
        Kind::String(text) | Kind::Number(text) => {
            parse(text).map_err(|complaint| problems.complain(&value.span, complaint)).ok()
        }
        _ => {
            wrong_type(value, wanted, help, problems);
            None
        }
    }
}

fn wrong_type(value: &Value, wanted: &str, help: &str, problems: &mut Problems) {
    let found = match &value.kind {
        Kind::Number(text) => format!("`{text}`"),
        kind => kind.noun(Notation::Toml).to_owned(),
    };
    problems.add(Problem::new(&value.span, format!("expected {wanted}, found {found}")).help(help));
}

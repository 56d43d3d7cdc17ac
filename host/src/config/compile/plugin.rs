//! What plugins may do.

use std::time::Duration;

use serde_json::Value as Json;

use super::egress::Secrets;
use super::{Bytes, Compiler, name};
use crate::config::authored::{self, Spanned};
use crate::config::{Folder, Grants, Instances, Limits, PluginSettings};
use crate::event::DAEMON_SOURCE;
use crate::pattern::value::{Kind, Value};

/// The longest source of an event, in bytes.
const MAX_SOURCE: usize = 256;

impl Compiler<'_> {
    pub(super) fn plugin(&mut self, mut authored: authored::Plugin, secrets: &Secrets) -> PluginSettings {
        let default = PluginSettings::default();
        self.placeholders(&authored);
        let limits = authored.limits.as_ref().map_or(default.limits, |limits| self.limits(limits));
        PluginSettings {
            config: authored.config.iter().map(|(name, value)| (name.value.clone(), json(value))).collect(),
            isolation: authored.isolation.unwrap_or_default(),
            instances: authored.instances.as_ref().map_or(default.instances, |instances| self.instances(instances)),
            concurrency: self.within("concurrency", &authored.concurrency, default.concurrency, (1, 256)),
            trust: authored.trust.take().map(|trust| self.trust(trust)),
            grants: self.grants(authored, secrets, limits.time),
            limits,
        }
    }

    fn instances(&mut self, authored: &authored::Instances) -> Instances {
        let default = Instances::default();
        let times = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
        Instances {
            warm: self.within("warm", &authored.warm, default.warm, (0, 256)),
            idle_time: self.within("idle-time", &authored.idle_time, default.idle_time, times),
        }
    }

    fn limits(&mut self, authored: &authored::Limits) -> Limits {
        let default = Limits::default();
        let bytes = |least, most| (Bytes(least), Bytes(most));
        let seconds = (Duration::from_millis(1), Duration::from_secs(60 * 60));
        Limits {
            memory: self.within("memory", &authored.memory, Bytes(default.memory), bytes(1 << 20, 4 << 30)).0,
            time: self.within("time", &authored.time, default.time, seconds),
            output: self.within("output", &authored.output, Bytes(default.output), bytes(1 << 10, 1 << 30)).0,
            http_requests: self.within("http-requests", &authored.http_requests, default.http_requests, (1, 1024)),
            commands: self.within("commands", &authored.commands, default.commands, (1, 256)),
        }
    }

    fn grants(&mut self, authored: authored::Plugin, secrets: &Secrets, time: Duration) -> Grants {
        let mut grants = Grants { trials: authored.trials, ..Grants::default() };
        grants.http = authored.http.iter().filter_map(|destination| self.destination(destination, secrets)).collect();
        for (bucket, access) in authored.kv {
            self.name(&name::BUCKET, &bucket);
            grants.kv.insert(bucket.value, access);
        }
        for source in authored.emit {
            self.source(&source);
            grants.emit.insert(source.value);
        }
        for (name, command) in authored.commands {
            let command = self.command(&name, &command, time);
            grants.commands.insert(name.value, command);
        }
        for (name, folder) in authored.folders {
            self.name(&name::FOLDER, &name);
            let path = self.path(&folder.path);
            grants.folders.insert(name.value, Folder { path, access: folder.access });
        }
        grants
    }

    fn source(&mut self, source: &Spanned<String>) {
        let text = source.value.as_str();
        if text.is_empty() || text.len() > MAX_SOURCE {
            let help = format!("a source has 1 to {MAX_SOURCE} bytes");
            self.complain(&source.span, format!("a source cannot have {} bytes", text.len()), help);
        } else if text == DAEMON_SOURCE {
            self.complain(
                &source.span,
                "`trialbridge` is the daemon's own source",
                "choose another, like the plugin's name",
            );
        } else if text.starts_with("aws.") {
            let help = "choose another, like the plugin's name";
            self.complain(&source.span, format!("`{text}` is reserved: sources of AWS begin with `aws.`"), help);
        }
    }
}

fn json(value: &Value) -> Json {
    match &value.kind {
        Kind::Null => Json::Null,
        Kind::Bool(value) => Json::Bool(*value),
        Kind::Number(text) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            // Every other number that TOML has is a finite float.
            Err(_) => text.parse::<f64>().map_or(Json::Null, Json::from),
        },
        Kind::String(text) => Json::String(text.clone()),
        Kind::Array(items) => items.iter().map(json).collect(),
        Kind::Object(members) => members.iter().map(|(key, value)| (key.name.clone(), json(value))).collect(),
    }
}

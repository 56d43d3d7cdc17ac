//! What guests say, kept instead of logged: for whoever runs one by hand.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The target of what guests say.
const TARGET: &str = "trialbridge::guest";

/// The lines that guests have said since they were last taken.
#[derive(Clone, Default)]
pub struct GuestLog(Arc<Mutex<Vec<Line>>>);

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `trace`, `debug`, `info` or `warn`. Standard output and error are `info`.
    pub level: String,
    /// What it says.
    pub message: String,
    /// Its fields, `NAME=VALUE`.
    pub fields: String,
}

impl GuestLog {
    /// Keeps what guests say from now on, in this process, and drops every other log line.
    pub fn install() -> Self {
        let log = Self::default();
        let guests = Targets::new().with_target(TARGET, LevelFilter::TRACE);
        // A subscriber that is there already is somebody's choice.
        let _ = tracing_subscriber::registry().with(log.clone().with_filter(guests)).try_init();
        log
    }

    /// Takes the lines.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for GuestLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = event.metadata().level().to_string().to_ascii_lowercase();
        let mut line = Line { level, ..Line::default() };
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "fields" => self.fields.push_str(value),
            "plugin" | "delivery" => {}
            name => {
                let _ = write!(self.fields, "{name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

//! Messages: what the configuration says of one kind of event, and what becomes of it in Block Kit.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::template::{Source, Template};
use crate::text::shorten;

/// The most blocks of a message.
const MOST_BLOCKS: usize = 50;

/// The most characters of a message's text, which notifications show.
const MOST_TEXT: usize = 40_000;

/// The most characters of a header.
const MOST_HEADER: usize = 150;

/// The most characters of a section, and of a line of small print.
const MOST_SECTION: usize = 3000;

/// The most characters of a field.
const MOST_FIELD: usize = 2000;

/// The most fields of a section.
const MOST_FIELDS: usize = 10;

/// The most pieces of small print in one block.
const MOST_CONTEXT: usize = 10;

/// `[plugins.slack.config.messages.DETAIL-TYPE]`, as it is written. Every text may have placeholders.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authored {
    /// What notifications show, and whoever has no Block Kit.
    text: String,
    /// A title in large type, without markup.
    header: Option<String>,
    /// Paragraphs.
    #[serde(default)]
    sections: Vec<String>,
    /// Short texts in two columns.
    #[serde(default)]
    fields: Vec<String>,
    /// Small print.
    #[serde(default)]
    context: Vec<String>,
}

/// What is said of one kind of event.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    text: Template,
    header: Option<Template>,
    sections: Vec<Template>,
    fields: Vec<Template>,
    context: Vec<Template>,
}

impl Message {
    /// Reads the templates.
    ///
    /// # Errors
    ///
    /// Says which text is wrong, and why.
    pub(crate) fn compile(authored: &Authored) -> Result<Self, String> {
        let one = |name: &str, text: &str| Template::parse(text).map_err(|reason| format!("{name}: {reason}"));
        let all = |name: &str, texts: &[String]| -> Result<Vec<Template>, String> {
            texts.iter().enumerate().map(|(at, text)| one(&format!("{name}[{at}]"), text)).collect()
        };
        if authored.text.trim().is_empty() {
            return Err("text: is empty, and is what notifications show".to_owned());
        }
        Ok(Self {
            text: one("text", &authored.text)?,
            header: authored.header.as_deref().map(|text| one("header", text)).transpose()?,
            sections: all("sections", &authored.sections)?,
            fields: all("fields", &authored.fields)?,
            context: all("context", &authored.context)?,
        })
    }

    /// The message about an event: `text` and `blocks`, within Slack's limits. What has no value is left out.
    pub(crate) fn fill(&self, source: &Source, detail_type: &str) -> Map<String, Value> {
        let mut blocks = Vec::new();
        if let Some(header) = self.header.as_ref().and_then(|header| header.fill(source)) {
            // A header is one line.
            let text = shorten(&header.replace(['\n', '\r'], " "), MOST_HEADER);
            blocks.push(json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": true } }));
        }
        for text in filled(&self.sections, source, MOST_SECTION) {
            blocks.push(json!({ "type": "section", "text": text }));
        }
        for fields in filled(&self.fields, source, MOST_FIELD).chunks(MOST_FIELDS) {
            blocks.push(json!({ "type": "section", "fields": fields }));
        }
        for elements in filled(&self.context, source, MOST_SECTION).chunks(MOST_CONTEXT) {
            blocks.push(json!({ "type": "context", "elements": elements }));
        }
        blocks.truncate(MOST_BLOCKS);
        let text = self.text.fill(source).unwrap_or_else(|| crate::text::escape(detail_type));
        let mut message = Map::new();
        message.insert("text".to_owned(), json!(shorten(&text, MOST_TEXT)));
        if !blocks.is_empty() {
            message.insert("blocks".to_owned(), json!(blocks));
        }
        message
    }
}

/// The texts that have something to say, as objects of Block Kit.
fn filled(templates: &[Template], source: &Source, most: usize) -> Vec<Value> {
    let texts = templates.iter().filter_map(|template| template.fill(source));
    texts.map(|text| json!({ "type": "mrkdwn", "text": shorten(&text, most) })).collect()
}

//! Texts as Slack wants them: escaped, and no longer than it takes.

/// A text in which nothing means anything to Slack: no link, no mention, no entity.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text, if it has no more than `most` characters; its beginning and an ellipsis otherwise. Neither an entity nor what stands
/// within `<` and `>` is cut in two, because Slack would show its pieces.
///
/// Characters are counted as JavaScript counts them, where an emoji is two: Slack does not say which it means, and this is the larger number.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut used = 0;
    let fits = |c: &char| {
        used += c.len_utf16();
        used < most
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    for (begin, end) in [('&', ';'), ('<', '>')] {
        if let Some(at) = kept.rfind(begin)
            && !kept[at..].contains(end)
        {
            kept.truncate(at);
        }
    }
    kept.push('…');
    kept
}

/// How many characters a text has.
pub(crate) fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_value_means_anything_to_slack() {
        assert_eq!(escape("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        assert_eq!(escape("&lt;"), "&amp;lt;");
    }

    #[test]
    fn what_is_too_long_is_cut_between_what_belongs_together() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("🎉🎉", 4, "🎉🎉"),
            ("🎉🎉🎉", 4, "🎉…"),
            ("a &amp; b", 6, "a …"),
            ("a &amp; b", 8, "a &amp;…"),
            ("see <https://x|it> now", 10, "see …"),
            ("<a> b c", 6, "<a> b…"),
        ] {
            let short = shorten(text, most);
            assert_eq!(short, expected, "{text} to {most}");
            assert!(length(&short) <= most);
        }
    }
}

//! Reads server-sent events.

/// Takes a stream of bytes apart into the data of its events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Bytes of the line that is not complete yet.
    line: Vec<u8>,
    /// Lines of data of the event that is not complete yet.
    data: Vec<String>,
}

impl Reader {
    /// Reads some more bytes; answers with the data of the events that they complete.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if let Some(data) = line.strip_prefix("data:") {
                self.data.push(data.strip_prefix(' ').unwrap_or(data).to_owned());
            } else if line.is_empty() && !self.data.is_empty() {
                events.push(std::mem::take(&mut self.data).join("\n"));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn events_may_arrive_in_any_pieces() {
        let stream =
            ":\n\nid: 1\nevent: T\ndata: {\"a\":\"ä\"}\n\n: keep-alive\n\ndata:1\r\ndata: 2\r\n\r\ndata: unfinished\n"
                .as_bytes();
        let expected = ["{\"a\":\"ä\"}", "1\n2"];
        assert_eq!(Reader::default().read(stream), expected);
        let mut reader = Reader::default();
        let one_by_one: Vec<String> = stream.iter().flat_map(|byte| reader.read(&[*byte])).collect();
        assert_eq!(one_by_one, expected);
    }
}

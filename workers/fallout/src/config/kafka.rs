//! `[kafka]`: where events are published to.

use std::{fs, path::PathBuf, sync::Arc};

use fallout_watch::Events;
use serde::{Deserialize, Serialize};

use super::{Problem, listed};
use crate::codes::Failure;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KafkaSettings {
    pub brokers: String,
    pub topic: String,
    pub properties: PathBuf,
}

impl KafkaSettings {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.topic.is_empty() || self.topic.len() > 249 || !self.topic.chars().all(plain) {
            problems.push(Problem::new("kafka.topic", "expected 1 to 249 letters, digits, dots, _ and -"));
        }
        let address = |one: &str| {
            one.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if !self.brokers.is_empty() && !self.brokers.split(',').all(address) {
            problems.push(Problem::new("kafka.brokers", "expected host:port, more after commas"));
        }
        if let Err(what) = self.read() {
            problems.push(Problem::new("kafka.properties", what));
        }
        problems
    }

    /// `None`: events are published nowhere.
    pub fn events(&self) -> Result<Option<Arc<Events>>, Failure> {
        if self.brokers.is_empty() {
            return Ok(None);
        }
        let properties = self.read().map_err(|what| {
            let problems = [Problem::new("kafka.properties", what)];
            Failure::new("FO-001", listed("the configuration cannot be used:", &problems))
        })?;
        Ok(Some(Arc::new(Events { brokers: self.brokers.clone(), topic: self.topic.clone(), properties })))
    }

    /// `name=value` a line, as librdkafka's own tools take them.
    fn read(&self) -> Result<Vec<(String, String)>, String> {
        if self.properties.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&self.properties).map_err(|e| format!("the file cannot be read: {e}"))?;
        properties(&text)
    }
}

fn properties(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(n, line)| match line.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
            _ => Err(format!("line {}: expected name=value", n + 1)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_lines_and_what_is_none_is_told_with_its_line() {
        let read = properties("# who we are\nsasl.username = fallout\n\nsasl.password=a=b\n").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("sasl.username", "fallout"), pair("sasl.password", "a=b")]);
        assert_eq!(properties("x=1\nsasl").unwrap_err(), "line 2: expected name=value");
    }

    #[test]
    fn what_can_never_work_is_told() {
        let settings = |brokers: &str, topic: &str, properties: &str| KafkaSettings {
            brokers: brokers.into(),
            topic: topic.into(),
            properties: properties.into(),
        };
        assert!(settings("", "t", "").problems().is_empty());
        assert!(settings("a:9092, b:9092", "t", "").problems().is_empty());
        assert!(settings("", "t", "").events().unwrap().is_none());
        for wrong in [settings("a", "t", ""), settings("", "a b", ""), settings("", "t", "no/such/file")] {
            assert_eq!(wrong.problems().len(), 1, "{wrong:?}");
        }
    }
}

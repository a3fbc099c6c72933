//! `inspect --pretty`: objects for people, with Docker's lines and blanks.

mod service;

use serde_json::Value;
use skep_api::{Bytes, Time};

use crate::ago::pretty_time;
use crate::service::text;
use crate::tasks::capital;

pub(crate) use service::service;

/// `node inspect --pretty`.
pub(crate) fn node(value: &Value) -> String {
    let mut page = Page::default();
    let platform = &value["Description"]["Platform"];
    let resources = &value["Description"]["Resources"];
    page.line(&format!("ID:\t\t\t{}", text(value, "/ID")));
    page.bullets("Labels:", &value["Spec"]["Labels"]);
    page.line(&format!("Hostname:              \t{}", text(value, "/Description/Hostname")));
    page.line(&format!("Joined at:             \t{}", pretty_time(&text(value, "/CreatedAt"))));
    page.line("Status:");
    page.line(&format!(" State:\t\t\t{}", capital(&text(value, "/Status/State"))));
    page.line(&format!(" Availability:         \t{}", capital(&text(value, "/Spec/Availability"))));
    page.line(&format!(" Address:\t\t{}", text(value, "/Status/Addr")));
    if let Some(manager) = value.get("ManagerStatus").filter(|m| m.is_object()) {
        page.line("Manager Status:");
        page.line(&format!(" Address:\t\t{}", text(manager, "/Addr")));
        page.line(&format!(" Raft Status:\t\t{}", capital(&text(manager, "/Reachability"))));
        let leader = manager["Leader"].as_bool().unwrap_or(false);
        page.line(&format!(" Leader:\t\t{}", if leader { "Yes" } else { "No" }));
    }
    page.line("Platform:");
    page.line(&format!(" Operating System:\t{}", text(platform, "/OS")));
    page.line(&format!(" Architecture:\t\t{}", text(platform, "/Architecture")));
    page.line("Resources:");
    let cpus = resources["NanoCPUs"].as_u64().unwrap_or_default();
    page.line(&format!(" CPUs:\t\t\t{}", cpus / 1_000_000_000));
    let memory = resources["MemoryBytes"].as_u64().unwrap_or_default();
    page.line(&format!(" Memory:\t\t{}", Bytes(memory)));
    page.line(&format!("Engine Version:\t\t{}", text(value, "/Description/Engine/EngineVersion")));
    page.text
}

/// `config inspect --pretty`: the content exactly as it is.
pub(crate) fn config(value: &Value) -> String {
    use base64::Engine;
    let mut page = Page::default();
    page.line(&format!("ID:\t\t\t{}", text(value, "/ID")));
    page.line(&format!("Name:\t\t\t{}", text(value, "/Spec/Name")));
    page.bullets("Labels:", &value["Spec"]["Labels"]);
    page.line(&format!("Created at:            \t{}", pretty_time(&text(value, "/CreatedAt"))));
    page.line(&format!("Updated at:            \t{}", pretty_time(&text(value, "/UpdatedAt"))));
    page.line("Data:");
    let data = base64::engine::general_purpose::STANDARD.decode(text(value, "/Spec/Data"));
    page.text.push_str(&String::from_utf8_lossy(&data.unwrap_or_default()));
    if !page.text.ends_with('\n') {
        page.text.push('\n');
    }
    page.text
}

/// `secret inspect --pretty`.
pub(crate) fn secret(value: &Value) -> String {
    let mut page = Page::default();
    page.line(&format!("ID:              {}", text(value, "/ID")));
    page.line(&format!("Name:              {}", text(value, "/Spec/Name")));
    page.bullets("Labels:", &value["Spec"]["Labels"]);
    page.line("Driver:            ");
    page.line(&format!("Created at:        {}", pretty_time(&text(value, "/CreatedAt"))));
    page.line(&format!("Updated at:        {}", pretty_time(&text(value, "/UpdatedAt"))));
    page.text
}

/// Reads the moment that an API answer gives; for display only.
pub(crate) fn parse_time(rfc3339: &str) -> Option<Time> {
    let (date, rest) = rfc3339.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let mut clock = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since 1970 in the proleptic Gregorian calendar, years counted from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanos: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(Time::from_nanos(u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)? + nanos))
}

/// Objects that have no form for people beyond their JSON.
pub(crate) fn json(value: &Value) -> String {
    format!("{}\n", crate::out::indented(value))
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn pairs(&mut self, title: &str, map: &Value) {
        self.map(title, " ", map);
    }

    fn bullets(&mut self, title: &str, map: &Value) {
        self.map(title, " - ", map);
    }

    fn map(&mut self, title: &str, before: &str, map: &Value) {
        let Some(map) = map.as_object().filter(|map| !map.is_empty()) else { return };
        self.line(title);
        for (key, value) in map {
            self.line(&format!("{before}{key}={}", text(value, "")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_api_are_read_back() {
        for nanos in [0, 1, 951_782_400_000_000_001, 1_795_226_468_391_514_516] {
            let time = Time::from_nanos(nanos);
            assert_eq!(parse_time(&time.to_string()), Some(time));
        }
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn a_config_is_shown_as_docker_shows_it() {
        let value = serde_json::json!({
            "ID": "hj9tfvxc3j60m1i7cderxm38w",
            "CreatedAt": "2026-11-21T02:01:08.414168829Z",
            "UpdatedAt": "2026-11-21T02:01:08.414168829Z",
            "Spec": {"Name": "greeting", "Labels": {"env": "prod"}, "Data": "aGVsbG8K"}
        });
        let expected = "ID:\t\t\thj9tfvxc3j60m1i7cderxm38w\nName:\t\t\tgreeting\nLabels:\n - env=prod\n\
            Created at:            \t2026-11-21 02:01:08.414168829 +0000 utc\n\
            Updated at:            \t2026-11-21 02:01:08.414168829 +0000 utc\nData:\nhello\n";
        assert_eq!(config(&value), expected);
    }
}

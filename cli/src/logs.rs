//! `service logs`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skep_api::{Task, Time, parse_duration};
use skep_wire::pb;

use crate::args::Logs;
use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::{out, pretty};

/// Prints what a service or a task wrote, each line with who wrote it.
pub(crate) async fn run(client: &Client, args: &Logs) -> CliResult<()> {
    let mut names = Names::default();
    let mut request = pb::LogsRequest {
        follow: args.follow,
        stdout: true,
        stderr: true,
        since_ns: args.since.as_deref().map(since).transpose()?,
        tail: tail(&args.tail)?,
        ..Default::default()
    };
    let by_name = pb::ByName { name: args.name.clone() };
    match client.control().get_service(by_name.clone()).await {
        Ok(service) => request.services = vec![service.into_inner().id],
        Err(status) if status.code() == tonic::Code::NotFound => {
            let task = client.control().get_task(by_name).await.map_err(|status| {
                if status.code() == tonic::Code::NotFound {
                    return CliError::new(format!("no such task or service: {}", args.name));
                }
                status.into()
            })?;
            let row = task.into_inner();
            request.tasks = row.task.iter().map(|task| task.id.clone()).collect();
            names.add(row, args)?;
        }
        Err(status) => return Err(status.into()),
    }
    names.read(client, &request, args).await?;
    if request.tasks.is_empty() {
        request.tasks = names.0.keys().cloned().collect();
    }
    let mut stream = client.logs().read(request.clone()).await?.into_inner();
    while let Some(message) = stream.message().await? {
        for line in message.lines {
            if !names.0.contains_key(&line.task) {
                names.read(client, &request, args).await?;
            }
            print(&line, names.0.get(&line.task), args)?;
        }
    }
    Ok(())
}

fn print(line: &pb::LogLine, name: Option<&String>, args: &Logs) -> CliResult<()> {
    let mut text = Vec::new();
    if args.timestamps {
        text.extend_from_slice(fixed_width(Time::from_nanos(line.at_ns)).as_bytes());
        text.push(b' ');
    }
    if !args.raw {
        text.extend_from_slice(name.map_or(line.task.as_str(), String::as_str).as_bytes());
        text.extend_from_slice(b"    | ");
    }
    text.extend_from_slice(&line.text);
    text.push(b'\n');
    if line.stderr {
        use std::io::Write;
        return Ok(std::io::stderr().lock().write_all(&text)?);
    }
    out::raw(&text)
}

/// With nine digits of a second always, so that lines stay aligned, as Docker prints them.
fn fixed_width(time: Time) -> String {
    let text = time.to_string();
    let text = text.trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<9}Z")
}

/// What stands before a task's lines, by its id.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    async fn read(
        &mut self,
        client: &Client,
        request: &pb::LogsRequest,
        args: &Logs,
    ) -> CliResult<()> {
        if request.services.is_empty() {
            return Ok(());
        }
        let tasks =
            pb::ListTasksRequest { services: request.services.clone(), ..Default::default() };
        for row in client.control().list_tasks(tasks).await?.into_inner().tasks {
            self.add(row, args)?;
        }
        Ok(())
    }

    fn add(&mut self, row: pb::TaskRow, args: &Logs) -> CliResult<()> {
        let task = Task::try_from(row.task.unwrap_or_default())?;
        let service = if args.no_resolve { task.service.to_string() } else { row.service_name };
        let mut name = task.short_name(&service);
        if !args.no_task_ids {
            let id = if args.no_trunc { task.id.to_string() } else { task.id.short() };
            name = format!("{name}.{id}");
        }
        let node = match task.node {
            Some(node) if args.no_resolve => node.to_string(),
            _ => row.node_name,
        };
        self.0.insert(task.id.to_string(), format!("{name}@{node}"));
        Ok(())
    }
}

fn tail(text: &str) -> CliResult<Option<u64>> {
    if text == "all" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        CliError::new(format!("invalid value for --tail: {text}"))
            .hint("give a number of lines, or `all`")
    })
}

/// Nanoseconds since 1970 of a moment, or of so long ago.
fn since(text: &str) -> CliResult<u64> {
    if let Some(time) = pretty::parse_time(text) {
        return Ok(time.as_nanos());
    }
    if let Ok(duration) = parse_duration(text) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(now.saturating_sub(duration).as_nanos() as u64);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = format!("{fraction:0<9}").get(..9).and_then(|digits| digits.parse().ok());
    match (seconds.parse(), nanos) {
        (Ok(seconds), Some(nanos)) => {
            Ok((Duration::from_secs(seconds) + Duration::from_nanos(nanos)).as_nanos() as u64)
        }
        _ => Err(CliError::new(format!("invalid value for --since: {text}"))
            .hint("use RFC 3339 in UTC (2026-01-02T15:04:05Z), seconds since 1970, or `10m`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_all_forms() {
        assert_eq!(since("1970-01-01T00:00:01.5Z").ok(), Some(1_500_000_000));
        assert_eq!(since("12.25").ok(), Some(12_250_000_000));
        assert!(since("10m").is_ok_and(|ns| ns > 0));
        assert!(since("soon").is_err());
    }

    #[test]
    fn timestamps_have_one_width() {
        assert_eq!(fixed_width(Time::from_secs(1)), "1970-01-01T00:00:01.000000000Z");
        assert_eq!(fixed_width(Time::from_nanos(1_500_000_000)), "1970-01-01T00:00:01.500000000Z");
    }
}

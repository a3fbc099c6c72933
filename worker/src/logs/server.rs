//! The gRPC service that reads this node's logs.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use skep_api::{Error, Id, Node, Time};
use skep_wire::{pb, to_status};
use tonic::{Request, Response, Status};

use super::{Follow, LogLine, LogOptions, LogSelection, LogStream, Logs};

struct Server(Logs);

/// The service.
pub(super) fn server(logs: Logs) -> pb::logs_server::LogsServer<impl pb::logs_server::Logs> {
    pb::logs_server::LogsServer::new(Server(logs))
}

#[tonic::async_trait]
impl pb::logs_server::Logs for Server {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<pb::LogsMessage, Status>> + Send>>;

    async fn read(
        &self,
        request: Request<pb::LogsRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let (selection, options) = parse(request.into_inner()).map_err(|e| to_status(&e))?;
        let lines = self.0.read(selection, options).map_err(|e| to_status(&e))?;
        let node = self.0.0.node;
        Ok(Response::new(Box::pin(lines.map(move |batch| message(node, batch)))))
    }
}

fn parse(request: pb::LogsRequest) -> Result<(LogSelection, LogOptions), Error> {
    let selection = LogSelection {
        tasks: ids("task", &request.tasks)?,
        services: ids("service", &request.services)?,
    };
    let stream = match (request.stdout, request.stderr) {
        (true, true) => None,
        (true, false) => Some(LogStream::Stdout),
        (false, true) => Some(LogStream::Stderr),
        (false, false) => return Err(Error::invalid("you must choose at least one stream")),
    };
    let options = LogOptions {
        follow: if request.follow { Follow::Yes } else { Follow::No },
        tail: request.tail,
        since: request.since_ns.map(Time::from_nanos),
        stream,
    };
    Ok((selection, options))
}

fn ids<T>(what: &str, texts: &[String]) -> Result<BTreeSet<Id<T>>, Error> {
    let parsed = texts.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().map_err(|error| Error::invalid(format!("{what}: {error}")))
}

fn message(node: Id<Node>, batch: io::Result<Vec<LogLine>>) -> Result<pb::LogsMessage, Status> {
    let batch = batch.map_err(|error| {
        to_status(&Error::internal(format!("cannot read the logs of node {node}: {error}")))
    })?;
    let node = node.to_string();
    let lines = batch.into_iter().map(|line| pb::LogLine {
        task: line.task.to_string(),
        service: line.service.to_string(),
        node: node.clone(),
        stderr: line.stream == LogStream::Stderr,
        at_ns: line.at.as_nanos(),
        text: line.text,
    });
    Ok(pb::LogsMessage { lines: lines.collect() })
}

#[cfg(test)]
mod tests {
    use skep_api::{Bytes, Service, Task};

    use super::*;

    #[tokio::test]
    async fn a_request_is_answered_with_the_nodes_lines() {
        let root = tempfile::tempdir().expect("a folder");
        let node = Id::<Node>::from_u128(3);
        let logs = Logs::open(root.path(), Bytes::mib(1), node).expect("opens");
        let (task, service) = (Id::<Task>::from_u128(1), Id::<Service>::from_u128(2));
        let log = logs.writer(task, service);
        log.write(LogStream::Stdout, b"out");
        log.write(LogStream::Stderr, &[0xff, 0]);

        let server = Server(logs);
        let read = async |stdout, stderr, tasks: Vec<String>| {
            let request = pb::LogsRequest { tasks, stdout, stderr, ..Default::default() };
            let answer = pb::logs_server::Logs::read(&server, Request::new(request)).await?;
            let mut lines = Vec::new();
            let mut messages = answer.into_inner();
            while let Some(message) = messages.next().await {
                lines.extend(message?.lines);
            }
            Ok::<_, Status>(lines)
        };
        let both = read(true, true, vec![task.to_string()]).await.expect("read");
        assert_eq!(both.len(), 2);
        assert_eq!((&both[0].task, &both[0].node), (&task.to_string(), &node.to_string()));
        let stderr = read(false, true, vec![task.to_string()]).await.expect("read");
        assert_eq!(
            (stderr.len(), stderr[0].stderr, &stderr[0].text[..]),
            (1, true, &[0xff, 0][..])
        );
        assert!(read(false, false, vec![task.to_string()]).await.is_err());
        assert!(read(true, true, vec!["not an id".to_owned()]).await.is_err());
    }
}

//! A small HTTP/1.1 client: one request a connection, over TCP or a unix socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long the other side may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {self:?}"))
    }
}

/// `GET` from a port of this machine.
pub fn get(port: u16, path: &str) -> Result<Answer> {
    send(port, "GET", path, &[], b"")
}

/// A request with a body to a port of this machine.
pub fn send(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let host = format!("127.0.0.1:{port}");
    exchange(stream, method, path, &[&[("host", host.as_str())], headers].concat(), body)
}

/// `GET` from a unix socket.
pub fn get_unix(socket: &Path, path: &str) -> Result<Answer> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    exchange(stream, "GET", path, &[("host", "skep")], b"")
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    request += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[request.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).with_context(|| format!("not HTTP: {}", String::from_utf8_lossy(&bytes)))
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no end of headers")?;
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status: status.parse()?, headers, body: String::new() };
    let body = &bytes[end + 4..];
    let body = match (answer.header("transfer-encoding"), answer.header("content-length")) {
        (Some("chunked"), _) => unchunk(body)?,
        (_, Some(length)) if length.parse() != Ok(body.len()) => {
            bail!("the body has {} bytes, not {length}", body.len())
        }
        _ => body.to_owned(),
    };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Ok(answer)
}

fn unchunk(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").context("no size of a chunk")?;
        let size = std::str::from_utf8(&bytes[..end])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)?;
        let chunk = bytes.get(end + 2..end + 2 + size).context("a chunk is cut off")?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(chunk);
        bytes = bytes.get(end + 4 + size..).context("a chunk has no end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_either_form() -> Result<()> {
        let plain = parse(b"HTTP/1.1 201 Created\r\nX-A:  b \r\ncontent-length: 2\r\n\r\nhi")?;
        assert_eq!(
            (plain.status, plain.header("x-a"), plain.body.as_str()),
            (201, Some("b"), "hi")
        );
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n, y\r\n0\r\n\r\n";
        assert_eq!(parse(chunks)?.body, "hi, y");
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi").is_err());
        Ok(())
    }
}

//! HTTP by hand: what no client library would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::support::{App, Reply};

/// Longer than that is a hang. (A call to an object may take 15 seconds before it is a 503, which fails a test as well.)
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub enum Body<'b> {
    /// With its length.
    Whole(&'b [u8]),
    /// In pieces, its length untold.
    Chunked(&'b [u8]),
}

/// Sends a request to the path as it stands here; panics where no answer comes.
pub fn send(app: &App, method: &str, path: &str, body: Body, headers: &[(&str, &str)]) -> Reply {
    try_send(app, method, path, body, headers).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn try_send(
    app: &App,
    method: &str,
    path: &str,
    body: Body,
    headers: &[(&str, &str)],
) -> std::io::Result<Reply> {
    let address = app.service.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nxproxy-api-key: {}\r\n",
        app.key
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let (length, content) = match body {
        Body::Whole([]) if matches!(method, "GET" | "HEAD" | "DELETE") => (String::new(), Vec::new()),
        Body::Whole(bytes) => (format!("content-length: {}\r\n", bytes.len()), bytes.to_vec()),
        Body::Chunked(bytes) => {
            let mut chunks = Vec::new();
            for piece in bytes.chunks(40_000) {
                chunks.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                chunks.extend_from_slice(piece);
                chunks.extend_from_slice(b"\r\n");
            }
            chunks.extend_from_slice(b"0\r\n\r\n");
            ("transfer-encoding: chunked\r\n".to_owned(), chunks)
        }
    };
    stream.write_all(format!("{head}{length}\r\n").as_bytes())?;
    // Who refuses a body need not read it: then the rest can't be written, and the answer is there already.
    let _ = stream.write_all(&content);
    read(stream)
}

fn read(mut stream: TcpStream) -> std::io::Result<Reply> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes)
        && bytes.is_empty()
    {
        return Err(error);
    }
    let bad = |what: &str| std::io::Error::other(format!("{what} in {:?}", String::from_utf8_lossy(&bytes)));
    let end =
        bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| bad("no end of the headers"))?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| bad("no status"))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let rest = &bytes[end + 4..];
    let text = if is_chunked { joined(rest) } else { rest.to_vec() };
    let text = String::from_utf8(text).map_err(|_| bad("no UTF-8"))?;
    Ok(Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text })
}

fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { break };
        all.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    all
}
